"""Which protocol is asked at which path."""

import pytest
from msgspec.structs import replace

from trackway.collect.paths import Paths, match_path, read_params
from trackway.collect.protocol import Protocol, Route
from trackway.collect.protocols.native import NATIVE

TRACKER = replace(NATIVE, name="tracker", routes=(Route("/collect/{aid}/{tid}/event"),))
WEBHOOK = replace(
    NATIVE,
    name="webhook",
    routes=(Route("/collect/{event_type}/{source_id}"), Route("/collect/{event_type}/{source_id}/{session_id}")),
)
PATHS = Paths((NATIVE, TRACKER, WEBHOOK))


def names(path: str) -> list[str]:
    return [match.protocol.name for match in PATHS.find(path)]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/events", ["native"]),
        ("/collect/1/7/event", ["tracker", "webhook"]),
        ("/collect/a/b", ["webhook"]),
        ("/collect/a/b/c", ["webhook"]),
        ("/collect/a", []),
        ("/collect//b", []),
        ("/collect/a/b/c/d", []),
        ("/collect/a/b/", []),
        ("/v1/events/", []),
        ("", []),
    ],
)
def test_a_path_is_answered_by_who_claims_it(path: str, asked: list[str]) -> None:
    assert names(path) == asked


def test_parameters_are_decoded_and_a_slash_in_one_stays_in_it() -> None:
    [match] = PATHS.find("/collect/coupon%20received%2Fnow/hook-1")
    assert match.params == {"event_type": "coupon received/now", "source_id": "hook-1"}


def test_a_submission_gives_the_same_parameters_again() -> None:
    protocol: Protocol = WEBHOOK
    [match] = PATHS.find("/collect/a%2Fb/hook-1")
    assert read_params(protocol.routes, "/collect/a%2Fb/hook-1") == match.params
    assert read_params(protocol.routes, "/elsewhere") == {}


def test_another_length_is_another_path() -> None:
    assert match_path(Route("/a/{b}"), "/a/b/c") is None
