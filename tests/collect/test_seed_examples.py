"""Every example that the five documents print, sent as it is printed.

The documents are not part of the project: without them these tests are skipped.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.server import Answer, TestServer, start_server

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
pytestmark = pytest.mark.skipif(
    not SEEDS.is_dir(), reason=f"{SEEDS} is missing: these tests need the documents, which are not part of the project"
)


def read_seed(name: str) -> str:
    return (SEEDS / name).read_text()


def find_blocks(text: str) -> list[str]:
    """Everything between an outermost { and its }, as it is printed."""
    blocks, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        if character == "{":
            begin = begin if depth else at
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                blocks.append(text[begin : at + 1])
    return blocks


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    """A server of its own: the documents' dedupe keys and order ids are the same in every run."""
    with start_server(tmp_path_factory.mktemp("seeds") / "data", pipeline_linger_ms=20) as server:
        yield server


def key_of(source: dict[str, Any]) -> str:
    [key] = source["credentials"].values()
    return str(key)


def post(server: TestServer, path: str, body: str, **headers: str) -> Answer:
    return server.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})


def stored(server: TestServer, source: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a source, oldest first."""
    server.wait_until_settled()
    items: list[dict[str, Any]] = server.api("events", source=source["id"], limit=1000)["items"]
    return items[::-1]


def test_pacts_event_is_accepted_once_under_the_id_it_was_given(fresh: TestServer) -> None:
    [printed] = find_blocks(read_seed("pact-tracking.txt"))
    source = fresh.add_source("Pact as printed", "pact", "server")
    authorization = f"Bearer {key_of(source)}"
    first = post(fresh, "/v1/tracking/events", printed, authorization=authorization)
    again = post(fresh, "/v1/tracking/events", printed, authorization=authorization)
    assert (first.status, first.json["status"], first.json["duplicate"]) == (202, "accepted", False)
    assert (again.status, again.json["id"], again.json["duplicate"]) == (200, first.json["id"], True)
    [event] = stored(fresh, source)
    sent = json.loads(printed)
    kept = ("event_type", "url", "referrer", "properties", "dedupe_key")
    assert {name: event[name] for name in kept} == {name: sent[name] for name in kept}
    assert (event["event_id"], event["anonymous_id"]) == (first.json["id"], sent["distinct_id"])


@pytest.mark.parametrize("event_type", ["page_view", "click", "form_submit", "video_play", "download_pdf"])
def test_pacts_built_in_types_are_taken(fresh: TestServer, event_type: str) -> None:
    assert event_type in read_seed("pact-tracking.txt")
    source = fresh.add_source(f"Pact {event_type}", "pact", "server")
    body = json.dumps({"event_type": event_type, "distinct_id": "anon-7f3a"})
    assert post(fresh, "/v1/tracking/events", body, authorization=f"Bearer {key_of(source)}").status == 202


@pytest.fixture(scope="module")
def tracardi(fresh: TestServer) -> dict[str, Any]:
    return fresh.add_source("Tracardi", "tracardi", "web", source_id="source-id", system_events="no", debugger="yes")


def tracardi_payloads() -> list[str]:
    if not SEEDS.is_dir():
        return []
    return [block for block in find_blocks(read_seed("tracardi-event-tracking.txt")) if '"events": [' in block]


@pytest.mark.parametrize("printed", [p for p in tracardi_payloads() if '"debugging"' not in p])
def test_tracardis_payloads_are_tracked_and_answered_as_printed(
    fresh: TestServer, tracardi: dict[str, Any], printed: str
) -> None:
    before = len(stored(fresh, tracardi))
    answer = post(fresh, "/track", printed, content_type="application/json")
    assert answer.status == 200, answer.body
    # The answer that the document prints, and what later versions add.
    printed_answer = json.loads(find_blocks(read_seed("tracardi-event-tracking.txt"))[-1])
    assert set(printed_answer) <= set(answer.json)
    assert answer.json["source"] == printed_answer["source"]
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.json["profile"]["id"])
    # The document's profile id is none that was given out.
    assert answer.json["profile"]["id"] != "profile-id"
    events = stored(fresh, tracardi)[before:]
    assert [e["event_type"] for e in events] == ["purchase-order", "page-view"]
    assert {name: events[0]["properties"][name] for name in ("product", "quantity")} == {
        "product": "Nike shoes",
        "quantity": 1,
    }
    assert {e["session_id"] for e in events} == {"session-id"}
    if "iPhone X" in printed:
        assert all(e["context"]["device"] == "iPhone X" for e in events)


def test_tracardis_debugger_answers_with_the_fields_of_the_printed_one(
    fresh: TestServer, tracardi: dict[str, Any]
) -> None:
    payloads = tracardi_payloads()
    printed = json.loads(next(p for p in find_blocks(read_seed("tracardi-event-tracking.txt")) if '"debugging"' in p))
    sent = {**json.loads(payloads[-1]), "options": {"debugger": True}}
    answer = post(fresh, "/track", json.dumps(sent), content_type="application/json")
    debugging = answer.json["debugging"]
    assert set(printed["debugging"]) <= set(debugging)
    for part in ("session", "events", "profile"):
        assert set(printed["debugging"][part]) <= set(debugging[part])
    assert debugging["events"]["saved"] == len(debugging["events"]["ids"]) == 2
    assert debugging["profile"]["ids"] == [answer.json["profile"]["id"]]


def test_tracardis_two_ways_without_a_profile(fresh: TestServer, tracardi: dict[str, Any]) -> None:
    text = read_seed("tracardi-event-tracking.txt")
    assert "POST /track?profile_less=true" in text
    assert "POST /collect/EVENT-TYPE/SOURCE-ID" in text
    before = len(stored(fresh, tracardi))
    tracked = post(fresh, "/track?profile_less=true", tracardi_payloads()[1], content_type="application/json")
    assert (tracked.status, tracked.json["profile"]["id"]) == (200, None)
    collected = post(fresh, "/collect/coupon-received/source-id", '{"voucher": "V-1"}', content_type="application/json")
    assert collected.status == 200
    events = stored(fresh, tracardi)[before:]
    assert [e["event_type"] for e in events] == ["purchase-order", "page-view", "coupon-received"]
    assert events[2]["properties"] == {"voucher": "V-1"}
    assert [e["session_id"] for e in events] == ["session-id", "session-id", ""]


def test_tracardi_answers_an_unknown_source_with_an_authorization_error(fresh: TestServer) -> None:
    body = tracardi_payloads()[0].replace('"source-id"', '"another-source"')
    answer = post(fresh, "/track", body, content_type="application/json")
    assert (answer.status, set(answer.json)) == (401, {"detail"})


def tracify_events() -> list[str]:
    if not SEEDS.is_dir():
        return []
    return [block for block in find_blocks(read_seed("tracify-server-events.txt")) if '"events"' in block]


@pytest.fixture(scope="module")
def tracify(fresh: TestServer) -> dict[str, Any]:
    return fresh.add_source("Tracify", "tracify", "server")


@pytest.mark.parametrize("printed", tracify_events()[:4])
def test_tracifys_events_are_taken_as_printed(fresh: TestServer, tracify: dict[str, Any], printed: str) -> None:
    before = len(stored(fresh, tracify))
    answer = post(fresh, "/api/v1/events", printed, tracify_token=key_of(tracify))
    assert (answer.status, answer.json) == (200, {"status": True})
    [event] = stored(fresh, tracify)[before:]
    [sent] = json.loads(printed)["events"]
    assert event["event_type"] == sent["type"]
    assert event["url"].startswith("https://www.yourwebsite.com/")
    assert event["occurred_at"] == f"{sent['datetime'].replace(' ', 'T')}.000Z"
    if "utm_source" in sent["data"]:
        assert (event["utm_source"], event["utm_medium"]) == ("fb", "paid")
        assert event["referrer"] == "https://www.referringwebsite.com"
    if sent["type"] == "purchase":
        assert (event["revenue"], event["currency"]) == (100.0, "EUR")
        again = post(fresh, "/api/v1/events", printed, tracify_token=key_of(tracify))
        assert (again.status, again.json) == (200, {"status": True})
        assert len(stored(fresh, tracify)) == before + 1


def test_tracifys_conversion_has_a_comma_too_many_and_is_told_where(fresh: TestServer, tracify: dict[str, Any]) -> None:
    printed = tracify_events()[4]
    before = len(stored(fresh, tracify))
    answer = post(fresh, "/api/v1/events", printed, tracify_token=key_of(tracify))
    assert (answer.status, answer.json["status"]) == (400, False)
    # Where: the byte, or the line and column, of the comma.
    assert re.search(r"\d", answer.json["error"]), answer.json
    assert "JSON" in answer.json["error"]
    assert len(stored(fresh, tracify)) == before
    mended = re.sub(r",(\s*})", r"\1", printed)
    assert post(fresh, "/api/v1/events", mended, tracify_token=key_of(tracify)).json == {"status": True}
    event = stored(fresh, tracify)[-1]
    assert (event["event_type"], event["revenue"], event["currency"]) == ("conversion", 100.0, "EUR")


ORBEE = {
    "action": "view",
    "object": "form",
    "vendor": "Vendor A",
    "product": "Product 1",
    "instance_id": "abc123",
}


def test_orbees_table_is_tracked_at_its_path_with_an_empty_answer(fresh: TestServer) -> None:
    text = read_seed("orbee-event-tracking.txt")
    for name, example in ORBEE.items():
        assert re.search(rf"^{name} string yes .*{example}$", text, re.M), name
    assert re.search(r"^aid number/uuid yes .*1$", text, re.M)
    assert re.search(r"^tid number/uuid yes .*1$", text, re.M)
    source = fresh.add_source("Orbee", "orbee", "server", account_id="1", tracker_id="1", vendors="Vendor A")
    answer = post(fresh, "/collect/1/1/event", json.dumps(ORBEE), content_type="application/json")
    assert (answer.status, answer.body) == (204, b"")
    [event] = stored(fresh, source)
    assert event["instance_id"] == "abc123"
    assert "view" in event["event_type"].lower()
    assert "form" in json.dumps(event)
    for name in ORBEE:
        rest = {field: value for field, value in ORBEE.items() if field != name}
        assert post(fresh, "/collect/1/1/event", json.dumps(rest)).status == 204
    assert len(stored(fresh, source)) == 1, "what misses a required field is not tracked"


def clarm_calls() -> list[tuple[str, dict[str, Any]]]:
    """The document's calls of ClarmTrack.track: name and properties, read out of the JavaScript."""
    if not SEEDS.is_dir():
        return []
    found = re.findall(r"ClarmTrack\?\.track\('(\w+)', (\{.*?\})\);", read_seed("clarm-tracking.txt"), re.S)
    quoted = [(name, re.sub(r"(\w+): ", r'"\1": ', written.replace("'", '"'))) for name, written in found]
    return [(name, json.loads(written)) for name, written in quoted]


@pytest.mark.parametrize(("name", "properties"), clarm_calls())
def test_clarms_calls_are_taken_as_a_page_sends_them(fresh: TestServer, name: str, properties: dict[str, Any]) -> None:
    source = fresh.add_source(f"Clarm {name}", "clarm", "web")
    sent = {
        "event": name,
        "properties": properties,
        "visitor_id": "v_9f2c",
        "session_id": "s_1",
        "timestamp": "2026-11-20T10:00:00.000Z",
        "url": "https://acme.example/pricing",
        "referrer": "https://www.google.com/",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "widget_id": key_of(source),
    }
    answer = post(fresh, "/api/track", json.dumps(sent), content_type="text/plain", origin="https://acme.example")
    assert answer.status == 200
    assert answer.json["success"] is True
    [event] = stored(fresh, source)
    assert (event["event_id"], event["event_type"]) == (answer.json["event_id"], name)
    assert (event["anonymous_id"], event["session_id"]) == ("v_9f2c", "s_1")
    assert event["occurred_at"] == "2026-11-20T10:00:00.000Z"
    if name == "purchase":
        assert (event["revenue"], event["currency"]) == (299.0, "USD")
        again = post(fresh, "/api/track", json.dumps(sent), content_type="text/plain")
        assert (again.status, again.json["success"]) == (200, True)
        assert len(stored(fresh, source)) == 1, "an order counts once"
    elif name == "identify":
        assert {n: event["traits"].get(n) for n in ("name", "company", "plan")} == {
            "name": "Jane Smith",
            "company": "Acme Inc",
            "plan": "enterprise",
        }
    else:
        assert event["properties"] == properties


def test_the_documents_print_as_many_examples_as_are_tested_here() -> None:
    """A changed document, or a block that the search above does not find, is noticed."""
    assert (len(tracardi_payloads()), len(tracify_events()), len(clarm_calls())) == (4, 5, 4)
