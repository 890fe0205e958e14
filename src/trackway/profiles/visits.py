"""Visits: which profile a client's session belongs to, for the dialects that answer with it.

The door decides it when a session is new and puts it into the submission's notes; the pipeline, the
only writer, keeps it in the transaction that commits the batch. A session is known by a keyed digest:
its own text stands in the events, where consent and erasure reach it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
)

from trackway.control.database import State, add_up
from trackway.control.tables import METADATA
from trackway.event import Event, Submission
from trackway.profiles.identifiers import Identifier, ProfileKeys, read_profile_id

# A session that was silent for so long is forgotten. What it did is not: only who it was, if it comes back.
FORGOTTEN_AFTER_MS = 90 * 86_400_000

# Words of `Submission.noted`. `visit` says what became of the session and is there only when its row
# changes; `visits` counts the visits of the session so far.
SESSION, PROFILE, VISIT, COUNT, ENDED = "session", "profile", "visit", "visits", "ended"
# A visit is opened with a new session and reopened after it ended; otherwise the row is kept up to date.
OPENED, REOPENED, CHANGED = "opened", "reopened", "changed"

# `profile` is empty where a session never had one.
VISITS = Table(
    "visits",
    METADATA,
    Column("node", LargeBinary(16), primary_key=True),
    Column("workspace", String(60), nullable=False),
    Column("profile", LargeBinary(16), nullable=False),
    Column("visits", Integer, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Index("ix_visits_profile", "profile"),
    Index("ix_visits_seen_at", "seen_at"),
)


class Visit(NamedTuple):
    """A session as it is known: its profile (16 bytes or empty), how many visits it had, whether the last ended."""

    profile: bytes
    visits: int
    ended: bool
    seen_at: int


class NotedVisit(NamedTuple):
    """A session that a submission opened or changed."""

    node: bytes
    workspace: str
    opened: bool
    visit: Visit


def name_session(keys: ProfileKeys, session: str) -> bytes:
    return keys.make(Identifier("session_id", session))


def read_noted(submission: Submission) -> Visit:
    """What a submission that notes VISIT makes of its session."""
    noted = submission.noted
    profile = noted.get(PROFILE, "")
    return Visit(
        read_profile_id(profile) if profile else b"", int(noted[COUNT]), ENDED in noted, submission.received_at
    )


def read_change(submission: Submission, kept: Sequence[Event], keys: ProfileKeys) -> NotedVisit | None:
    """What is to be written of a submission: nothing unless one of its events is kept with the session's name.

    So nobody's session is remembered who does not agree to be tracked.
    """
    noted = submission.noted
    if VISIT not in noted or not any(event.session_id for event in kept):
        return None
    if submission.replay and noted[VISIT] != OPENED:
        # The session went on since.
        return None
    node = name_session(keys, noted[SESSION])
    return NotedVisit(node, submission.workspace, noted[VISIT] == OPENED, read_noted(submission))


def write_visits(connection: Connection, noted: Sequence[NotedVisit]) -> None:
    """Of two collectors that opened a session, the one whose record came first is right."""
    opened = {each.node: each for each in reversed(noted) if each.opened}
    _write(connection, opened.values(), ("seen_at",))
    changed = [each for each in noted if not each.opened]
    # A request without a profile takes none away.
    _write(connection, (each for each in changed if not each.visit.profile), ("visits", "ended", "seen_at"))
    _write(connection, (each for each in changed if each.visit.profile), ("profile", "visits", "ended", "seen_at"))


def _write(connection: Connection, noted: Iterable[NotedVisit], latest: tuple[str, ...]) -> None:
    rows = [{"node": each.node, "workspace": each.workspace, **each.visit._asdict()} for each in noted]
    add_up(connection, VISITS, rows, counted=(), latest=latest)


def forget_old_visits(state: State, now: int) -> int:
    with state.write() as connection:
        return connection.execute(delete(VISITS).where(VISITS.c.seen_at < now - FORGOTTEN_AFTER_MS)).rowcount
