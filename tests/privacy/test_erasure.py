"""Erasing a person: gone from every byte of the data folder, the books balanced, nothing comes back."""

import gzip
import json
import os
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select
from tests.privacy.conftest import FIREFOX, Privacy, find_bytes

from trackway.app.folder import Folder
from trackway.control.database import State, bump_version, make_url
from trackway.control.tables import CREDENTIALS, POSITIONS, SOURCES
from trackway.privacy.certificate import WrongCertificate, verify_certificate
from trackway.testing.server import Answer
from trackway.testing.waiting import wait_until

pytestmark = pytest.mark.timeout(400)


def test_a_marker_sent_through_every_door_is_in_no_byte_afterwards(privacy: Privacy, tmp_path: Path) -> None:
    server, marker = privacy.server, "zebra-marker-7319"
    mail = f"{marker}@example.com"
    doomed = server.add_source("Doomed", "native", "server")
    doomed_key = doomed["credentials"]["write_key"]
    held_key = privacy.add_held_source()

    privacy.send(privacy.web, event_type="page_view", anonymous_id=marker, url=f"https://x.example/?q={marker}")
    privacy.send(
        privacy.web,
        event_type="identify",
        anonymous_id=marker,
        user_id=f"user-{marker}",
        traits={"name": marker, "email": mail, "phone": "+49 151 2345 6789"},
        properties={"deep": {"down": [marker]}},
        context={"note": marker},
    )
    held = privacy.send(held_key, event_type="view", user_id=f"user-{marker}", properties={"x": marker})
    packed = gzip.compress(json.dumps({"event_type": "view", "user_id": f"user-{marker}", "title": marker}).encode())
    told = {"authorization": f"Bearer {privacy.back}", "content-encoding": "gzip", **FIREFOX}
    assert server.request("POST", "/v1/events", packed, told).status == 200
    for amount in (1, 2):
        privacy.send(
            privacy.back,
            event_type="purchase",
            user_id=f"user-{marker}",
            dedupe_key=f"key-{marker}",
            properties={"amount": amount, "who": marker},
        )
    refused = server.post(
        "/v1/events", {"event_type": ["no text"], "traits": {"email": mail, "name": marker}}, privacy.back
    )
    assert refused.status == 422
    server.wait_until_settled()
    assert server.api(f"events/{held}")["outcome"] == "held"
    os.kill(server.child_pid("pipeline"), signal.SIGSTOP)
    try:
        privacy.send(doomed_key, event_type="view", user_id=f"user-{marker}", properties={"x": marker})
        state = State(make_url(server.data, ""))
        with state.write() as connection:
            of_doomed = connection.execute(select(SOURCES).where(SOURCES.c.id == doomed["id"])).mappings().one()
            connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.source == doomed["id"]))
            connection.execute(delete(SOURCES).where(SOURCES.c.id == doomed["id"]))
            bump_version(connection)
    finally:
        # It knows the source still; the next one does not.
        server.kill_child("pipeline")
    other = privacy.send(privacy.web, event_type="page_view", anonymous_id="somebody-else")
    server.wait_until_settled()
    time.sleep(0.5)
    assert {name.split("/")[0] for name in find_bytes(server.data, marker.encode())} == {
        "state.db-wal",
        "log",
        "engine",
    }

    asked = privacy.ask("erase", kind="email", value=mail.upper(), reason=f"letter of {mail}")
    done = privacy.wait(asked["id"])

    assert done["state"] == "done", done
    assert find_bytes(server.data, marker.encode(), b"23456789") == []
    assert privacy.look_up("email", mail) is None
    assert privacy.look_up("anonymous_id", marker) is None
    assert server.api(f"events/{other}")["outcome"] == "stored"
    with state.write() as connection:
        # Without it its dead letter's outcome has no line to stand in.
        connection.execute(insert(SOURCES).values(**of_doomed))
    state.close()
    books = server.wait_until_settled()
    assert books["balanced"] is True, books
    assert {line["source"]: line["dropped"] for line in books["sources"] if line["dropped"]} == {
        "web": {"erased": 2},
        "back-end": {"erased": 2},
        "held": {"no_consent": 1},
    }

    content = json.dumps(done["certificate"], indent=2).encode()
    certificate = verify_certificate(content)
    removed = {entry["place"]: entry["count"] for entry in certificate["removed"]}
    assert removed["event store: events"] == 4
    assert removed["relational state: events held until consent"] == 1
    assert removed["relational state: dead letters, conflicts and rejected bodies"] == 3
    assert removed["event log: records overwritten"] >= 6
    assert certificate["verified"] is True
    assert all(entry["count"] == 0 for entry in certificate["left"])
    with pytest.raises(WrongCertificate, match="was changed"):
        verify_certificate(content.replace(b'"count": 4', b'"count": 5'))
    file = tmp_path / "certificate.json"
    file.write_bytes(content)
    assert f"genuine: request {asked['id']}" in server.run_cli("privacy", "verify", str(file))
    assert done["certificate"]["key"] == server.run_cli("privacy", "key").strip()
    assert asked["id"] in server.run_cli("privacy", "list")
    with pytest.raises(AssertionError, match="not with"):
        server.run_cli("privacy", "verify", str(file), "--key", "another")


def test_what_was_on_its_way_is_dropped_and_what_comes_later_is_a_new_start(privacy: Privacy) -> None:
    server = privacy.server
    privacy.send(privacy.back, event_type="view", user_id="heron")
    server.wait_until_settled()
    pipeline = server.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    try:
        asked = privacy.ask("erase", kind="user_id", value="heron")
        waiting = privacy.send(privacy.back, event_type="view", user_id="heron", anonymous_id="heron-2")
    finally:
        os.kill(pipeline, signal.SIGCONT)
    privacy.wait(asked["id"], past="outcomes")
    later = privacy.send(privacy.back, event_type="view", user_id="heron")
    server.wait_until_settled()
    assert server.api(f"events/{waiting}")["reason"] == "erased"
    assert server.api(f"events/{later}")["outcome"] == "stored"
    found = privacy.look_up("user_id", "heron")
    assert found["figures"]["events"] == 1
    assert server.api("books")["balanced"] is True


def test_a_refused_payload_that_names_the_profile_or_its_session_is_removed(privacy: Privacy) -> None:
    server = privacy.server
    source = server.add_source("Tracardi", "tracardi", "server")["id"]

    def track(event_type: str, session: str, **more: object) -> Answer:
        payload = {"source": {"id": source}, "session": {"id": session}, "events": [{"type": event_type}], **more}
        return server.post("/track", payload)

    profile = track("page-view", "visit-1").json["profile"]["id"]
    assert track("", "visit-2", profile={"id": profile}).status == 422
    # Only the door knows whose session that is.
    assert track("", "visit-1").status == 422
    assert track("", "visit-3", profile={"id": "somebody-else"}).status == 422
    server.wait_until_settled()
    wait_until(lambda: len(server.api("rejections", source=source)["items"]) == 3)
    asked = privacy.ask("erase", kind="profile_id", value=profile)

    done = privacy.wait(asked["id"])
    assert verify_certificate(json.dumps(done["certificate"]).encode())["verified"] is True
    [left] = server.api("rejections", source=source)["items"]
    assert "somebody-else" in server.api(f"rejections/{left['id']}")["sent"]["body"]


def test_the_books_balance_at_every_moment_of_an_erasure(privacy: Privacy) -> None:
    for n in range(300):
        privacy.send(privacy.back, event_type="view", user_id="otter", properties={"n": n})
    privacy.server.wait_until_settled()
    asked = privacy.ask("erase", kind="user_id", value="otter")
    looked = 0
    while privacy.show(asked["id"])["step"] not in ("files", "certificate"):
        books = privacy.server.api("books")
        assert books["balanced"] is True, (privacy.show(asked["id"])["step"], books)
        looked += 1
    assert looked > 3


def test_an_anonymised_person_leaves_events_without_anybody_in_them(privacy: Privacy) -> None:
    server = privacy.server
    kept = privacy.send(
        privacy.back,
        event_type="purchase",
        user_id="badger",
        url="https://shop.example/thanks?mail=badger-mail",
        properties={"who": "badger-name", "amount": 12},
    )
    server.wait_until_settled()
    asked = privacy.ask("anonymise", kind="user_id", value="badger")
    privacy.wait(asked["id"], past="outcomes")
    event = server.api(f"events/{kept}")["event"]
    assert event["stored_as"] == "anonymous"
    assert event["url"] == "https://shop.example/thanks"
    assert (event["user_id"], event["profile_key"], event["properties"]) == ("", "", {})
    assert event["revenue"] == 12
    assert privacy.look_up("user_id", "badger") is None
    assert server.api("books")["balanced"] is True


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({}, 422, "wrong_body"),
        ({"kind": "email"}, 422, "wrong_body"),
        ({"kind": "email", "value": "no address"}, 400, "out_of_range"),
        ({"kind": "shoe_size", "value": "44"}, 400, "out_of_range"),
        ({"profile_id": "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312"}, 404, "unknown_person"),
        ({"profile_id": "25f1c778", "kind": "email", "value": "a@b.c"}, 422, "wrong_body"),
        ({"kind": "email", "value": "a@b.c", "speed": "fast"}, 422, "wrong_body"),
    ],
)
def test_a_request_that_names_nobody_is_refused(privacy: Privacy, body: dict, status: int, reason: str) -> None:
    answer = privacy.server.post("/api/v1/privacy/erase", body, privacy.server.admin_token)
    assert (answer.status, answer.json["error"]["reason"]) == (status, reason)


def test_the_key_that_signs_is_readable_by_its_owner_only(privacy: Privacy) -> None:
    folder = Folder(privacy.server.data)
    folder.read_signing_key()
    assert (folder.root / "privacy.key").stat().st_mode & 0o777 == 0o600


def test_a_replay_of_the_whole_log_brings_nobody_back(privacy: Privacy) -> None:
    """It stands last: a replay counts what it reads as received once more, so this server's books are spoilt."""
    server = privacy.server
    gone = privacy.send(privacy.web, event_type="view", anonymous_id="walrus-1", user_id="walrus-user")
    server.wait_until_settled()
    asked = privacy.ask("erase", kind="user_id", value="walrus-user")
    privacy.wait(asked["id"], past="outcomes")

    state = State(make_url(server.data, ""))
    os.kill(server.child_pid("pipeline"), signal.SIGSTOP)
    with state.write() as connection:
        connection.execute(delete(POSITIONS))
    state.close()
    killed = server.kill_child("pipeline")
    while server.child_pid("pipeline") in (0, killed):
        time.sleep(0.05)
    server.wait_until_settled()
    assert server.api(f"events/{gone}")["reason"] == "erased"
    assert privacy.look_up("user_id", "walrus-user") is None
    assert privacy.look_up("anonymous_id", "walrus-1") is None
