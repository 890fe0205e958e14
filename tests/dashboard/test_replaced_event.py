"""The page of an event whose row a replay has replaced: that it was, why, when, and where each row stands."""

import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from trackway.control.database import State, bump_version, make_url
from trackway.control.tables import SOURCES
from trackway.testing.server import TestServer

from .conftest import Sender, Visitor


@pytest.fixture
def state(server: TestServer) -> Iterator[State]:
    state = State(make_url(server.data, ""))
    yield state
    state.close()


def replay_as(state: State, sender: Sender, channel: str, **settings: str) -> None:
    """What an adapter makes of a request depends on its source: the log is parsed again with another one."""
    values = {"channel": channel} | ({"settings": settings["settings"]} if settings else {})
    with state.write() as connection:
        connection.execute(update(SOURCES).where(SOURCES.c.id == sender.source["id"]).values(**values))
        bump_version(connection)
    time.sleep(1.2)
    sender.server.run_cli("replay", "--from", "2020-01-01", "--source", sender.source["id"], "--apply")
    sender.server.wait_until_settled()


def test_an_event_that_was_never_replaced_says_nothing_of_it(member: Visitor, sender: Sender) -> None:
    [event_id] = sender.store({"event_type": "view"})
    page = member.text(f"/app/events/{event_id}")
    assert "<h3>replaced" not in page
    assert "made this event anew" not in page


def test_a_replaced_event_says_when_why_and_leads_to_the_row_that_took_its_place(
    member: Visitor, sender: Sender, state: State
) -> None:
    [event_id] = sender.store({"event_type": "view"})
    first = member.server.api(f"events/{event_id}")["log"]
    replay_as(state, sender, "mobile")
    told = member.server.api(f"events/{event_id}")
    [replaced] = told["replaced"]
    assert replaced["log"] == first
    page = member.text(f"/app/events/{event_id}")
    assert "A replay made this event anew" in page
    assert "adapters, settings or policies had changed" in page
    assert f'datetime="{replaced["at"]}"' in page
    road = page[page.index('id="road-title"') :]
    old, new = (
        rf'segment <span class="mono">{place["segment"]}</span>, record {place["record"]}, event {place["index"]}'
        for place in (first, told["log"])
    )
    assert re.search(
        f'{old} made way for <a href="#logged">the one below</a>.*<li id="logged">.*{new}', road, re.I | re.S
    )
    replay_as(state, sender, "server")
    page = member.text(f"/app/events/{event_id}")
    assert "A replay made this event anew</b> 2 times, the last time" in page
    assert page.count("<h3>replaced</h3>") == 2
    assert page.count("made way for the next,") == 1
    assert member.get(f"/app/events/{event_id}.json").json == member.server.api(f"events/{event_id}")


def test_a_replaced_event_that_would_not_be_stored_any_more_leads_to_its_outcome(
    member: Visitor, sender: Sender, state: State
) -> None:
    sender.headers = {"user-agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    [event_id] = sender.store({"event_type": "view"})
    replay_as(state, sender, "mobile", settings='{"bots": "drop"}')
    page = member.text(f"/app/events/{event_id}")
    assert "It would not be stored any more, so the earlier row went" in page
    assert 'made way for <a href="#outcome">the outcome below</a>' in page
    assert '<li id="outcome">' in page
