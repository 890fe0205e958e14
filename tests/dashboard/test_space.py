"""The test space: looked at by choice, marked on every page, never mixed with what is real."""

import time
from collections.abc import Iterator

import pytest
from tests.dashboard.conftest import Screen, Sender, Visitor, open_screen, read_csrf

from trackway.testing.server import TestServer

PAGES = ("tracking", "visitors", "accounts", "events", "sources", "consent", "privacy", "diagnostics")
NOTE = "Test space."


@pytest.fixture
def trial(server: TestServer) -> Sender:
    source = server.add_source(f"Trial {time.time_ns()}", channel="web", environment="test")
    return Sender(server, source)


@pytest.fixture
def tester(server: TestServer, trial: Sender) -> Visitor:
    """Somebody of their own who has chosen the test space."""
    visitor = Visitor(server)
    assert visitor.log_in().status == 303
    real = visitor.get("/app/tracking")
    answer = visitor.post("/app/space", {"csrf": read_csrf(real), "space": "test"})
    assert (answer.status, answer.headers["location"]) == (303, "/app/tracking")
    return visitor


def test_what_a_test_source_sent_is_seen_in_the_test_space_only(
    server: TestServer, trial: Sender, tester: Visitor, member: Visitor
) -> None:
    trial.send({"event_type": "only_tried_out", "anonymous_id": "a"})
    server.wait_until_settled(workspace="test")
    for page in ("/app/events", "/app/tracking"):
        assert "only_tried_out" in tester.text(page)
        assert "only_tried_out" not in member.text(page)
    assert trial.source["name"] in tester.text("/app/sources")
    assert trial.source["name"] not in member.text("/app/sources")
    twins = [visitor.get("/app/events.json").json for visitor in (tester, member)]
    assert [any(e["event_type"] == "only_tried_out" for e in twin["items"]) for twin in twins] == [True, False]


def test_every_page_of_the_test_space_says_so_and_leads_back(tester: Visitor, member: Visitor) -> None:
    for page in PAGES:
        assert NOTE in tester.text(f"/app/{page}"), page
        assert NOTE not in member.text(f"/app/{page}"), page
    csrf = read_csrf(tester.get("/app/events"))
    assert tester.post("/app/space", {"csrf": csrf, "space": ""}).status == 303
    assert NOTE not in tester.text("/app/events")


def test_the_choice_needs_a_login_and_the_forms_token(server: TestServer, tester: Visitor, stranger: Visitor) -> None:
    assert stranger.post("/app/space", {"space": "test", "csrf": ""}).headers["location"].startswith("/app/login")
    assert tester.post("/app/space", {"space": "", "csrf": "made up"}).status == 403
    assert NOTE in tester.text("/app/events")


def test_a_source_added_for_tests_gets_a_test_key(server: TestServer, member: Visitor) -> None:
    form = {
        "csrf": read_csrf(member.get("/app/sources")),
        "name": f"Pact trial {time.time_ns()}",
        "protocol": "pact",
        "channel": "server",
        "environment": "test",
    }
    answer = member.post("/app/sources", form)
    assert answer.status == 201
    page = answer.body.decode()
    assert "pact_test_" in page
    assert "Watch it arrive in the test space" in page
    assert form["name"] in str(server.api("sources", workspace="test"))
    assert form["name"] not in str(server.api("sources"))


@pytest.fixture
def test_screen(chromium: object, tester: Visitor) -> Iterator[Screen]:
    yield from open_screen(chromium, tester)  # type: ignore[arg-type]


@pytest.mark.browser
def test_the_live_page_of_the_test_space_shows_its_own_events_as_they_come(
    server: TestServer, trial: Sender, test_screen: Screen
) -> None:
    page = test_screen.page
    trial.send({"event_type": "before", "anonymous_id": "a"})
    server.wait_until_settled(workspace="test")
    page.goto(f"{server.url}/app/tracking")
    page.locator('[data-live-state="live"]').wait_for()
    real = server.add_source(f"Real {time.time_ns()}")
    server.post("/v1/events", {"event_type": "really_happened"}, real["credentials"]["write_key"])
    server.wait_until_settled()
    trial.send({"event_type": "tried_out_live", "anonymous_id": "a"})
    page.get_by_text("tried_out_live").first.wait_for()
    assert "really_happened" not in page.content()
    assert test_screen.complain() == []
