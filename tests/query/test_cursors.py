"""Cursors: opaque, checked, and right where rows share a millisecond."""

import base64
import string

import pytest

from trackway.event import LogPlace
from trackway.query.cursors import ListCursor, LiveCursor, decode_list_cursor, decode_live_cursor, encode_cursor
from trackway.query.questions import QuestionError

ALPHABET = string.ascii_letters + string.digits + "-_"
LIST = ListCursor(1_795_000_000_000, LogPlace(117_652_332_348_411_226, 7, 3))
LIVE = LiveCursor(1_795_000_000_000, (LogPlace(5, 7, 3), LogPlace(9, 0, 0)))


def test_a_cursor_comes_back_as_it_was() -> None:
    assert decode_list_cursor(encode_cursor(LIST)) == LIST
    assert decode_live_cursor(encode_cursor(LIVE)) == LIVE


def read_or_none(text: str) -> ListCursor | None:
    try:
        return decode_list_cursor(text)
    except QuestionError:
        return None


def base64_equal(one: str, other: str) -> bool:
    """Do two texts of letters, digits, - and _ stand for the same bytes?"""
    return set(one) <= set(ALPHABET) and decode_base64(one) == decode_base64(other)


def decode_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("place", range(len(encode_cursor(LIST))))
def test_a_cursor_with_any_character_changed_is_refused(place: int) -> None:
    text = encode_cursor(LIST)
    for character in ALPHABET + "=+/ ":
        if character == text[place]:
            continue
        changed = text[:place] + character + text[place + 1 :]
        # The last character of a base64 text may hold bits that mean nothing.
        assert read_or_none(changed) == (LIST if base64_equal(changed, text) else None)


@pytest.mark.parametrize(
    "text",
    ["", "x", "null", "AAAA", "é", "\x00", "A" * 10_000, encode_cursor(LIST)[:-4], encode_cursor(LIST) + "AAAA"],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(QuestionError, match="leave it out to begin anew"):
        decode_list_cursor(text)


def test_a_cursor_of_the_list_is_no_cursor_of_the_feed() -> None:
    with pytest.raises(QuestionError):
        decode_live_cursor(encode_cursor(LIST))
    with pytest.raises(QuestionError):
        decode_list_cursor(encode_cursor(LIVE))


@pytest.mark.parametrize(
    ("stored_at", "place", "covered"),
    [
        (LIVE.stored_at - 1, LogPlace(99, 99, 99), True),
        (LIVE.stored_at + 1, LogPlace(1, 0, 0), False),
        (LIVE.stored_at, LogPlace(5, 7, 3), True),
        (LIVE.stored_at, LogPlace(5, 7, 4), False),
        (LIVE.stored_at, LogPlace(5, 8, 0), False),
        (LIVE.stored_at, LogPlace(7, 0, 0), False),
        (LIVE.stored_at, LogPlace(9, 0, 0), True),
    ],
    ids=["earlier", "later", "the mark", "behind the mark", "next record", "segment without a mark", "other mark"],
)
def test_a_live_cursor_covers_what_was_seen_and_nothing_else(stored_at: int, place: LogPlace, covered: bool) -> None:
    assert LIVE.covers(stored_at, place) is covered


def test_a_live_cursor_that_advances_keeps_the_marks_of_its_millisecond_only() -> None:
    same = LIVE.advance(LIVE.stored_at, LogPlace(5, 8, 0))
    assert set(same.marks) == {LogPlace(5, 8, 0), LogPlace(9, 0, 0)}
    assert LIVE.advance(LIVE.stored_at + 1, LogPlace(5, 9, 0)) == LiveCursor(LIVE.stored_at + 1, (LogPlace(5, 9, 0),))
