"""Events that are held until their person agrees, on a running server: what the API shows at every moment."""

import json
import time
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update
from tests.dashboard.conftest import Visitor

from trackway.clock import format_time, now_ms
from trackway.control.database import State, make_url
from trackway.profiles.held import HELD_EVENTS
from trackway.testing.server import TestServer, start_server

pytestmark = pytest.mark.timeout(300)

BERLIN = {
    "cf-ipcountry": "DE",
    "x-forwarded-for": "203.0.113.77",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
}
HOLD = {"id": "eu-hold", "jurisdictions": ["EU"], "mode": "opt_in", "without_consent": "hold", "hold_hours": 5}
ELSEWHERE = {"id": "elsewhere", "jurisdictions": ["*"], "mode": "none"}
HOUR_MS = 3_600_000


class Shop:
    """A shop whose policy holds what Europeans do."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.web = server.add_source("Web", "native", "web")["credentials"]["write_key"]
        self.back = server.add_source("Back end", "native", "server")["credentials"]["write_key"]
        headers = {"authorization": f"Bearer {server.admin_token}"}
        put = server.request("PUT", "/api/v1/policies", msgspec.json.encode({"rules": [HOLD, ELSEWHERE]}), headers)
        assert put.status == 200, put.body
        time.sleep(1.5)

    def send(self, device: str, **fields: Any) -> dict[str, Any]:
        event = {"event_type": "page_view", "anonymous_id": device, "url": "https://shop.example/?x=1"} | fields
        answer = self.server.post("/v1/events", event, self.web, BERLIN)
        assert answer.status == 200, answer.body
        return answer.json["results"][0]

    def send_one_of_each(self, devices: list[str], **fields: Any) -> list[str]:
        """The ids of one event of each device, sent together."""
        events = [{"event_type": "page_view", "anonymous_id": device} | fields for device in devices]
        answer = self.server.post("/v1/events", {"events": events}, self.web, BERLIN)
        assert answer.status == 200, answer.body
        return [result["event_id"] for result in answer.json["results"]]

    def show(self, sent: dict[str, Any]) -> dict[str, Any]:
        return self.server.api(f"events/{sent['event_id']}")

    def wait_for(self, outcome: str, *sent: dict[str, Any]) -> list[dict[str, Any]]:
        """What the API shows of these events once all have this outcome; the books balance all the while."""
        deadline = time.monotonic() + 60
        shown: dict[str, dict[str, Any]] = {}
        while True:
            self.balance()
            missing = [each for each in sent if shown.get(each["event_id"], {}).get("outcome") != outcome]
            if not missing:
                return [shown[each["event_id"]] for each in sent]
            assert time.monotonic() < deadline, [(each["outcome"], each["detail"]) for each in shown.values()]
            shown |= {each["event_id"]: self.show(each) for each in missing}

    def balance(self) -> dict[str, Any]:
        books = self.server.api("books", minutes=10)
        assert books["balanced"] is True, books
        return next(line for line in books["sources"] if line["source"] == "web")

    def list_stored(self, *devices: str) -> list[str]:
        return [
            event["event_id"]
            for event in self.server.api("events", limit=1000)["items"]
            if event["anonymous_id"] in devices
        ]

    def list_outcomes(self) -> dict[str, str]:
        """What became of each event of the site that is not stored, asked of the store."""
        sql = "SELECT toString(event_id) AS id, outcome, reason FROM outcomes WHERE source = 'web'"
        rows = [json.loads(line) for line in self.server.run_cli("query", sql, "--format", "json").splitlines()]
        told = {row["id"]: f"{row['outcome']} {row['reason']}" for row in rows}
        assert len(told) == len(rows)
        return told

    def wait_until_held(self, number: int) -> None:
        """Until as many are held and nothing is in flight; the books balance all the while."""
        deadline = time.monotonic() + 60
        while (line := self.balance())["held"] != number or line["in_flight"]:
            assert time.monotonic() < deadline, line
            time.sleep(0.05)

    def let_time_pass(self, sent: dict[str, Any]) -> None:
        """As if it had been held for as long as it may."""
        state = State(make_url(self.server.data, ""))
        with state.write() as connection:
            t = HELD_EVENTS
            connection.execute(update(t).where(t.c.event_id == sent["event_id"]).values(expires_at=1, look_at=1))
        state.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with start_server(tmp_path_factory.mktemp("hold") / "data", trusted_proxies="127.0.0.1") as server:
        yield Shop(server)


def test_a_berliner_who_agrees_later_has_all_earlier_events_in_full_with_their_own_times(shop: Shop) -> None:
    moment = now_ms() - 60_000
    before = [shop.send("anna", occurred_at=moment + n, properties={"n": n}) for n in range(3)]
    held = shop.wait_for("held", *before)

    assert shop.balance()["held"] == 3
    assert shop.list_stored("anna") == []
    assert held[0]["event"] is None
    assert "anna" not in str(held)
    assert held[0]["detail"].startswith("rule eu-hold holds it until its person agrees, at most until 20")
    assert held[0]["times"]["held_until"] > held[0]["times"]["received_at"]
    assert "held" in shop.server.run_cli("explain", before[0]["event_id"])
    assert "3 held for consent" in shop.server.run_cli("doctor")

    agreed = shop.send("anna", event_type="consent_updated", consent={"tracking": "granted"})
    found = shop.wait_for("stored", *before, agreed)

    assert [each["event"]["properties"] for each in found[:3]] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert found[0]["event"]["occurred_at"] == format_time(moment)
    assert found[0]["times"]["received_at"] == held[0]["times"]["received_at"]
    assert {each["event"]["stored_as"] for each in found} == {"full"}
    assert {each["event"]["consent_rule"] for each in found} == {"eu-hold"}
    assert {each["event"]["ip"] for each in found} == {"203.0.113.0"}
    assert sorted(shop.list_stored("anna")) == sorted(each["event_id"] for each in [*before, agreed])
    assert shop.balance()["held"] == 0
    known = shop.server.api("profiles/lookup", kind="anonymous_id", value="anna")
    assert known["figures"]["events"] == 4


def test_the_pages_show_that_an_event_is_held_and_nothing_of_its_person(shop: Shop) -> None:
    sent = shop.send("paula")
    shop.wait_for("held", sent)
    visitor = Visitor(shop.server)
    visitor.log_in()

    page = visitor.text(f"/app/events/{sent['event_id']}")
    assert "Waiting for consent" in page
    assert "rule eu-hold holds it" in page
    assert "paula" not in page
    assert "held for consent" in visitor.text("/app/tracking")


def test_what_is_held_lies_there_without_the_whole_address(shop: Shop) -> None:
    sent = shop.send("berta")
    shop.wait_for("held", sent)

    state = State(make_url(shop.server.data, ""))
    with state.read() as connection:
        row = connection.execute(select(HELD_EVENTS).where(HELD_EVENTS.c.event_id == sent["event_id"])).one()
    state.close()
    assert b"203.0.113.77" not in row.payload
    assert b"203.0.113.0" in row.payload
    assert row.expires_at == row.received_at + 5 * HOUR_MS


def test_a_consent_of_any_identifier_releases_what_the_others_left(shop: Shop) -> None:
    visit = shop.send("carl-phone")
    login = shop.send("carl-phone", event_type="login", user_id="carl")
    shop.wait_for("held", visit, login)

    answer = shop.server.post(
        "/api/v1/consents",
        {"kind": "user_id", "value": "carl", "consent": {"tracking": "granted"}},
        shop.server.admin_token,
    )
    assert answer.status == 200, answer.body
    found = shop.wait_for("stored", visit, login)

    assert len({each["event"]["profile_id"] for each in found}) <= 2
    known = shop.server.api("profiles/lookup", kind="user_id", value="carl")
    assert {each["value"] for each in known["identities"]} >= {"carl", "carl-phone"}


def test_a_withdrawal_drops_what_was_held(shop: Shop) -> None:
    before = shop.send("dora")
    shop.wait_for("held", before)
    refused = shop.send("dora", event_type="consent_updated", consent={"tracking": "withdrawn"})

    found = shop.wait_for("dropped", before, refused)

    assert [each["reason"] for each in found] == ["no_consent", "no_consent"]
    assert found[0]["detail"] == "eu-hold: consent was withdrawn while it was held"
    assert shop.list_stored("dora") == []


def test_what_nobody_agreed_to_in_time_is_dropped(shop: Shop) -> None:
    sent = shop.send("emil")
    shop.wait_for("held", sent)
    shop.let_time_pass(sent)

    (found,) = shop.wait_for("dropped", sent)

    assert found["reason"] == "hold_expired"
    assert shop.balance()["dropped"]["hold_expired"] == 1
    agreed = shop.send("emil", event_type="consent_updated", consent={"tracking": "granted"})
    shop.wait_for("stored", agreed)
    assert shop.list_stored("emil") == [agreed["event_id"]]


def test_a_repeat_of_a_held_event_is_a_duplicate(shop: Shop) -> None:
    first = shop.send("fritz", dedupe_key="fritz-1")
    shop.wait_for("held", first)
    again = shop.send("fritz", dedupe_key="fritz-1")

    (found,) = shop.wait_for("duplicate", again)

    assert found["first_event_id"] == first["event_id"]
    shop.send("fritz", consent={"tracking": True})
    shop.wait_for("stored", first)


def test_what_names_nobody_is_not_held(shop: Shop) -> None:
    sent = shop.send("")

    (found,) = shop.wait_for("dropped", sent)

    assert (sent["stored"], found["reason"]) == (False, "no_consent")


def test_the_answer_says_held_where_that_is_certain(shop: Shop) -> None:
    assert shop.send("gerd", consent={"tracking": "pending"})["stored"] == "held"
    assert "stored" not in shop.send("gerd")


def test_the_books_balance_while_many_are_released_and_dropped(shop: Shop) -> None:
    devices = [f"visitor-{n}" for n in range(20)]
    shop.server.wait_until_settled()
    held_before = shop.balance()["held"]
    rounds = [shop.send_one_of_each(devices, properties={"n": n}) for n in range(10)]
    shop.wait_until_held(held_before + 200)
    answers = []
    for n, device in enumerate(devices):
        answers.append(shop.send(device, event_type="consent_updated", consent={"tracking": n % 2 == 0})["event_id"])
        shop.balance()
    shop.wait_until_held(held_before)

    sent = {device: sorted(events) for device, *events in zip(devices, answers, *rounds, strict=True)}
    assert {device: sorted(shop.list_stored(device)) for device in devices[0::2]} == {
        device: sent[device] for device in devices[0::2]
    }
    assert shop.list_stored(*devices[1::2]) == []
    told = shop.list_outcomes()
    assert {device: {told.get(event_id) for event_id in sent[device]} for device in devices} == {
        device: {None} if n % 2 == 0 else {"dropped no_consent"} for n, device in enumerate(devices)
    }


def test_what_a_crm_writes_down_of_a_contact_is_no_tracking(shop: Shop) -> None:
    record = {
        "event_type": "contact_updated",
        "contact_id": "crm-7",
        "traits": {"name": "Hilde"},
        "context": {"time_zone": "Europe/Berlin"},
    }
    answer = shop.server.post("/v1/events", record, shop.back)
    (found,) = shop.wait_for("stored", answer.json["results"][0])

    assert (found["event"]["stored_as"], found["event"]["consent_rule"]) == ("full", "")
    forged = shop.send("ida", **record)
    shop.wait_for("held", forged)


def test_an_erased_person_leaves_nothing_held(shop: Shop) -> None:
    sent = shop.send("jutta", user_id="jutta-user", traits={"email": "jutta-marker@example.com"})
    shop.wait_for("held", sent)
    held_before = shop.balance()["held"]
    asked = shop.server.post(
        "/api/v1/privacy/erase", {"kind": "user_id", "value": "jutta-user"}, shop.server.admin_token
    )
    assert asked.status == 200, asked.body

    (found,) = shop.wait_for("dropped", sent)

    assert found["detail"] == "eu-hold: its person was erased while it was held"
    assert shop.balance()["held"] == held_before - 1
    state = State(make_url(shop.server.data, ""))
    with state.read() as connection:
        rows = connection.execute(select(HELD_EVENTS.c.payload)).scalars().all()
    state.close()
    assert not any(b"jutta" in payload for payload in rows)

    new_start = shop.send("jutta", user_id="jutta-user")
    shop.wait_for("held", new_start)
    deadline = time.monotonic() + 60
    while (request := shop.server.api(f"privacy/requests/{asked.json['id']}"))["step"] in ("", "held"):
        if request["state"] == "done":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shop.wait_for("held", new_start)
