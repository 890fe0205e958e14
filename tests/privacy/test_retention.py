"""Events go when their rule says, are accounted for, and nobody else's go with them."""

import time
from pathlib import Path
from typing import Any

import pytest

from trackway.clock import now_ms
from trackway.control.retention import Rule, put_rules
from trackway.outcome import Reason
from trackway.privacy.retention import Retention
from trackway.query.books import balance_books
from trackway.store.client import EventStore
from trackway.store.migrate import migrate
from trackway.testing.engine import start_engine
from trackway.testing.installation import Installation
from trackway.testing.server import start_server

DAY = 86_400_000


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with start_engine(tmp_path_factory.mktemp("engine")) as url:
        store = EventStore(url)
        migrate(store)
        store.close()
        yield url


def test_each_type_goes_by_its_own_rule_and_the_books_balance_all_the_time(tmp_path: Path, engine: str) -> None:
    installation, now = Installation(tmp_path / "data", engine), now_ms()
    source = installation.add_source("shop")
    days = (1, 20, 50, 200)
    submissions = [installation.make_submission(source, now - day * DAY) for day in days for _ in range(2)]
    places = installation.append(submissions)
    types = ("page_view", "it's \\ a purchase")
    rows = [
        installation.make_row(submission, place, event_type=types[number % 2])
        for number, (submission, place) in enumerate(zip(submissions, places, strict=True))
    ]
    installation.store.insert_events(rows, now)
    installation.settle(submissions, installation.find_end())
    put_rules(installation.state, installation.workspace, [Rule("*", 100), Rule("page_view", 30)], "test", now)

    def balance() -> dict[str, Any]:
        books = balance_books(installation.store, installation.state, installation.log, installation.workspace, now)
        assert books["balanced"] is True, books
        return books["sources"][0]

    retention = Retention(installation.state, installation.store, now_ms)
    deadline = time.monotonic() + 60
    while balance()["stored"] != 5:
        retention.run()
        assert time.monotonic() < deadline
    for _ in range(10):
        retention.run()
        line = balance()
    assert (line["stored"], line["dropped"]) == (5, {Reason.EXPIRED.value: 3})
    left = installation.store.select(
        "SELECT event_type, dateDiff('day', received_at, now()) AS days FROM events WHERE workspace = {w:String} ORDER BY days, event_type",
        {"w": installation.workspace},
    )
    assert [(row["event_type"], row["days"]) for row in left] == [
        (types[1], 1), ("page_view", 1), (types[1], 20), ("page_view", 20), (types[1], 50)
    ]  # fmt: skip
    installation.close()


def test_rules_are_put_and_shown_and_wrong_ones_refused(tmp_path: Path) -> None:
    with start_server(tmp_path / "data", engine_old_parts_seconds=2) as server:
        told = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
        assert server.api("retention") == {"rules": [], "runs": []}
        answer = server.request("PUT", "/api/v1/retention", '{"rules": [{"event_type": "*", "days": 400}]}', told)
        assert answer.status == 200
        assert [(rule["event_type"], rule["days"]) for rule in answer.json["rules"]] == [("*", 400)]
        for body, field in (
            ('{"rules": [{"event_type": "*", "days": 0}]}', "rules[0].days"),
            ('{"rules": [{"event_type": "", "days": 1}]}', "rules[0].event_type"),
            ('{"rules": {}}', "rules"),
            ('{"rules": [{"event_type": "a", "days": 1}, {"event_type": "a", "days": 2}]}', "rules[1].event_type"),
            ('{"rules": [{"event_type": "a", "days": 1, "hours": 2}]}', "rules[0]"),
        ):
            refused = server.request("PUT", "/api/v1/retention", body, told)
            assert (refused.status, refused.json["error"]["field"]) == (422, field)
        assert "page_view" in server.run_cli("privacy", "retention", "--set", "page_view=90")
        assert {rule["event_type"] for rule in server.api("retention")["rules"]} == {"*", "page_view"}
        assert "page_view" not in server.run_cli("privacy", "retention", "--clear", "page_view")

        assert server.api("ip-mode")["ip_mode"] == "truncated"
        assert server.request("PUT", "/api/v1/ip-mode", '{"ip_mode": "dropped"}', told).json["ip_mode"] == "dropped"
        assert server.request("PUT", "/api/v1/ip-mode", '{"ip_mode": "blurred"}', told).status == 422
