"""What is kept of refusals: no more than a day's room, nothing the workspace does not keep, and what older versions wrote."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from trackway.control.database import State, make_url, migrate_state
from trackway.control.tables import DEAD_LETTERS, KEPT_LETTERS
from trackway.event import Submission
from trackway.eventlog.interface import Position
from trackway.ids import make_event_id, make_submission_id
from trackway.pipeline.letters import set_refusal_aside
from trackway.pipeline.progress import Account, Cap, commit_batch, forget_old_letters
from trackway.pipeline.replays import Replays
from trackway.query.rejections import Wanted, list_rejections
from trackway.records import Refusal, decode_record

DAY_MS = 86_400_000
NOON = 20_000 * DAY_MS + DAY_MS // 2


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(make_url(tmp_path, ""))
    migrate_state(made)
    yield made
    made.close()


def make_submission(**fields: Any) -> Submission:
    given: dict[str, Any] = {
        "submission_id": make_submission_id(NOON),
        "received_at": NOON,
        "workspace": "main",
        "source": "shop",
        "protocol": "native",
        "trusted": False,
        "method": "POST",
        "path": "/v1/events",
        "query": "",
        "headers": {},
        "address": "203.0.113.77",
        "body": b"{}",
        "events": 0,
    }
    return Submission(**(given | fields))


def make_refusal(received_at: int = NOON, source: str = "shop", **fields: Any) -> Refusal:
    given: dict[str, Any] = {
        "refusal_id": make_submission_id(received_at),
        "received_at": received_at,
        "workspace": "main",
        "source": source,
        "reason": "missing_field",
        "message": "it is required",
        "field": "events[0].event_type",
        "events": 1,
        "submission": make_submission(received_at=received_at, source=source),
    }
    return Refusal(**(given | fields))


def hide(submission: Submission) -> Submission:
    return msgspec.structs.replace(submission, address="")


def commit(state: State, cap: Cap, *refusals: Refusal, replays: Replays | None = None) -> None:
    account = Account(cap=cap)
    account.set_aside += [set_refusal_aside(refusal, hide) for refusal in refusals]
    also = (lambda connection: replays.mark(connection, set())) if replays else (lambda connection: None)
    commit_batch(state, "0", Position(1, 1, 1), account, NOON, also)


def count(state: State) -> tuple[int, int]:
    """Letters, and how many were not kept."""
    with state.read() as connection:
        letters = connection.execute(select(DEAD_LETTERS)).all()
        return len(letters), sum(connection.execute(select(KEPT_LETTERS.c.not_kept)).scalars())


def test_beyond_a_days_room_of_letters_they_are_only_counted(state: State) -> None:
    cap = Cap(letters=5)
    commit(state, cap, *(make_refusal() for _ in range(4)))
    commit(state, cap, *(make_refusal() for _ in range(4)))
    assert count(state) == (5, 3)
    # Another source and another day have room of their own.
    commit(state, cap, make_refusal(source="other"), make_refusal(NOON + DAY_MS))
    assert count(state) == (7, 3)


def test_beyond_a_days_bytes_they_are_only_counted(state: State) -> None:
    large = make_submission(body=b"x" * 1000)
    commit(state, Cap(bytes=3500), *(make_refusal(submission=large) for _ in range(5)))
    assert count(state) == (3, 2)
    # A small one still finds room.
    commit(state, Cap(bytes=3500), make_refusal())
    assert count(state) == (4, 2)


def test_room_is_forgotten_with_the_letters(state: State) -> None:
    commit(state, Cap(letters=1), make_refusal(), make_refusal())
    forget_old_letters(state, NOON + DAY_MS)
    assert count(state) == (0, 0)


def test_a_letter_holds_no_address_that_the_workspace_does_not_keep() -> None:
    letter = set_refusal_aside(make_refusal(), hide)
    assert b"203.0.113" not in letter.payload
    assert msgspec.msgpack.decode(letter.payload, type=Submission).path == "/v1/events"


def test_a_refusal_that_an_earlier_version_wrote_is_kept_and_says_that_it_cannot_be_replayed() -> None:
    old = msgspec.msgpack.encode(
        ["refusal", b"i" * 16, NOON, "main", "shop", "invalid_json", "the body is not JSON", "", 1, b'{"eve']
    )
    refusal = decode_record(old)
    assert isinstance(refusal, Refusal)
    letter = set_refusal_aside(refusal, hide)
    assert (letter.payload, letter.content, letter.submission) == (b'{"eve', "", "")


@pytest.mark.parametrize(
    ("body", "why_not"),
    [
        (b'{"eve', "an earlier version kept it, and only the beginning of what was sent"),
        (b"", "nothing of what was sent is kept"),
    ],
    ids=["an earlier version's", "requests over a rate"],
)
def test_a_letter_without_what_was_sent_says_why_it_cannot_be_replayed(state: State, body: bytes, why_not: str) -> None:
    commit(state, Cap(), make_refusal(submission=None, body=body))
    [item] = list_rejections(state, "main", Wanted())["items"]
    assert (item["replayable"], item["why_not"]) == (False, why_not)


def test_a_submission_that_an_earlier_version_wrote_is_no_replay() -> None:
    written = msgspec.msgpack.encode(["submission", msgspec.structs.astuple(make_submission())[:13]])
    read = decode_record(written)
    assert isinstance(read, Submission)
    assert (read.refused, read.noted, read.replay) == ((), {}, False)


@pytest.mark.parametrize(
    ("indexes", "replayed", "left"),
    [
        ((), (0, 1, 2), (0, 3, "")),
        ((), (1,), (2, 1, "[0,2]")),
        ((0, 2), (0, 2), (0, 2, "")),
        ((0, 2), (2,), (1, 1, "[0]")),
        ((0, 2), (1,), (2, 0, "[0,2]")),
    ],
    ids=["all of a request", "a part of it", "all that was refused", "a part of that", "something else"],
)
def test_a_letter_says_what_of_it_still_waits(
    state: State, indexes: tuple[int, ...], replayed: tuple[int, ...], left: tuple[int, int, str]
) -> None:
    sent = make_submission()
    commit(state, Cap(), make_refusal(submission=sent, indexes=indexes, events=len(indexes) or 1))
    refused = tuple(sorted({0, 1, 2} - set(replayed)))
    again = msgspec.structs.replace(sent, events=len(replayed), refused=refused, replay=True)
    for _ in range(2):
        commit(state, Cap(), replays=Replays([again], now=NOON + 5))
        with state.read() as connection:
            [letter] = connection.execute(select(DEAD_LETTERS)).all()
        assert (letter.events, letter.replayed_events, letter.indexes) == left
        assert letter.replayed_at == (NOON + 5 if left[1] else 0)


def test_an_event_that_the_store_refused_again_stays_a_letter(state: State) -> None:
    sent = make_submission()
    commit(state, Cap(), make_refusal(submission=sent))
    again = msgspec.structs.replace(sent, events=2, replay=True)
    replays = Replays([again], failed={make_event_id(sent.submission_id, 1)})
    commit(state, Cap(), replays=replays)
    with state.read() as connection:
        [letter] = connection.execute(select(DEAD_LETTERS)).all()
    assert (letter.events, letter.replayed_events, letter.indexes) == (1, 1, "[1]")


def test_a_letter_holds_no_secret_key() -> None:
    secrets = [f"{prefix}{'0a' * 16}" for prefix in ("tw_secret_", "pact_live_", "pact_test_", "clm_", "tracify_")]
    public = f"tw_pub_{'0a' * 16}"
    body = msgspec.json.encode({"write_key": secrets[0], "others": [*secrets[1:], public]})
    sent = make_submission(query=f"api_key={secrets[1]}&k={public}", body=body)
    letter = set_refusal_aside(make_refusal(submission=sent), lambda submission: submission)

    assert not [secret for secret in secrets if secret.encode() in letter.payload]
    kept = msgspec.msgpack.decode(letter.payload, type=Submission)
    assert kept.query == f"api_key=pact_live_{'*' * 32}&k={public}"
    assert list(msgspec.json.decode(kept.body)) == ["write_key", "others"]
    assert public.encode() in kept.body
