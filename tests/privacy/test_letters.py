"""An erasure finds its person in what is kept of refused requests, wherever they stand in it."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.collect.body import unpack_body
from trackway.collect.limits import read_limits
from trackway.control.database import State, make_url, migrate_state
from trackway.event import Submission
from trackway.ids import make_submission_id
from trackway.pipeline.letters import set_refusal_aside
from trackway.pipeline.progress import keep_letters
from trackway.privacy.matching import Needles, Subject
from trackway.privacy.removal import find_letters
from trackway.profiles.identifiers import Identifier, ProfileKeys
from trackway.records import Refusal
from trackway.settings import Settings

NOW = 1_780_000_000_000
MAIL = "jane@example.com"
LIMITS = read_limits(Settings())


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = State(make_url(tmp_path, ""))
    migrate_state(made)
    yield made
    made.close()


def make_refusal(items: tuple[tuple[int, str, str], ...] = (), **fields: Any) -> Refusal:
    given: dict[str, Any] = {
        "submission_id": make_submission_id(NOW),
        "received_at": NOW,
        "workspace": "main",
        "source": "shop",
        "protocol": "native",
        "trusted": False,
        "method": "POST",
        "path": "/v1/events",
        "query": "",
        "headers": {},
        "address": "",
        "body": b'{"events": [',
        "events": 0,
    }
    return Refusal(
        refusal_id=make_submission_id(NOW),
        received_at=NOW,
        workspace="main",
        source="shop",
        reason="invalid_json",
        message="the body is not JSON",
        field="",
        events=1,
        submission=Submission(**(given | fields)),
        items=items,
    )


def unpack(submission: Submission) -> bytes:
    return unpack_body(submission.body, submission.headers.get("content-encoding", ""), LIMITS)


@pytest.mark.parametrize(
    ("refusal", "found"),
    [
        (make_refusal(), False),
        (make_refusal(body=b'{"email": "john@example.com"'), False),
        (make_refusal(body=b'{"email": "Jane@Example.com"'), True),
        (make_refusal(body=gzip.compress(b'{"email": "jane@example.com"'), headers={"content-encoding": "gzip"}), True),
        (make_refusal(query="mail=jane%40example.com"), True),
        (make_refusal(path="/collect/sign-up/jane%40example.com"), True),
        (make_refusal(headers={"referer": "https://shop.example/?mail=jane@example.com"}), True),
        (make_refusal(items=((3, "events[3].email", f"'{MAIL} ' is no address"),)), True),
    ],
    ids=["nothing", "somebody else", "body", "packed body", "query", "path", "header", "message of an item"],
)
def test_a_letter_about_the_person_is_found(state: State, refusal: Refusal, found: bool) -> None:
    keep_letters(state, [set_refusal_aside(refusal, lambda submission: submission)])
    email = Identifier("email", MAIL)
    keys = ProfileKeys(b"k" * 32)
    subject = Subject("main", frozenset([keys.make(email)]), (email,), keys)
    letters = find_letters(state, subject, Needles([email]), unpack, NOW)
    assert len(letters.ids) == found
