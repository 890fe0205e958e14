"""What was refused: the list, one letter with what was sent, and a replay after the fix."""

import base64
import gzip
import json
import time
from typing import Any
from urllib.parse import quote

import pytest

from trackway.control.database import State, make_url
from trackway.control.plans import change_plan, read_change
from trackway.control.sources import set_enabled
from trackway.control.workspaces import list_workspaces
from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until


class Sender:
    """A source of its own on the shared server, and what the API says of its letters."""

    def __init__(self, server: TestServer, name: str) -> None:
        self.server = server
        made = server.add_source(f"{name[:90]} {time.time_ns()}", channel="web")
        self.source, self.key = made["id"], next(iter(made["credentials"].values()))

    def post(self, body: bytes | str | list[Any], query: str = "", **headers: str) -> Answer:
        sent = json.dumps({"events": body}) if isinstance(body, list) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request("POST", f"/v1/events{query}", sent, {"authorization": f"Bearer {self.key}"} | named)

    def list(self, least: int = 0, **query: Any) -> list[dict[str, Any]]:
        """Letters of the source, as soon as there are so many: a refusal is on its way for a moment."""
        deadline = time.monotonic() + 60
        while True:
            items: list[dict[str, Any]] = self.server.api("rejections", source=self.source, **query)["items"]
            if len(items) >= least:
                return items
            assert time.monotonic() < deadline, items
            time.sleep(0.05)

    def switch(self, enabled: bool) -> None:
        state = State(make_url(self.server.data, ""))
        set_enabled(state, self.source, enabled)
        state.close()
        wait_until(lambda: (self.post("{}", query="?validate=1").status == 403) is not enabled)

    def replay(self, apply: bool, **body: Any) -> Any:
        asked = {"apply": apply} | ({"source": self.source} if "ids" not in body else {}) | body
        answer = self.server.post("/api/v1/rejections/replay", asked, self.server.admin_token)
        assert answer.status == 200, answer.body
        self.server.wait_until_settled()
        return answer.json

    def books(self) -> dict[str, Any]:
        books = self.server.wait_until_settled()
        line: dict[str, Any] = next(each for each in books["sources"] if each["source"] == self.source)
        return line


@pytest.fixture
def sender(server: TestServer, request: pytest.FixtureRequest) -> Sender:
    return Sender(server, request.node.name)


GOOD, BAD, WORSE = {"event_type": "view"}, {"event_type": ""}, {"event_type": "view", "occurred_at": "tomorrow"}


def test_each_reason_of_a_request_is_a_letter_that_says_which_events_and_why(sender: Sender) -> None:
    assert sender.post([GOOD, BAD, WORSE, BAD]).status == 207
    letters = {letter["reason"]: letter for letter in sender.list(2)}
    assert {reason: letter["events"] for reason, letter in letters.items()} == {"missing_field": 2, "out_of_range": 1}
    missing = letters["missing_field"]
    assert (missing["kind"], missing["field"], missing["protocol"]) == ("rejected", "events[1].event_type", "native")
    assert missing["replayable"]
    whole = sender.server.api(f"rejections/{missing['id']}")
    assert [(each["index"], each["field"]) for each in whole["refused"]] == [
        (1, "events[1].event_type"),
        (3, "events[3].event_type"),
    ]
    assert json.loads(whole["sent"]["body"]) == {"events": [GOOD, BAD, WORSE, BAD]}
    assert (whole["sent"]["method"], whole["sent"]["path"]) == ("POST", "/v1/events")


def test_a_body_that_is_no_text_is_shown_as_base64_and_addresses_are_kept_as_the_workspace_says(sender: Sender) -> None:
    packed = gzip.compress(b'{"events": [')
    assert sender.post(packed, content_encoding="gzip", x_forwarded_for="203.0.113.77").status == 400
    [letter] = sender.list(1)
    sent = sender.server.api(f"rejections/{letter['id']}")["sent"]
    assert gzip.decompress(base64.b64decode(sent["body_base64"])) == b'{"events": ['
    assert sent["headers"]["content-encoding"] == "gzip"
    assert sent["address"] == "203.0.113.0"


def test_the_list_is_filtered_and_paged(sender: Sender) -> None:
    for _ in range(3):
        sender.post([BAD])
        sender.post([WORSE])
    sender.list(6)
    assert [each["reason"] for each in sender.list(reason="missing_field")] == ["missing_field"] * 3
    assert len(sender.list(field="events[0].occurred_at")) == 3
    assert sender.list(kind="dead_letter") == []
    assert sender.list(protocol="pact") == []
    assert sender.list(replayed="yes") == []
    newest, *older = [each["received_at"] for each in sender.list()]
    # Two may have come in the same millisecond.
    before = [moment for moment in older if moment < newest]
    assert before
    assert [each["received_at"] for each in sender.list(since="2020-01-01", until=newest)] == before
    seen, cursor = [], ""
    while cursor is not None:
        page = sender.server.api("rejections", source=sender.source, limit=4, cursor=cursor)
        seen += [each["id"] for each in page["items"]]
        cursor = page["next"]
    assert seen == [each["id"] for each in sender.list()]
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("kind=damage", "kind must be one of rejected, dead_letter, conflict"),
        ("reason=bad", "reason must be one of"),
        ("replayed=maybe", "replayed must be one of yes, no"),
        ("since=tomorrow", "since must be a time such as"),
        ("until=1000000000000000000000000000000", "until must be a time such as"),
        ("limit=0", "limit must be a whole number from 1 to 200"),
        ("cursor=abc", "cursor is not one that"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_what_to_do(server: TestServer, query: str, says: str) -> None:
    headers = {"authorization": f"Bearer {server.admin_token}"}
    answer = server.request("GET", f"/api/v1/rejections?{query}", headers=headers)
    assert answer.status == 400
    assert says in answer.json["error"]["message"]


def test_an_unknown_letter_is_not_found(server: TestServer) -> None:
    headers = {"authorization": f"Bearer {server.admin_token}"}
    answer = server.request("GET", f"/api/v1/rejections/{quote('rejected:x')}", headers=headers)
    assert (answer.status, answer.json["error"]["reason"]) == (404, "unknown_rejection")


@pytest.mark.parametrize(
    "body",
    [
        {"apply": "yes"},
        {"ids": "all"},
        {"ids": [1]},
        {"ids": ["a"], "reason": "bot"},
        {"sorce": "x"},
        {"ids": ["a"] * 101},
    ],
    ids=str,
)
def test_a_replay_that_makes_no_sense_is_refused(server: TestServer, body: dict[str, Any]) -> None:
    answer = server.post("/api/v1/rejections/replay", body, server.admin_token)
    assert (answer.status, answer.json["error"]["reason"]) == (422, "wrong_body")


def test_what_is_still_wrong_stays_refused_and_the_preview_says_why(sender: Sender) -> None:
    sender.post([GOOD, BAD])
    sender.list(1)
    [item] = sender.replay(apply=True)["items"]
    assert item["events"] == 0
    assert [(each["index"], each["reason"]) for each in item["refused"]] == [(1, "missing_field")]
    [letter] = sender.list(replayed="no")
    assert letter["events"] == 1


def test_a_request_to_a_source_that_was_off_is_replayed_with_the_time_and_ids_of_then(sender: Sender) -> None:
    sender.switch(False)
    assert sender.post([GOOD | {"properties": {"n": 1}}, BAD, GOOD | {"properties": {"n": 2}}]).status == 403
    sender.switch(True)
    [letter] = sender.list(1, reason="source_disabled")
    preview = sender.replay(apply=False, ids=[letter["id"]])
    assert not preview["applied"]
    assert preview["items"][0]["events"] == 2
    assert sender.list(replayed="yes") == []
    [done] = sender.replay(apply=True, ids=[letter["id"]])["items"]
    assert done["event_ids"] == preview["items"][0]["event_ids"]
    events = [sender.server.api(f"events/{event_id}")["event"] for event_id in done["event_ids"]]
    assert [event["properties"]["n"] for event in events] == [1, 2]
    assert {event["received_at"] for event in events} == {letter["received_at"]}
    [left] = [each for each in sender.list(replayed="no") if each["id"] == letter["id"]]
    assert (left["events"], left["replayed_events"]) == (1, 2)
    assert left["replayed_at"]
    # What of it is still wrong is told apart from what was replayed.
    again = sender.replay(apply=True, ids=[letter["id"]])["items"][0]
    assert (again["events"], [each["index"] for each in again["refused"]]) == (0, [1])
    books = sender.books()
    assert books["balanced"]
    assert (books["received"], books["stored"]) == (2, 2)


def test_two_replays_at_once_store_an_event_once(sender: Sender) -> None:
    sender.switch(False)
    assert sender.post([GOOD]).status == 403
    sender.switch(True)
    [letter] = sender.list(1)
    asked = {"apply": True, "ids": [letter["id"]]}
    answers = [sender.server.post("/api/v1/rejections/replay", asked, sender.server.admin_token) for _ in range(3)]
    assert {answer.status for answer in answers} == {200}
    books = sender.books()
    assert books["stored"] == 1
    assert books["balanced"]
    assert len(sender.server.api("events", source=sender.source)["items"]) == 1


def test_only_the_events_that_were_refused_are_stored_by_a_replay(sender: Sender) -> None:
    """A tracking plan that asked too much, then less: the events beside stay as they are, and no key is in the way."""
    state = State(make_url(sender.server.data, ""))
    workspace = list_workspaces(state)[0].id

    def ask_for(*required: str) -> None:
        schema = {"type": "object", "required": list(required)}
        said = {"event_type": "sale", "mode": "reject", "schema": schema, "source": sender.source}
        change_plan(state, workspace, [read_change(said, [sender.source])], "tests", 1)
        time.sleep(1.2)

    ask_for("price")
    sales: list[dict[str, Any]] = [{"event_type": "sale", "dedupe_key": f"{n}"} for n in range(4)]
    sales[1]["properties"] = sales[2]["properties"] = {"price": 1}
    assert [each["status"] for each in sender.post(sales).json["results"]] == [
        "rejected",
        "accepted",
        "accepted",
        "rejected",
    ]
    ask_for()
    state.close()
    [letter] = sender.list(1, reason="plan_violation")
    [done] = sender.replay(apply=True, reason="plan_violation")["items"]
    assert (done["id"], done["events"], done["duplicate"]) == (letter["id"], 2, 0)
    assert [event_id[-4:] for event_id in done["event_ids"]] == ["0000", "0003"]
    books = sender.books()
    assert (books["received"], books["stored"], books["rejected"]) == (4, 4, {"plan_violation": 2})
    assert books["balanced"]
    assert sender.list(replayed="yes")[0]["replayed_events"] == 2
    assert sender.replay(apply=True)["items"] == []


def test_a_replayed_event_that_repeats_another_is_its_duplicate(sender: Sender) -> None:
    keyed = GOOD | {"dedupe_key": "k"}
    sender.switch(False)
    assert sender.post([keyed]).status == 403
    sender.switch(True)
    [first] = sender.post([keyed]).json["results"]
    sender.server.wait_until_settled()
    [letter] = sender.list(1)
    [item] = sender.replay(apply=False, ids=[letter["id"]])["items"]
    assert (item["events"], item["duplicate"]) == (1, 1)
    [item] = sender.replay(apply=True, ids=[letter["id"]])["items"]
    told = sender.server.api(f"events/{item['event_ids'][0]}")
    assert (told["outcome"], told["first_event_id"]) == ("duplicate", first["event_id"])
    assert sender.books()["balanced"]


def test_a_body_larger_than_what_is_kept_is_cut_and_says_that_it_cannot_be_replayed(sender: Sender) -> None:
    body = '{"events": [' + " " * 70_000
    assert sender.post(body).status == 400
    [letter] = sender.list(1)
    assert (letter["cut"], letter["replayable"]) == (True, False)
    assert "kept_refusal_bytes" in letter["why_not"]
    assert sender.server.api(f"rejections/{letter['id']}")["sent"]["body"] == body[:65_536]
    [item] = sender.replay(apply=True)["items"]
    assert (item["events"], item["why_not"]) == (0, letter["why_not"])
