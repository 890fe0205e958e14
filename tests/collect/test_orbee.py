"""Orbee's event tracking through HTTP: always an empty answer, and a header that says what became of the event."""

import itertools
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

_TRACKERS = itertools.count(100)

# The example values of the document's table.
AS_PRINTED = {
    "action": "view",
    "object": "form",
    "vendor": "Vendor A",
    "product": "Product 1",
    "instance_id": "abc123",
}


@pytest.fixture
def tracker(server: TestServer) -> Callable[..., Source]:
    """A fresh tracker of account 1; `settings` are the source's."""

    def make(channel: str = "server", **settings: str) -> Source:
        number = str(next(_TRACKERS))
        return server.add_source(f"orbee {number}", "orbee", channel, tracker_id=number, **settings)

    return make


def post(server: TestServer, source: Source, content: Any, **headers: str) -> Answer:
    return server.post(f"/collect/{source['credentials']['tracker']}/event", content, headers=headers)


def fate(answer: Answer) -> str:
    """What the header says; every answer is empty."""
    assert (answer.status, answer.body) == (204, b"")
    return answer.headers["x-event-status"]


def test_the_documents_example_is_tracked(server: TestServer, stored: Stored) -> None:
    source = server.add_source("as printed by Orbee", "orbee", "server", account_id="1", tracker_id="1")
    answer = server.post("/collect/1/1/event", AS_PRINTED)
    assert fate(answer) == "accepted"
    assert "content-type" not in answer.headers
    [event] = stored(source)
    assert event["event_type"] == "view form"
    assert event["instance_id"] == "abc123"
    assert event["properties"] == {name: AS_PRINTED[name] for name in AS_PRINTED if name != "instance_id"}
    assert event["event_id"]


def test_an_account_and_a_tracker_of_uuids_are_as_good_as_numbers(server: TestServer, stored: Stored) -> None:
    account, number = "0b5ad4a2-7a5a-4e8e-8f7e-0f6f2c0f6d5e", "9c1e3c52-5d5b-4c7b-9b80-6a1ad9f3a0f7"
    source = server.add_source("orbee uuids", "orbee", "web", account_id=account, tracker_id=number)
    assert fate(server.post(f"/collect/{account}/{number}/event", AS_PRINTED)) == "accepted"
    assert fate(server.post(f"/collect/{account.upper()}/{number}/event", AS_PRINTED)).startswith("dropped")
    assert len(stored(source)) == 1


def test_without_settings_a_tracker_has_account_1_and_a_number_of_its_own(server: TestServer) -> None:
    first, second = server.add_source("orbee bare 1", "orbee"), server.add_source("orbee bare 2", "orbee")
    trackers = [source["credentials"]["tracker"] for source in (first, second)]
    assert [tracker.split("/")[0] for tracker in trackers] == ["1", "1"]
    assert trackers[0] != trackers[1]
    assert fate(post(server, first, AS_PRINTED)) == "accepted"


@pytest.mark.parametrize(
    "path", ["1/999999999", "2/1", "1/event", "1%2F1/1", "1/1%2f1", "%00/1", "1/ 1".replace(" ", "%20")]
)
def test_a_tracker_that_is_not_registered_is_answered_like_any_other(server: TestServer, path: str) -> None:
    answer = server.post(f"/collect/{path}/event", AS_PRINTED, headers={"origin": "https://dealer.example"})
    assert fate(answer).startswith("dropped; reason=unknown_key") or fate(answer).startswith(
        "dropped; reason=missing_key"
    )
    assert "must match a registered tracker" in fate(answer)
    assert answer.headers["access-control-allow-origin"] == "https://dealer.example"


@pytest.mark.parametrize(
    ("case", "content", "said"),
    [
        ("one required field", {**AS_PRINTED, "vendor": ""}, "dropped; missing=vendor"),
        ("two of them", {**AS_PRINTED, "vendor": None, "product": "  "}, "dropped; missing=vendor,product"),
        ("all but the action", {"action": "View"}, "dropped; missing=object,vendor,product,instance_id"),
        ("an empty object", {}, "dropped; missing=action,object,vendor,product,instance_id"),
        ("an action of another type", {**AS_PRINTED, "action": ["view"]}, "dropped; reason=wrong_type; field=action;"),
        ("an instance that is a fraction", {**AS_PRINTED, "instance_id": 1.5}, "dropped; reason=wrong_type; field=instance_id;"),
        ("a list of events", [AS_PRINTED], 'dropped; reason=wrong_type; detail="the body must be one event, not a list'),
        ("an empty list", [], 'dropped; reason=wrong_type; detail="the body must be one event, not a list'),
        ("a text", "hello", 'dropped; reason=wrong_type; detail="the body must be an object, not a text"'),
        ("null", None, "dropped; reason=wrong_type;"),
        ("a time that is none", {**AS_PRINTED, "occurred_at": "soon"}, "dropped; reason=out_of_range; field=occurred_at;"),
        ("an action of 300 letters", {**AS_PRINTED, "action": "a" * 300}, "dropped; reason=out_of_range; field=action;"),
        ("an instance of 501 letters", {**AS_PRINTED, "instance_id": "i" * 501}, "dropped; reason=out_of_range; field=instance_id;"),
    ],
    ids=lambda v: v if isinstance(v, str) and not v.startswith("dropped") else "",
)  # fmt: skip
def test_what_is_wrong_with_an_event_stands_in_the_header(
    server: TestServer, tracker: Callable[..., Source], stored: Stored, case: str, content: Any, said: str
) -> None:
    source = tracker()
    assert fate(post(server, source, content)).startswith(said)
    assert stored(source) == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"", "empty_body"), (b"{", "invalid_json"), (b'{"action": NaN}', "invalid_json"), (b"\xff\xfe", "invalid_json"),
     (b"[" * 100_000, "wrong_type"), (b'{"a":' * 100_000, "too_deep")],
)  # fmt: skip
def test_what_is_no_json_is_dropped_alike(
    server: TestServer, tracker: Callable[..., Source], body: bytes, reason: str
) -> None:
    path = f"/collect/{tracker()['credentials']['tracker']}/event"
    answer = server.request("POST", path, body, {"origin": "https://dealer.example"})
    assert fate(answer).startswith(f"dropped; reason={reason}; ")
    assert answer.headers["access-control-allow-origin"] == "https://dealer.example"
    assert "x-event-status" in answer.headers["access-control-expose-headers"].lower()


def test_nothing_that_a_sender_writes_breaks_the_header(server: TestServer, tracker: Callable[..., Source]) -> None:
    source = tracker(vendors="Vendor A")
    said = fate(post(server, source, {**AS_PRINTED, "vendor": 'Ven"dor\r\nSet-Cookie: a=b; ünï'}))
    assert said.startswith("dropped; reason=out_of_range; field=vendor; ")
    assert said.count('"') == 2
    assert said.isascii()


def test_only_registered_vendors_are_tracked_whatever_their_capitals(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker(vendors="Vendor A, Acme Chat")
    for vendor in ("Vendor A", "VENDOR A", " acme chat "):
        assert fate(post(server, source, {**AS_PRINTED, "vendor": vendor})) == "accepted"
    assert "Acme Chat" in fate(post(server, source, {**AS_PRINTED, "vendor": "Vendor B"}))
    assert [event["properties"]["vendor"] for event in stored(source)] == ["Vendor A", "VENDOR A", " acme chat "]


@pytest.mark.parametrize("name", ["instance_id", "instanceID", "instanceId"])
def test_each_spelling_of_the_instance_id_and_a_number_are_taken(
    server: TestServer, tracker: Callable[..., Source], stored: Stored, name: str
) -> None:
    source = tracker()
    content = {**{field: value for field, value in AS_PRINTED.items() if field != "instance_id"}, name: 991}
    assert fate(post(server, source, content)) == "accepted"
    [event] = stored(source)
    assert event["instance_id"] == "991"
    assert name not in event["properties"]


def test_of_several_spellings_the_first_that_is_not_empty_counts(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker()
    post(server, source, {**AS_PRINTED, "instance_id": "", "instanceID": "b", "instanceId": "c"})
    [event] = stored(source)
    assert event["instance_id"] == "b"


def test_the_same_instance_twice_is_two_events(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker()
    for _ in range(2):
        assert fate(post(server, source, AS_PRINTED)) == "accepted"
    first, second = stored(source)
    assert first["event_id"] != second["event_id"]


def test_fields_of_the_senders_own_are_kept_as_sent_and_people_are_known_by_theirs(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker()
    extra = {"label": "a lead", "score": 7.5, "vehicle": {"make": "Acme", "years": [2024, 2025]}, "note": None}
    person = {"email": "a@b.example", "emailAddress": "c@d.example", "phoneNumber": "+4930555010", "userId": 12,
              "contact_id": "c-1", "visitorID": "v-1", "firstName": "Ada", "last_name": "L."}  # fmt: skip
    post(server, source, {**AS_PRINTED, **extra, **person, "email_address": {"not": "usable"}})
    [event] = stored(source)
    assert event["properties"] == {
        **{name: value for name, value in AS_PRINTED.items() if name != "instance_id"},
        **extra,
        "email_address": {"not": "usable"},
    }
    assert event["identifiers"] == {"email": ["a@b.example", "c@d.example"], "phone": ["+4930555010"]}
    assert (event["user_id"], event["contact_id"], event["anonymous_id"]) == ("12", "c-1", "v-1")
    assert event["traits"] == {"first_name": "Ada", "last_name": "L."}


def test_the_address_of_a_back_end_is_not_that_of_a_shopper(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    back_end, page = tracker("server"), tracker("web")
    for source in (back_end, page):
        post(server, source, AS_PRINTED, **{"user-agent": "Mozilla/5.0 Firefox/133.0"})
    [sent], [seen] = stored(back_end), stored(page)
    assert (sent["user_agent"], sent["visitor_key"], sent["weak_key"]) == ("", "", "")
    assert seen["user_agent"] == "Mozilla/5.0 Firefox/133.0"
    assert not sent["trusted"]
    assert not seen["trusted"]


def test_a_strict_tracker_says_what_is_wrong_with_a_status(server: TestServer, tracker: Callable[..., Source]) -> None:
    source = tracker(strict="yes")
    assert fate(post(server, source, AS_PRINTED)) == "accepted"
    answer = post(server, source, {"action": "View"})
    assert answer.status == 422
    assert answer.json["error"]["reason"] == "missing_field"
    assert answer.json["error"]["field"] == "object,vendor,product,instance_id"
    assert answer.headers["x-event-status"] == "dropped; missing=object,vendor,product,instance_id"
    broken = server.request("POST", f"/collect/{source['credentials']['tracker']}/event", b"{")
    assert (broken.status, broken.json["error"]["reason"]) == (400, "invalid_json")
    server.run_cli("sources", "switch", source["id"], "off")
    gone = wait_until(lambda: post(server, source, AS_PRINTED), lambda answer: answer.status != 204)
    assert (gone.status, gone.json["error"]["reason"]) == (404, "source_disabled")


@pytest.mark.parametrize("status", ["200", "202"])
def test_clients_that_insist_on_another_status_get_it_without_a_body(
    server: TestServer, tracker: Callable[..., Source], status: str
) -> None:
    source = tracker(success_status=status)
    for content in (AS_PRINTED, {"action": "View"}):
        answer = post(server, source, content)
        assert (str(answer.status), answer.body) == (status, b"")


def test_another_method_is_405_and_a_preflight_is_answered(server: TestServer, tracker: Callable[..., Source]) -> None:
    path = f"/collect/{tracker()['credentials']['tracker']}/event"
    answer = server.request("PUT", path, b"{}")
    assert answer.status == 405
    assert answer.headers["content-type"] == "application/json"
    asked = {"origin": "https://dealer.example", "access-control-request-method": "POST"}
    preflight = server.request("OPTIONS", path, headers=asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "https://dealer.example"
    assert "POST" in preflight.headers["access-control-allow-methods"]


def test_what_is_only_validated_is_not_stored(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker()
    path = f"/collect/{source['credentials']['tracker']}/event?validate=1"
    assert fate(server.post(path, AS_PRINTED)) == "accepted"
    assert fate(server.post(path, {"action": "View"})).startswith("dropped; missing=")
    assert stored(source) == []


def test_what_was_dropped_is_found_with_its_reason_and_its_body(
    server: TestServer, tracker: Callable[..., Source]
) -> None:
    source = tracker(vendors="Vendor A")
    post(server, source, {**AS_PRINTED, "vendor": "Vendor B"})
    post(server, source, {"action": "View"})
    items = wait_until(lambda: server.api("rejections", source=source["id"])["items"], lambda items: len(items) >= 2)
    assert len(items) == 2
    assert {(item["reason"], item["field"]) for item in items} == {
        ("out_of_range", "vendor"),
        ("missing_field", "object,vendor,product,instance_id"),
    }
    assert any("Vendor B" in json.dumps(item) for item in items)


def test_a_path_that_tracardis_webhooks_have_too_is_orbees_where_the_tracker_is_registered(
    server: TestServer, stored: Stored
) -> None:
    webhooks = server.add_source("tracardi beside orbee", "tracardi", "server", source_id="crossing")
    path = "/collect/purchase/crossing/event"
    webhook = server.post(path, {"price": 5})
    assert (webhook.status, webhook.headers["content-type"]) == (200, "application/json")
    source = server.add_source("orbee crossing", "orbee", "server", account_id="purchase", tracker_id="crossing")
    answer = wait_until(lambda: server.post(path, AS_PRINTED), lambda answer: answer.status == 204)
    assert fate(answer) == "accepted"
    assert [event["event_type"] for event in stored(source)] == ["view form"]
    assert "purchase" in {event["event_type"] for event in stored(webhooks)}


def test_a_vendor_that_is_registered_later_is_tracked_and_what_was_dropped_is_replayed(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker(vendors="Vendor A")
    late = {**AS_PRINTED, "vendor": "Vendor B"}
    assert fate(post(server, source, late)).startswith("dropped; reason=out_of_range; field=vendor;")
    server.run_cli("sources", "set", source["id"], "vendors=Vendor A,Vendor B")
    numbers = itertools.count()
    wait_until(
        lambda: fate(post(server, source, {**late, "instance_id": f"later-{next(numbers)}"})),
        lambda said: said == "accepted",
    )
    assert stored(source)[0]["instance_id"] == f"later-{next(numbers) - 1}"
    server.run_cli("replay", "--rejected", "--source", source["id"], "--reason", "out_of_range", "--apply")
    assert "abc123" in {event["instance_id"] for event in stored(source)}


def test_an_event_whose_vendor_is_struck_off_before_it_is_stored_is_a_dead_letter_until_that_is_mended(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker(vendors="Vendor A")
    pipeline = server.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    try:
        assert fate(post(server, source, AS_PRINTED)) == "accepted"
        server.run_cli("sources", "set", source["id"], "vendors=Vendor C")
    finally:
        os.kill(pipeline, signal.SIGCONT)
    assert stored(source) == []
    [books] = [each for each in server.wait_until_settled()["sources"] if each["source"] == source["id"]]
    assert (books["received"], books["dead_lettered"]) == (1, 1)
    server.run_cli("sources", "set", source["id"], "vendors=Vendor A")
    server.run_cli("replay", "--rejected", "--source", source["id"], "--apply")
    assert [event["event_type"] for event in stored(source)] == ["view form"]


def test_a_repeat_with_the_same_dedupe_key_is_stored_once(
    server: TestServer, tracker: Callable[..., Source], stored: Stored
) -> None:
    source = tracker("web")
    for _ in range(2):
        assert fate(post(server, source, {**AS_PRINTED, "dedupe_key": "seen-once"})) == "accepted"
    [event] = stored(source)
    assert "dedupe_key" not in event["properties"]


def test_a_time_zone_tells_the_country(server: TestServer, tracker: Callable[..., Source], stored: Stored) -> None:
    source = tracker("web")
    post(server, source, {**AS_PRINTED, "time_zone": "America/New_York"})
    [event] = stored(source)
    assert (event["country"], event["context"]) == ("US", {"time_zone": "America/New_York"})
    assert "time_zone" not in event["properties"]
