"""Personal data in properties is found, and hidden by one rule from the next event on."""

import time
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.privacy.conftest import FIREFOX, Privacy

from trackway.control.database import State, make_url, migrate_state
from trackway.control.pii import ELSEWHERE, MOST_OF_A_SOURCE, MOST_PATHS, Finding, note_findings
from trackway.control.privacy_tables import PII_FINDINGS


def put_rule(privacy: Privacy, path: str, action: str) -> Any:
    return privacy.server.post("/api/v1/pii/rules", {"path": path, "action": action}, privacy.server.admin_token)


def test_it_is_found_masked_in_the_report_and_hidden_by_rules(privacy: Privacy) -> None:
    server = privacy.server

    def send() -> Any:
        event_id = privacy.send(
            privacy.web,
            event_type="signup",
            anonymous_id="pii-1",
            title="Hello jane@example.com",
            url="https://x.example/thanks?mail=jane%40example.com&page=2",
            properties={"form": {"mail": "jane@example.com"}, "items": [{"card": "4111 1111 1111 1111", "n": 1}]},
            traits={"email": "jane@example.com"},
        )
        server.wait_until_settled()
        return server.api(f"events/{event_id}")["event"]

    before = send()
    assert before["properties"]["form"] == {"mail": "jane@example.com"}
    found = {finding["path"]: finding for finding in server.api("pii")["findings"]}
    assert {path: finding["kind"] for path, finding in found.items()} == {
        "properties.form.mail": "email",
        "properties.items.card": "card",
        "title": "email",
        "url.query.mail": "email",
    }
    assert found["properties.items.card"]["example"] == "…1111"
    assert all("jane" not in finding["example"] for finding in found.values())

    for path, action in (
        ("properties.form.mail", "mask"),
        ("properties.items.card", "drop"),
        ("title", "drop"),
        ("url.query.mail", "drop"),
    ):
        assert put_rule(privacy, path, action).status == 200
    time.sleep(1.0)
    after = send()
    assert after["properties"] == {"form": {"mail": "[masked]"}, "items": [{"n": 1}]}
    assert after["title"] == ""
    assert after["url"] == "https://x.example/thanks?page=2"
    told = {finding["path"]: finding["rule"] for finding in server.api("pii")["findings"]}
    assert told["properties.form.mail"] == "mask"

    assert put_rule(privacy, "title", "keep").status == 200
    time.sleep(1.0)
    assert send()["title"] == "Hello jane@example.com"


def test_a_rule_that_hides_nothing_is_refused(privacy: Privacy) -> None:
    for path, action in (("user_id", "mask"), ("properties.", "drop"), ("properties.a", "blur"), ("", "drop")):
        assert put_rule(privacy, path, action).status == 422


def test_names_that_a_sender_makes_up_are_bounded_and_counted_elsewhere(privacy: Privacy) -> None:
    server, source = privacy.server, privacy.server.add_source("Names", "native", "server")
    key = source["credentials"]["write_key"]

    def send(names: list[str]) -> None:
        events = [
            {"event_type": "made_up", "properties": dict.fromkeys(names[first : first + 50], "jane@example.com")}
            for first in range(0, len(names), 50)
        ]
        assert server.post("/v1/events", events, key, FIREFOX).status == 200
        server.wait_until_settled()

    def show() -> dict[str, int]:
        found = [each for each in server.api("pii")["findings"] if each["source"] == source["id"]]
        assert {each["kind"] for each in found} == {"email"}
        return {each["path"]: each["seen"] for each in found}

    send([f"name {number}" for number in range(300)])
    first = show()
    assert (len(first), first.pop("elsewhere"), set(first.values())) == (MOST_PATHS + 1, 100, {1})
    known = sorted(first)[0].removeprefix("properties.")
    send([known, *(f"other {number}" for number in range(20)), "joe@example.com", "+49 30 901820"])
    then = show()
    assert (len(then), then["elsewhere"], then[f"properties.{known}"]) == (MOST_PATHS + 1, 122, 2)
    assert put_rule(privacy, "elsewhere", "mask").status == 422


def test_so_are_types_that_a_sender_makes_up(tmp_path: Path) -> None:
    state = State(make_url(tmp_path, ""))
    migrate_state(state)

    def find(event_type: str, path: str, source: str = "shop", at: int = 5) -> Finding:
        return Finding("main", source, event_type, path, "email", at, "j…@e….com")

    def read() -> dict[tuple[str, str, str], tuple[int, int, int]]:
        with state.read() as connection:
            rows = connection.execute(select(PII_FINDINGS)).all()
        return {(r.source, r.event_type, r.path): (r.seen, r.first_at, r.last_at) for r in rows}

    for first in range(0, MOST_OF_A_SOURCE + 100, 40):
        with state.write() as connection:
            note_findings(connection, [find(f"type {number}", "title") for number in range(first, first + 40)])
    found = read()
    assert len(found) == MOST_OF_A_SOURCE + 1
    assert found["shop", ELSEWHERE, ELSEWHERE][0] == 120
    with state.write() as connection:
        # What is known goes on being counted, another source has room of its own, the earliest and the latest are told.
        note_findings(
            connection, [find("type 0", "title"), find("another", "title", at=9), find("another", "title", at=3)]
        )
        note_findings(connection, [find("another", "title", "blog", at=7)])
    found = read()
    assert found["shop", "type 0", "title"][0] == 2
    assert found["shop", ELSEWHERE, ELSEWHERE] == (122, 5, 9)
    assert found["blog", "another", "title"] == (1, 7, 7)
    assert len(found) == MOST_OF_A_SOURCE + 2
    state.close()
