"""What an erasure removes from the relational state.

Everything by which a person is known goes in the transaction that writes the tombstone, so that
what arrives afterwards begins from nothing and is not removed with the rest. Kept are withdrawals of
consent, as keyed digests: whoever objected to be tracked must not be tracked again because they are
forgotten.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, or_, select, update

from trackway.control.database import State
from trackway.control.erased import in_chunks
from trackway.control.privacy_requests import About
from trackway.control.privacy_tables import PRIVACY_REQUESTS
from trackway.control.tables import DEAD_LETTERS, SWALLOWING_KEYS
from trackway.event import Event, Submission
from trackway.privacy.matching import Needles, Subject
from trackway.profiles.consent_tables import CONSENT_STATES, CONSENTS
from trackway.profiles.tables import DECISIONS, EDGES, IDENTITIES, MEMBERSHIPS, TRAITS
from trackway.profiles.visits import VISITS

LETTERS_AT_ONCE = 200

Condition = Callable[[Collection[bytes]], ColumnElement[bool]]

# Table -> which of its rows are about these nodes.
PERSONAL: Mapping[Table, Condition] = {
    DECISIONS: lambda nodes: or_(
        DECISIONS.c.a.in_(nodes),
        DECISIONS.c.b.in_(nodes),
        DECISIONS.c.edge.in_(select(EDGES.c.id).where(or_(EDGES.c.a.in_(nodes), EDGES.c.b.in_(nodes)))),
    ),
    EDGES: lambda nodes: or_(EDGES.c.a.in_(nodes), EDGES.c.b.in_(nodes)),
    IDENTITIES: lambda nodes: IDENTITIES.c.node.in_(nodes),
    TRAITS: lambda nodes: TRAITS.c.node.in_(nodes),
    MEMBERSHIPS: lambda nodes: MEMBERSHIPS.c.node.in_(nodes),
    VISITS: lambda nodes: or_(VISITS.c.node.in_(nodes), VISITS.c.profile.in_(nodes)),
    CONSENTS: lambda nodes: CONSENTS.c.node.in_(nodes),
    CONSENT_STATES: lambda nodes: CONSENT_STATES.c.node.in_(nodes) & (CONSENT_STATES.c.state != "withdrawn"),
}


def remove_person(connection: Connection, nodes: Collection[bytes]) -> dict[str, int]:
    """How many rows went, by table."""
    removed: dict[str, int] = {}
    for table, about in PERSONAL.items():
        for chunk in in_chunks(nodes):
            gone = connection.execute(delete(table).where(about(chunk))).rowcount
            removed[table.name] = removed.get(table.name, 0) + gone
    return removed


def count_left(connection: Connection, nodes: Collection[bytes], tables: Iterable[Table]) -> dict[str, int]:
    """Rows of the person that are there, by table: the check after an erasure."""
    return {
        table.name: sum(
            int(connection.execute(select(func.count()).select_from(table).where(PERSONAL[table](chunk))).scalar_one())
            for chunk in in_chunks(nodes)
        )
        for table in tables
    }


def hide_earlier_requests(connection: Connection, nodes: Collection[bytes], but: str) -> None:
    """Other requests about the person, such as an export before, name them no more."""
    t = PRIVACY_REQUESTS.c
    for chunk in in_chunks(nodes):
        for row in connection.execute(select(t.id, t.about).where(t.profile.in_(chunk), t.id != but)).all():
            hidden = msgspec.json.decode(row.about, type=About).hide()
            values = {"about": msgspec.json.encode(hidden).decode(), "reason": ""}
            connection.execute(update(PRIVACY_REQUESTS).where(t.id == row.id).values(**values))


def forget_keys(connection: Connection, keys: Collection[tuple[str, str]], needles: Needles) -> int:
    """Reports of badly chosen dedupe keys hold the key itself: those of the person's events, and those that name them."""
    t, gone = SWALLOWING_KEYS.c, 0
    for row in connection.execute(select(t.source, t.dedupe_key)).all():
        if (row.source, row.dedupe_key) in keys or needles.stand_in(row.dedupe_key.encode()):
            gone += connection.execute(
                delete(SWALLOWING_KEYS).where(t.source == row.source, t.dedupe_key == row.dedupe_key)
            ).rowcount
    return gone


class Letters(Struct, frozen=True):
    """Letters about a person: their ids, and the events whose outcome may quote them."""

    ids: list[str]
    event_ids: list[str]


def find_letters(
    state: State, subject: Subject, needles: Needles, unpack: Callable[[Submission], bytes], until_ms: int
) -> Letters:
    """Every letter of the workspace, received up to `until_ms`, that is about the subject. Reads all of them."""
    found = Letters([], [])
    for row in _read_letters(state, subject.workspace, until_ms):
        if _is_about(row, subject, needles, unpack):
            found.ids.append(row.id)
            if row.kind == "dead_letter":
                found.event_ids.append(row.event_id)
    return found


def remove_letters(connection: Connection, ids: Collection[str]) -> int:
    return sum(connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == each)).rowcount for each in ids)


def remove_letters_of(connection: Connection, event_ids: Collection[str]) -> tuple[int, list[str]]:
    """Letters of these events, whatever they hold: how many, and the ids of the dead ones."""
    gone, dead = 0, []
    for event_id in event_ids:
        rows = connection.execute(select(DEAD_LETTERS.c.kind).where(DEAD_LETTERS.c.event_id == event_id)).all()
        if rows:
            gone += connection.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.event_id == event_id)).rowcount
            dead += [event_id for row in rows if row.kind == "dead_letter"]
    return gone, dead


def _read_letters(state: State, workspace: str, until_ms: int) -> Iterator[Row[Any]]:
    t, after = DEAD_LETTERS.c, ""
    while True:
        query = select(DEAD_LETTERS).where(t.workspace == workspace, t.received_at <= until_ms, t.id > after)
        with state.read() as connection:
            rows = connection.execute(query.order_by(t.id).limit(LETTERS_AT_ONCE)).all()
        yield from rows
        if len(rows) < LETTERS_AT_ONCE:
            return
        after = rows[-1].id


def _is_about(row: Row[Any], subject: Subject, needles: Needles, unpack: Callable[[Submission], bytes]) -> bool:
    payload = bytes(row.payload)
    if needles.stand_in(payload) or needles.stand_in(f"{row.field} {row.detail} {row.items}".encode()):
        return True
    if row.kind == "conflict":
        return False
    try:
        return subject.owns(msgspec.json.decode(payload, type=Event))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    try:
        submission = msgspec.msgpack.decode(payload, type=Submission)
    except msgspec.MsgspecError:
        return False
    return needles.stand_in(unpack(submission))
