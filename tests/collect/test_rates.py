"""The setting rate_limit: how often a source may ask, in every dialect."""

import itertools
import time
from pathlib import Path

import pytest
from tests.collect.dialects import RECIPES

from trackway.collect.protocols import PROTOCOLS
from trackway.collect.rates import Rates
from trackway.event import Source
from trackway.testing.server import TestServer, start_server

NUMBERS = itertools.count(1)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now


def limited(limit: int, name: str = "s") -> Source:
    return Source(
        id=name, workspace="main", name=name, protocol="native", channel="web", settings={"rate_limit": str(limit)}
    )


def test_a_minute_begins_with_the_first_request_and_the_next_one_is_fresh() -> None:
    clock = Hands()
    rates = Rates(clock)
    taken = []
    for _ in range(4):
        taken.append(rates.take(limited(3)))
        clock.now += 10_000
    assert [rate.allowed for rate in taken if rate] == [True, True, True, False]
    assert [rate.remaining for rate in taken if rate] == [2, 1, 0, 0]
    last = taken[-1]
    assert last
    assert (last.resets_at, last.wait_s) == (1_800_000_060_000, 30)
    assert dict(last.headers)[b"retry-after"] == b"30"
    clock.now = 1_800_000_060_000
    fresh = rates.take(limited(3))
    assert fresh
    assert (fresh.allowed, fresh.remaining) == (True, 2)


def test_sources_do_not_share_their_limit_and_one_without_has_none() -> None:
    rates = Rates(Hands())
    allowed = [rates.take(limited(1, name)) for name in ("a", "b", "a", "b")]
    assert [rate.allowed for rate in allowed if rate] == [True, True, False, False]
    free = Source(id="free", workspace="main", name="f", protocol="native", channel="web")
    assert all(rates.take(free) is None for _ in range(5))


def test_what_was_too_much_is_told_once_when_its_minute_is_over() -> None:
    clock = Hands()
    rates = Rates(clock)
    for _ in range(5):
        rates.take(limited(2))
    assert rates.take_ended() == []
    clock.now += 60_000
    [told] = rates.take_ended()
    assert (told.source, told.events, told.reason, told.received_at) == ("s", 3, "rate_limited", 1_800_000_000_000)
    assert (told.body, told.submission) == (b"", None)
    assert rates.take_ended() == []
    rates.take(limited(1))
    rates.take(limited(1))
    assert [each.events for each in rates.take_ended(all=True)] == [1]


def test_a_clock_that_goes_back_opens_a_new_minute() -> None:
    clock = Hands()
    rates = Rates(clock)
    assert [rate.allowed for _ in range(2) if (rate := rates.take(limited(1)))] == [True, False]
    clock.now -= 3_600_000
    again = rates.take(limited(1))
    assert again
    assert again.allowed


@pytest.mark.parametrize("dialect", [protocol.name for protocol in PROTOCOLS])
def test_one_request_too_many_is_429_in_the_dialects_words(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    settings = {**recipe.settings, "rate_limit": "2"}
    source = server.add_source(f"limited {dialect} {next(NUMBERS)}", dialect, recipe.channel, **settings)
    [key] = source["credentials"].values()
    sent = recipe.wrap(key, [recipe.events[0]])
    answers = [
        server.request("POST", sent.path, sent.body, {"origin": "https://shop.example", **sent.headers})
        for _ in range(3)
    ]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"2"}
    assert {answer.headers["x-ratelimit-policy"] for answer in answers} == {"2;w=60"}
    assert all(answer.status < 300 for answer in answers[:2])
    last = answers[2]
    assert last.status == 429
    assert 0 < int(last.headers["retry-after"]) <= 60
    assert abs(int(last.headers["x-ratelimit-reset"]) - time.time()) <= 61
    assert "retry-after" in last.headers["access-control-expose-headers"]
    assert "rate_limit" in recipe.explains(last)
    server.wait_until_settled()
    [books] = [s for s in server.api("books")["sources"] if s["source"] == source["id"]]
    assert books["received"] == 2


def test_questions_and_statements_of_consent_count_too(server: TestServer) -> None:
    tracardi = server.add_source(f"limited {next(NUMBERS)}", "tracardi", "web", rate_limit="2")
    ids = {"source": {"id": tracardi["credentials"]["source_id"]}, "session": {"id": f"visit-{next(NUMBERS)}"}}
    tracked = server.post("/track", {**ids, "events": [{"type": "a"}]})
    said = {**ids, "profile": tracked.json["profile"], "consents": {"marketing": True}}
    statements = [server.post("/customer/consent", said) for _ in range(2)]
    assert [answer.status for answer in statements] == [200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in statements] == ["0", "0"]
    assert int(statements[1].headers["retry-after"]) > 0

    pact = server.add_source(f"limited {next(NUMBERS)}", "pact", "server", rate_limit="1")
    asked = {"distinct_id": "a", "channel": "email"}
    checks = [server.post("/v1/consent/check", asked, pact["credentials"]["api_key"]) for _ in range(2)]
    assert [answer.status for answer in checks] == [200, 429]


def test_what_was_too_much_is_in_the_books_after_a_stop_and_its_body_nowhere(tmp_path: Path) -> None:
    with start_server(tmp_path / "data") as server:
        source = server.add_source("Busy", rate_limit="1")
        [key] = source["credentials"].values()
        statuses = [
            server.post("/v1/events", {"event_type": "a", "title": f"visitor's secret {n}"}, key).status
            for n in range(4)
        ]
        assert statuses == [200, 429, 429, 429]
    with start_server(tmp_path / "data") as server:
        server.wait_until_settled()
        [books] = [s for s in server.api("books")["sources"] if s["source"] == source["id"]]
        assert (books["received"], books["rejected"], books["balanced"]) == (1, {"rate_limited": 3}, True)
    for file in (tmp_path / "data" / "log").rglob("*"):
        assert not file.is_file() or b"secret 3" not in file.read_bytes()
