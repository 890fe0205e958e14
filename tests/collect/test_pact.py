"""Pact Tracking through HTTP: the document's example as printed, and what it leaves open."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.server import TestServer

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

AS_PRINTED = {
    "event_type": "page_view",
    "distinct_id": "anon-7f3a",
    "url": "https://acme.com/pricing",
    "referrer": "https://google.com",
    "properties": {"plan_viewed": "growth"},
    "dedupe_key": "pageview-pricing-page",
}


def post(server: TestServer, source: Source, content: Any) -> Any:
    return server.post("/v1/tracking/events", content, source["credentials"]["api_key"])


def test_the_documents_example_is_accepted_once(
    tmp_path_factory: pytest.TempPathFactory, server: TestServer, stored: Stored
) -> None:
    source = server.add_source("as printed", protocol="pact")
    first = post(server, source, AS_PRINTED)
    assert first.status == 202
    assert first.json == {
        "id": first.json["id"],
        "public_id": first.json["id"],
        "status": "accepted",
        "duplicate": False,
    }
    repeat = post(server, source, AS_PRINTED)
    assert (repeat.status, repeat.json["id"], repeat.json["duplicate"]) == (200, first.json["id"], True)
    [event] = stored(source)
    assert event["event_id"] == first.json["id"]
    assert event["anonymous_id"] == "anon-7f3a"
    assert event["referrer_name"] == "Google"
    assert {name: event[name] for name in ("event_type", "url", "referrer", "properties", "dedupe_key")} == {
        name: AS_PRINTED[name] for name in ("event_type", "url", "referrer", "properties", "dedupe_key")
    }


@pytest.mark.parametrize(
    "event_type", ["page_view", "click", "form_submit", "video_play", "download_pdf", "anything at all", "ünïcode"]
)
def test_built_in_and_custom_types_are_accepted(
    server: TestServer, pact: Source, stored: Stored, event_type: str
) -> None:
    assert post(server, pact, {"event_type": event_type, "distinct_id": "d"}).status == 202
    assert stored(pact)[0]["event_type"] == event_type


@pytest.mark.parametrize("channel", ["web", "server", "mobile", "api"])
def test_the_source_field_says_the_channel(server: TestServer, pact: Source, stored: Stored, channel: str) -> None:
    assert post(server, pact, {"event_type": "a", "distinct_id": "d", "source": channel}).status == 202
    assert stored(pact)[0]["channel"] == channel


def test_contact_and_account_are_kept(server: TestServer, pact: Source, stored: Stored) -> None:
    assert (
        post(server, pact, {"event_type": "a", "contact_id": "c-9", "account_id": "acc-9", "session_id": "s"}).status
        == 202
    )
    [event] = stored(pact)
    assert (event["contact_id"], event["account_id"], event["session_id"]) == ("c-9", "acc-9", "s")


@pytest.mark.parametrize("name", ["occurred_at", "timestamp", "event_time", "ts"])
def test_the_time_may_have_any_of_the_likely_names(server: TestServer, pact: Source, stored: Stored, name: str) -> None:
    assert post(server, pact, {"event_type": "a", "distinct_id": "d", name: "2026-02-03T04:05:06Z"}).status == 202
    assert stored(pact)[0]["occurred_at"] == "2026-02-03T04:05:06.000Z"


def test_a_list_and_an_object_with_events_are_batches(server: TestServer, pact: Source) -> None:
    events = [{"event_type": "a", "distinct_id": "d", "dedupe_key": "batch-1"}, {"event_type": "b"}]
    for content in (events, {"events": events}):
        answer = post(server, pact, content)
        assert answer.json["results"][1]["detail"][0]["loc"] == ["body", "events", "1", "distinct_id"]
        assert answer.json["rejected"] == 1
    assert answer.status == 200
    assert answer.json["duplicates"] == 1


@pytest.mark.parametrize(
    ("case", "content", "status"),
    [
        ("no event_type", {"distinct_id": "d"}, 422),
        ("nobody it belongs to", {"event_type": "a"}, 422),
        ("a channel that does not exist", {"event_type": "a", "distinct_id": "d", "source": "fax"}, 422),
        ("properties as a list", {"event_type": "a", "distinct_id": "d", "properties": []}, 422),
        ("an empty list", [], 400),
        ("a text", "hello", 422),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_mistakes_are_answered_in_pacts_words(
    server: TestServer, pact: Source, case: str, content: Any, status: int
) -> None:
    answer = post(server, pact, content)
    assert answer.status == status
    assert {"loc", "msg", "type"} <= set(answer.json["detail"][0])


def test_a_missing_or_wrong_key_is_401(server: TestServer) -> None:
    assert server.post("/v1/tracking/events", AS_PRINTED).status == 401
    answer = server.post("/v1/tracking/events", AS_PRINTED, "pact_live_" + "0" * 32)
    assert (answer.status, set(answer.json)) == (401, {"detail"})


def test_the_dedupe_key_counts_in_the_whole_workspace(server: TestServer, pact: Source) -> None:
    other = server.add_source("another pact", protocol="pact")
    event = {"event_type": "a", "distinct_id": "d", "dedupe_key": f"workspace-wide-{pact['id']}"}
    first = post(server, pact, event)
    assert post(server, other, event).json == {**first.json, "duplicate": True}


def test_a_key_that_swallows_several_visitors_is_reported(server: TestServer, pact: Source) -> None:
    for visitor in ("v1", "v2", "v3"):
        post(server, pact, {"event_type": "a", "distinct_id": visitor, "dedupe_key": f"static-{pact['id']}"})
    server.wait_until_settled()
    [item] = [s for s in server.api("sources")["items"] if s["id"] == pact["id"]]
    [key] = item["swallowing_keys"]
    assert (key["dedupe_key"], key["swallowed"]) == (f"static-{pact['id']}", 2)


def test_a_test_key_is_told_by_its_look_and_sends_to_the_test_space_only(server: TestServer, stored: Stored) -> None:
    live = server.add_source("live shop", protocol="pact")
    trial = server.add_source("shop under test", protocol="pact", environment="test")
    assert (live["workspace"], trial["workspace"]) == ("main", "test")
    assert re.fullmatch("pact_live_[0-9a-f]{32}", live["credentials"]["api_key"])
    assert re.fullmatch("pact_test_[0-9a-f]{32}", trial["credentials"]["api_key"])
    event = {"event_type": "only_a_test", "distinct_id": "tester", "dedupe_key": "same", "contact_id": "c-test"}
    assert post(server, trial, event).status == 202
    assert post(server, trial, event).json["duplicate"] is True
    # The same dedupe_key in the other space is no repeat: a test swallows no real event.
    assert post(server, live, {**event, "event_type": "real"}).json["duplicate"] is False
    server.wait_until_settled(workspace="test")
    assert [e["event_type"] for e in stored(live)] == ["real"]
    assert [e["event_type"] for e in server.api("events", workspace="test", source=trial["id"])["items"]] == [
        "only_a_test"
    ]
    assert stored(trial) == []
    assert "only_a_test" not in json.dumps(server.api("kpis"))
    assert trial["id"] not in json.dumps(server.api("books"))
    tested = {s["id"] for s in server.api("sources", workspace="test")["items"]}
    assert trial["id"] in tested
    assert live["id"] not in tested
    looked_up = server.api("profiles/lookup", kind="contact_id", value="c-test")
    assert (
        looked_up["profile_id"]
        != server.api("profiles/lookup", workspace="test", kind="contact_id", value="c-test")["profile_id"]
    )


def test_a_page_cannot_pass_for_the_back_end(server: TestServer, stored: Stored) -> None:
    page = server.add_source("a page", protocol="pact", channel="web", origins="https://acme.example")
    assert re.fullmatch("pact_pub_[0-9a-f]{32}", page["credentials"]["api_key"])
    sent = {"event_type": "purchase", "distinct_id": "d", "source": "server"}
    answer = post(server, page, sent)
    assert answer.status == 202
    assert "secret key only" in answer.json["warnings"][0]
    assert [e["channel"] for e in stored(page)] == ["web"]
    elsewhere = server.post(
        "/v1/tracking/events", sent, page["credentials"]["api_key"], {"origin": "https://evil.example"}
    )
    assert (elsewhere.status, set(elsewhere.json)) == (403, {"detail"})
    by_beacon = server.post(
        f"/v1/tracking/events?api_key={page['credentials']['api_key']}",
        sent,
        headers={"origin": "https://acme.example"},
    )
    assert by_beacon.status == 202


def test_a_key_in_the_body_of_the_seeds_kind_is_seen_on_the_diagnostics(server: TestServer) -> None:
    """The document's own example has one key for every visitor of the page."""
    source = server.add_source("static key", protocol="pact", environment="test")
    for visitor in ("anon-7f3a", "anon-8b2c", "anon-9d4e"):
        post(server, source, {**AS_PRINTED, "distinct_id": visitor})
    server.wait_until_settled(workspace="test")
    [item] = [s for s in server.api("sources", workspace="test")["items"] if s["id"] == source["id"]]
    assert [(k["dedupe_key"], k["swallowed"]) for k in item["swallowing_keys"]] == [("pageview-pricing-page", 2)]
    assert all(s["swallowing_keys"] == [] for s in server.api("sources")["items"] if s["id"] == source["id"])


def test_only_a_secret_key_may_ask_how_somebody_stands(server: TestServer) -> None:
    page = server.add_source("asking page", protocol="pact", channel="web")
    trial = server.add_source("asking trial", protocol="pact", environment="test")
    asked = {"contact_id": "c-asked", "channel": "email"}
    refused = server.post("/v1/consent/check", asked, page["credentials"]["api_key"])
    assert (refused.status, set(refused.json)) == (403, {"detail"})
    assert "secret" in refused.json["detail"]
    answer = server.post("/v1/consent/check", asked, trial["credentials"]["api_key"])
    assert (answer.status, answer.json["allowed"], answer.json["state"]) == (200, False, "unknown")
    assert server.post("/v1/consent/check", asked, "pact_live_" + "0" * 32).status == 401
