"""What counts as personal data in a text, what does not, and what it costs to look."""

import time

import pytest

from trackway.control.personal_values import find_personal
from trackway.event import Event, LogPlace, Row
from trackway.pipeline.pii import SAMPLED_EVENTS, look_for_pii

FOUND = [
    ("jane.doe+x@example.co.uk", "email", "j…@e….uk"),
    ("please write to Jane <jane@example.com>", "email", "j…@e….com"),
    ("4111 1111 1111 1111", "card", "…1111"),
    ("card 5555-5555-5555-4444 ok", "card", "…4444"),
    ("378282246310005", "card", "…0005"),
    ("DE89 3704 0044 0532 0130 00", "iban", "DE…00"),
    ("GB29NWBK60161331926819", "iban", "GB…19"),
    ("+49 30 901820", "phone", "+49…20"),
    ("call +1 (650) 253-0000 now", "phone", "+1 …00"),
    ("0044 20 7946 0958", "phone", "004…58"),
]
NOT_FOUND = [
    "",
    "jane@localhost",
    "@mention",
    "4111 1111 1111 1112",
    "1764094800000",
    "0000 0000 0000 0000",
    "DE89 3704 0044 0532 0130 01",
    "+99 123",
    "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312",
    "2026-05-01T10:00:00.000Z",
    "192.168.100.200",
    "order 12345678",
]


@pytest.mark.parametrize(("text", "kind", "example"), FOUND)
def test_it_is_found_and_the_example_tells_nobody(text: str, kind: str, example: str) -> None:
    assert find_personal(text) == (kind, example)


@pytest.mark.parametrize("text", NOT_FOUND)
def test_it_is_not_taken_for_personal_data(text: str) -> None:
    assert find_personal(text) is None


@pytest.mark.parametrize("text", ["a" * 100_000, "1 " * 50_000, "a@" * 50_000, "+1" * 50_000, "AA00 " * 20_000])
def test_a_hostile_text_takes_no_time(text: str) -> None:
    began = time.monotonic()
    find_personal(text)
    assert time.monotonic() - began < 0.1


def make_row(number: int) -> Row:
    event = Event(
        event_id=f"01a213ed-e60a-74de-9cd1-{number:012x}",
        workspace="w",
        source="s",
        protocol="native",
        channel="web",
        trusted=False,
        event_type="view",
        occurred_at=1,
        received_at=1,
        url="https://x.example/?mail=jane%40example.com",
        properties={f"p{n}": f"value {n} of +99 90182 something" for n in range(10)},
    )
    return Row(event, LogPlace(1, number, 0))


def test_looking_costs_the_same_however_large_the_batch_is() -> None:
    rows = [make_row(number) for number in range(10_000)]
    look_for_pii(rows[:100])
    began = time.perf_counter()
    found = look_for_pii(rows)
    took = time.perf_counter() - began
    assert {finding.path for finding in found} == {"url.query.mail"}
    assert SAMPLED_EVENTS <= len(found) <= 2 * SAMPLED_EVENTS
    assert took < 0.1
