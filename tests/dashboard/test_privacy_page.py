"""The page Privacy over plain HTTP: asking for erasure and export, certificates, retention, what stays of addresses."""

import io
import re
import time
import zipfile
from collections.abc import Iterator
from html import unescape
from typing import Any

import msgspec
import pytest

from trackway.privacy.certificate import verify_certificate
from trackway.testing.server import Answer, start_server

from .conftest import BROWSER, Visitor, read_csrf
from .naughty import NAUGHTY

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ERASURE_PATIENCE_S = 240


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody logged in at a server of their own, since requests and rules are of the whole workspace."""
    with start_server(tmp_path_factory.mktemp("privacy") / "data", engine_old_parts_seconds=2) as server:
        visitor = Visitor(server)
        visitor.log_in()
        yield visitor


@pytest.fixture(scope="module")
def key(keeper: Visitor) -> str:
    source = keeper.server.add_source("shop", channel="web")
    return str(next(iter(source["credentials"].values())))


def meet(keeper: Visitor, key: str, mail: str) -> None:
    """Somebody who looked around, then said who they are."""
    events = [
        {"event_type": "page_view", "anonymous_id": f"device of {mail}"},
        {"event_type": "identify", "anonymous_id": f"device of {mail}", "identifiers": {"email": [mail]}, "traits": {"name": f"N. {mail}"}},
    ]  # fmt: skip
    assert keeper.server.post("/v1/events", events, key, BROWSER).status == 200
    keeper.server.wait_until_settled()


def send(keeper: Visitor, path: str = "", *, headers: dict[str, str] | None = None, **fields: str) -> Answer:
    form = {"csrf": read_csrf(keeper.get("/app/privacy"))} | fields
    return keeper.post(f"/app/privacy{path}", form, **(headers or {}))


def ask(keeper: Visitor, action: str, value: str, step: str = "do", kind: str = "email", word: str = "") -> Answer:
    return send(keeper, action=action, kind=kind, value=value, step=step, word=word, reason="a letter")


def test_an_empty_page_says_that_nothing_was_asked_and_all_is_kept(keeper: Visitor) -> None:
    page = keeper.text("/app/privacy")
    assert "Nobody has asked for anything yet." in page
    assert "events are kept for ever" in page


def test_first_it_is_shown_whom_an_erasure_is_about(keeper: Visitor, key: str) -> None:
    meet(keeper, key, "first@mail.example")
    answer = ask(keeper, "erase", " First@Mail.example ", "look")
    page = unescape(answer.body.decode())
    assert answer.status == 200
    for text in ("N. first@mail.example", "<dd>2</dd>", "device of first@mail.example", "Type <code>ERASE</code>"):
        assert text in page
    assert keeper.get("/app/privacy.json").json["requests"] == []


def test_without_the_word_nothing_is_erased(keeper: Visitor, key: str) -> None:
    for word in ("", "erase", "YES"):
        answer = ask(keeper, "erase", "first@mail.example", word=word)
        assert answer.status == 422
        assert "nothing was removed: type ERASE to confirm" in answer.body.decode()
    assert keeper.get("/app/privacy.json").json["requests"] == []


@pytest.mark.parametrize(
    ("kind", "value", "action", "wrong"),
    [
        ("email", "no address", "erase", "'no address' is no value of the kind email"),
        ("shoe_size", "41", "erase", "there is no kind of identifier 'shoe_size'"),
        ("profile_id", "x", "export", "'x' is no profile id"),
        ("profile_id", UNKNOWN, "export", f"no profile has or had the id {UNKNOWN}"),
        ("email", "a@b.example", "forget", "choose what to do: erase, anonymise, export"),
    ],
)
def test_what_cannot_be_asked_is_shown_again_with_why(
    keeper: Visitor, kind: str, value: str, action: str, wrong: str
) -> None:
    for step in ("look", "do"):
        answer = ask(keeper, action, value, step, kind, word="ERASE")
        assert answer.status == 422
        assert wrong in unescape(answer.body.decode())


def test_an_erasure_is_followed_to_its_certificate(keeper: Visitor, key: str) -> None:
    meet(keeper, key, "gone@mail.example")
    asked = ask(keeper, "erase", "gone@mail.example", word="ERASE")
    assert asked.status == 303
    place = asked.headers["location"]
    page = keeper.text(place)
    assert "How far it is" in page
    assert 'http-equiv="refresh"' in page
    assert keeper.get(f"{place}/certificate.json").status == 404
    deadline = time.monotonic() + ERASURE_PATIENCE_S
    while (state := keeper.get(f"{place}.json").json["state"]) in ("waiting", "running"):
        assert keeper.get(f"{place}/state").status == 200
        assert time.monotonic() < deadline
        time.sleep(1)
    assert state == "done"
    page = keeper.text(place)
    for text in (
        "Verified:",
        "event store: events",
        "relational state: identifiers",
        "tombstones",
        "Ed25519",
        "a letter",
    ):
        assert text in page
    assert "gone@mail.example" not in page
    assert 'http-equiv="refresh"' not in page
    file = keeper.get(f"{place}/certificate.json")
    assert "attachment" in file.headers["content-disposition"]
    said = verify_certificate(file.body)
    assert said["verified"]
    assert {each["place"]: each["count"] for each in said["removed"]}["event store: events"] == 2
    assert "removed, a hash stays" in keeper.text("/app/privacy")


def test_an_export_is_ready_at_once(keeper: Visitor, key: str) -> None:
    meet(keeper, key, "kept@mail.example")
    assert "Type <code>" not in ask(keeper, "export", "kept@mail.example", "look").body.decode()
    place = ask(keeper, "export", "kept@mail.example").headers["location"]
    assert f'href="{place}/export.zip"' in keeper.text(place)
    file = keeper.get(f"{place}/export.zip")
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["cache-control"] == "no-store"
    with zipfile.ZipFile(io.BytesIO(file.body)) as archive:
        assert len(archive.read("events.ndjson").splitlines()) == 2
    assert keeper.get(f"{place}/certificate.json").status == 404


def test_an_unknown_request_is_not_there(keeper: Visitor) -> None:
    for path in ("", ".json", "/state", "/export.zip", "/certificate.json"):
        answer = keeper.get(f"/app/privacy/{UNKNOWN}{path}")
        assert answer.status == 404
    assert "There is no such request" in keeper.get(f"/app/privacy/{UNKNOWN}").body.decode()


def list_kept(keeper: Visitor) -> list[tuple[str, int]]:
    rules = keeper.get("/app/privacy.json").json["retention"]["rules"]
    return [(rule["event_type"], rule["days"]) for rule in rules]


def test_retention_is_set_and_ended_rule_by_rule(keeper: Visitor) -> None:
    assert send(keeper, "/retention", event_type="page_view", days="90", action="set").status == 303
    assert send(keeper, "/retention", event_type="*", days="400", action="set").status == 303
    assert send(keeper, "/retention", event_type="*", days="300", action="set").status == 303
    assert list_kept(keeper) == [("*", 300), ("page_view", 90)]
    page = keeper.text("/app/privacy?done=retention")
    assert "every other type" in page
    assert "they take effect within a minute" in page
    assert send(keeper, "/retention", event_type="page_view", action="remove").status == 303
    assert list_kept(keeper) == [("*", 300)]
    send(keeper, "/retention", event_type="*", action="remove")


@pytest.mark.parametrize(
    ("event_type", "days", "wrong"),
    [
        ("", "9", "event_type must be a text of 1 to 200 characters"),
        ("x", "", "days must be a whole number"),
        ("x", "0", "days must be a whole number"),
        ("x", "1.5", "days must be a whole number"),
        ("x", "9" * 30, "days must be a whole number"),
        ("x", "٣", "days must be a whole number"),
    ],
)
def test_a_wrong_rule_is_shown_again_with_why(keeper: Visitor, event_type: str, days: str, wrong: str) -> None:
    answer = send(keeper, "/retention", event_type=event_type, days=days, action="set", confirmed="yes")
    assert answer.status == 422
    assert wrong in unescape(answer.body.decode())
    assert list_kept(keeper) == []


def test_what_stays_of_addresses_is_chosen(keeper: Visitor) -> None:
    answer = send(keeper, "/addresses", ip_mode="hashed")
    assert answer.status == 303
    assert re.search(r'value="hashed" checked', keeper.text(answer.headers["location"]))
    assert keeper.server.api("ip-mode")["ip_mode"] == "hashed"
    assert send(keeper, "/addresses", ip_mode="thrown").status == 400
    assert keeper.server.api("ip-mode")["ip_mode"] == "hashed"


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("", {"kind": "email", "value": "kept@mail.example", "action": "erase", "step": "do", "word": "ERASE"}),
        ("/retention", {"event_type": "*", "days": "1", "action": "set", "confirmed": "yes"}),
        ("/addresses", {"ip_mode": "dropped"}),
    ],
)
def test_a_form_that_is_not_of_this_page_changes_nothing(keeper: Visitor, path: str, fields: dict[str, str]) -> None:
    before = keeper.get("/app/privacy.json").json
    assert keeper.post(f"/app/privacy{path}", fields | {"csrf": "x"}).status == 403
    assert send(keeper, path, headers={"sec_fetch_site": "cross-site"}, **fields).status == 403
    assert Visitor(keeper.server).post(f"/app/privacy{path}", fields).headers["location"] == "/app/login"
    assert keeper.get("/app/privacy.json").json == before


@pytest.mark.parametrize("text", NAUGHTY)
def test_no_text_becomes_markup(keeper: Visitor, text: str) -> None:
    made = send(keeper, kind="user_id", value=text[:200], action="export", reason=text, step="do")
    answers: list[Any] = [
        send(keeper, kind="user_id", value=text[:200], action="erase", reason=text, step="look"),
        send(keeper, kind="email", value=text, action=text, reason=text, step="look"),
        send(keeper, "/retention", event_type=text, days=text, action="set"),
        keeper.get("/app/privacy"),
    ]
    if made.status == 303:
        answers.append(keeper.get(made.headers["location"]))
    for answer in answers:
        assert answer.status in (200, 422)
        if re.search("[<>\"']", text):
            assert text not in answer.body.decode()


def test_the_twin_of_a_request_is_what_the_api_says(keeper: Visitor) -> None:
    requests = keeper.get("/app/privacy.json").json["requests"]
    assert requests == keeper.server.api("privacy/requests", limit=50)["items"]
    one = requests[0]["id"]
    assert keeper.get(f"/app/privacy/{one}.json").json == keeper.server.api(f"privacy/requests/{one}")
    assert msgspec.json.encode(requests)


def test_a_person_can_be_asked_about_while_the_store_is_away(keeper: Visitor) -> None:
    keeper.server.kill_child("engine")
    answer = ask(keeper, "anonymise", "kept@mail.example", "look")
    assert answer.status == 200
    assert "The event store does not answer at the moment" in answer.body.decode()
    assert "Type <code>ANONYMISE</code>" in answer.body.decode()
