"""Everything known about a person as one zip, written piece by piece: its size never stands in memory.

Made when it is fetched, so nothing of it is kept. Events are read from the store in pages, by when they
occurred; what holds no list without an end is asked for whole.
"""

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from sqlalchemy import select

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.privacy_requests import Request
from trackway.profiles.consent_tables import CONSENT_STATES, CONSENTS
from trackway.profiles.held import list_held_of
from trackway.profiles.ledger import in_chunks
from trackway.query.activity import Whose, list_timeline
from trackway.query.people import Person, read_person
from trackway.query.profiles import describe_links, find_profile
from trackway.query.sessions import list_sessions
from trackway.store.client import EventStore

PAGE = 1000
PIECE_BYTES = 256 * 1024
# The first date that a zip can say.
EARLIEST = (1980, 1, 1, 0, 0, 0)

README = """Everything that this Trackway knew about a person on {day}.

profile.json    identifiers, traits with where each came from, companies, figures, who they may also be
links.json      why each identifier belongs to the person, and what was kept apart
events.ndjson   every stored event, newest first, one JSON object per line
held.ndjson     events that wait until the person agrees to be tracked, as they would be stored
sessions.json   their visits
consents.json   what was said of consent, and how it stands

Times are UTC. The fields are explained in docs/reference of Trackway: glossary.md, sessions.md, consent.md.
Not in here: submissions that wait in the log for {hours} hours for a replay, which hold the same events as they were
sent, and dead letters, which no event came of.
"""


def write_export(
    store: EventStore, state: State, request: Request, now_ms: int, log_keep_hours: int
) -> Iterator[bytes] | None:
    """The zip in pieces; None when the person was erased since it was asked for."""
    with state.read() as connection:
        person = read_person(connection, request.profile)
    profile = find_profile(store, state, request.workspace, person.id)
    if profile is None and not request.about.value:
        return None
    return _write_zip(store, state, request, person, profile or {}, now_ms, log_keep_hours)


def _write_zip(
    store: EventStore,
    state: State,
    request: Request,
    person: Person,
    profile: dict[str, Any],
    now_ms: int,
    log_keep_hours: int,
) -> Iterator[bytes]:
    moment = max(EARLIEST, time.gmtime(now_ms // 1000)[:6])
    readme = README.format(day=format_time(now_ms), hours=log_keep_hours)
    asked = {"request": request.id, "asked_by": request.asked_by, "asked_at": format_time(request.asked_at)}
    files: tuple[tuple[str, Iterable[bytes]], ...] = (
        ("README.txt", (readme.encode(),)),
        ("profile.json", (_word({**profile, "asked": asked}),)),
        ("links.json", (_word(describe_links(state, person)),)),
        ("consents.json", (_word(_read_consents(state, person)),)),
        (
            "sessions.json",
            _list_pages(lambda cursor: list_sessions(store, request.workspace, person.keys, limit=PAGE, cursor=cursor)),
        ),
        ("events.ndjson", _list_events(store, state, request.workspace, person)),
        ("held.ndjson", _list_held(state, person)),
    )
    buffer = _Buffer()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, pieces in files:
            entry = zipfile.ZipInfo(name, (moment[0], moment[1], moment[2], moment[3], moment[4], moment[5]))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w", force_zip64=True) as out:
                for piece in pieces:
                    out.write(piece)
                    if buffer.waiting >= PIECE_BYTES:
                        yield buffer.take()
            yield buffer.take()
    yield buffer.take()


class _Buffer(io.RawIOBase):
    """Where the zip is written to, and taken from before it grows. It cannot go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0
        self.waiting = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, piece: Any) -> int:
        data = bytes(piece)
        self._pieces.append(data)
        self._at += len(data)
        self.waiting += len(data)
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.waiting = 0
        return taken


def _word(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _list_pages(ask: Any) -> Iterator[bytes]:
    """A JSON list of all items of a question with cursors."""
    yield b"[\n"
    cursor, first = "", True
    while True:
        page = ask(cursor)
        for item in page["items"]:
            yield (b"" if first else b",\n") + msgspec.json.encode(item)
            first = False
        if not page["next"]:
            break
        cursor = page["next"]
    yield b"\n]\n"


def _list_events(store: EventStore, state: State, workspace: str, person: Person) -> Iterator[bytes]:
    cursor = ""
    while True:
        page = list_timeline(store, state, workspace, Whose(person.keys), limit=PAGE, cursor=cursor)
        for event in page["items"]:
            yield msgspec.json.encode(event) + b"\n"
        if not page["next"]:
            return
        cursor = page["next"]


def _list_held(state: State, person: Person) -> Iterator[bytes]:
    with state.read() as connection:
        held = list_held_of(connection, {person.profile, *person.known})
    return (msgspec.json.encode(event) + b"\n" for event in held)


def _read_consents(state: State, person: Person) -> dict[str, Any]:
    """{"said": [row…], "stands": [row…]}, the newest first."""
    nodes = {person.profile, *person.known}
    said: list[dict[str, Any]] = []
    stands: list[dict[str, Any]] = []
    with state.read() as connection:
        for chunk in in_chunks(nodes):
            for table, found in ((CONSENTS, said), (CONSENT_STATES, stands)):
                for row in connection.execute(select(table).where(table.c.node.in_(chunk))).mappings():
                    shown = {name: value for name, value in row.items() if name not in ("node", "workspace")}
                    for name in ("occurred_at", "expires_at"):
                        shown[name] = format_time(shown[name]) if shown[name] else ""
                    if "proof" in shown:
                        shown["proof"] = msgspec.Raw(shown["proof"].encode())
                    found.append(shown)
    for rows in (said, stands):
        rows.sort(key=lambda row: (row["occurred_at"], row["channel"], row["purpose"]), reverse=True)
    return {"said": said, "stands": stands}
