"""The consent ledger: what was said of consent, and how a person stands by it.

Every function takes a connection, so that the caller decides what belongs into one transaction.
A person stands as the latest statement over all their identifiers says, and on a tie as the one
that forbids; so the order of arrival has no say.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from trackway.control.database import add_up
from trackway.profiles.consent_tables import CONSENT_STATES, CONSENTS
from trackway.profiles.consent_words import TRACKING_TOPICS, Stand, Statement, Topic, state_at
from trackway.profiles.ledger import in_chunks
from trackway.profiles.policies import State
from trackway.profiles.tables import IDENTITIES

MOST_HISTORY = 500


class Register(Struct, frozen=True):
    """The latest that was said of one topic by one identifier. `expires_at` 0 is never."""

    state: State
    occurred_at: int
    expires_at: int = 0

    @property
    def weight(self) -> tuple[int, bool, str, int]:
        """Two registers are joined by keeping the heavier: a withdrawal wins a tie, the rest is a rule for every case."""
        return self.occurred_at, self.state == "withdrawn", self.state, self.expires_at


Registers = dict[Topic, Register]


class Heard(Struct, frozen=True, kw_only=True):
    """What one event says of consent. `nodes` are its identifiers, the strongest first; `proof` as the table keeps it."""

    event_id: str
    workspace: str
    source: str
    nodes: tuple[bytes, ...]
    jurisdiction: str
    occurred_at: int
    received_at: int
    statements: tuple[Statement, ...]
    proof: Mapping[str, str]
    # A statement for its own sake, not a repetition beside something else: kept even when it changes nothing.
    explicit: bool


def list_touched(heard: Heard) -> Iterator[tuple[bytes, Statement]]:
    """A withdrawal is held against every identifier of its event, anything else for the strongest only.

    So two people who log in on one device do not undo each other's withdrawals, and a device whose
    person withdrew stays so when its link to the person is not known yet.
    """
    for said in heard.statements:
        for node in heard.nodes if said.state == "withdrawn" else heard.nodes[:1]:
            yield node, said


def take_in(registers: Registers, said: Statement, occurred_at: int) -> Registers:
    """The registers moved on by a statement, whichever came first."""
    new, known = Register(said.state, occurred_at, said.expires_at), registers.get(said.topic)
    return {**registers, said.topic: new if known is None else max(known, new, key=lambda r: r.weight)}


def read_registers(connection: Connection, nodes: Collection[bytes]) -> dict[bytes, Registers]:
    """By identifier; one of which nothing was said is missing."""
    found: dict[bytes, Registers] = {}
    for chunk in in_chunks(nodes):
        for row in connection.execute(select(CONSENT_STATES).where(CONSENT_STATES.c.node.in_(chunk))):
            registers = found.setdefault(bytes(row.node), {})
            registers[Topic(row.channel, row.purpose)] = Register(row.state, row.occurred_at, row.expires_at or 0)
    return found


def holds_any(connection: Connection) -> bool:
    """Did anybody ever say anything of consent?"""
    return connection.execute(select(CONSENT_STATES.c.node).limit(1)).first() is not None


def find_members(connection: Connection, nodes: Collection[bytes]) -> dict[bytes, frozenset[bytes]]:
    """Every identifier of the person behind each of `nodes`, itself among them."""
    profiles: dict[bytes, bytes] = {}
    for chunk in in_chunks(nodes):
        rows = connection.execute(select(IDENTITIES.c.node, IDENTITIES.c.profile).where(IDENTITIES.c.node.in_(chunk)))
        profiles |= {bytes(row.node): bytes(row.profile) for row in rows}
    members: dict[bytes, set[bytes]] = {}
    for chunk in in_chunks(set(profiles.values())):
        rows = connection.execute(
            select(IDENTITIES.c.node, IDENTITIES.c.profile).where(IDENTITIES.c.profile.in_(chunk))
        )
        for row in rows:
            members.setdefault(bytes(row.profile), set()).add(bytes(row.node))
    return {node: frozenset((node, *members.get(profiles.get(node, node), ()))) for node in nodes}


def join_registers(all_of: Iterable[Registers]) -> Registers:
    joined: Registers = {}
    for registers in all_of:
        for topic, register in registers.items():
            known = joined.get(topic)
            joined[topic] = register if known is None else max(known, register, key=lambda r: r.weight)
    return joined


def stand_at(registers: Registers, now: int) -> dict[Topic, Stand]:
    """How every topic stands at `now`: a grant whose time is over is expired."""
    return {
        topic: Stand(state_at(register.state, register.expires_at, now), register.occurred_at)
        for topic, register in registers.items()
    }


def read_stands(connection: Connection, nodes: Collection[bytes], now: int) -> dict[Topic, Stand]:
    """How the person behind these identifiers stands."""
    members = set().union(*find_members(connection, nodes).values())
    return stand_at(join_registers(read_registers(connection, members).values()), now)


def read_history(connection: Connection, nodes: Collection[bytes]) -> list[dict[str, Any]]:
    """Everything the person behind these identifiers said, newest first, at most MOST_HISTORY rows."""
    members = set().union(*find_members(connection, nodes).values())
    rows: list[Any] = []
    for chunk in in_chunks(members):
        query = select(CONSENTS).where(CONSENTS.c.node.in_(chunk)).order_by(CONSENTS.c.occurred_at.desc())
        rows += connection.execute(query.limit(MOST_HISTORY)).all()
    rows.sort(key=lambda row: (row.occurred_at, row.event_id), reverse=True)
    shown = ("event_id", "channel", "purpose", "state", "jurisdiction", "occurred_at", "expires_at", "source")
    return [
        {name: getattr(row, name) for name in shown} | {"proof": msgspec.Raw(row.proof.encode())}
        for row in rows[:MOST_HISTORY]
    ]


def write_heard(connection: Connection, heard: Sequence[Heard]) -> list[Heard]:
    """Move the registers on and append what changed them. The same again changes nothing.

    Returns what ended a person's consent to be tracked.
    """
    if not heard:
        return []
    owners = {node: each.workspace for each in heard for node in each.nodes}
    before = read_registers(connection, owners)
    after = dict(before)
    rows: dict[tuple[str, Topic], dict[str, Any]] = {}
    withdrawn: dict[str, Heard] = {}
    for each in heard:
        for said in each.statements:
            known = after.get(each.nodes[0], {}).get(said.topic)
            if each.explicit or known is None or (known.state, known.expires_at) != (said.state, said.expires_at):
                rows[each.event_id, said.topic] = _make_row(each, said)
            ends = said.state == "withdrawn" and said.topic in TRACKING_TOPICS
            if ends and (known is None or known.state != "withdrawn"):
                withdrawn[each.event_id] = each
        for node, said in list_touched(each):
            after[node] = take_in(after.get(node, {}), said, each.occurred_at)
    written = [
        {
            "node": node,
            "channel": topic.channel,
            "purpose": topic.purpose,
            "workspace": owners[node],
            "state": register.state,
            "occurred_at": register.occurred_at,
            "expires_at": register.expires_at or None,
        }
        for node, registers in after.items()
        for topic, register in registers.items()
        if before.get(node, {}).get(topic) != register
    ]
    add_up(connection, CONSENT_STATES, written, counted=(), latest=("state", "occurred_at", "expires_at"))
    # Setting what is there to itself: a row of the ledger is never changed.
    add_up(connection, CONSENTS, list(rows.values()), counted=(), latest=("event_id",))
    return list(withdrawn.values())


def _make_row(heard: Heard, said: Statement) -> dict[str, Any]:
    proof = {**heard.proof, **({"text_version": said.text_version} if said.text_version else {})}
    return {
        "event_id": heard.event_id,
        "channel": said.topic.channel,
        "purpose": said.topic.purpose,
        "workspace": heard.workspace,
        "node": heard.nodes[0],
        "state": said.state,
        "jurisdiction": heard.jurisdiction,
        "occurred_at": heard.occurred_at,
        "expires_at": said.expires_at or None,
        "source": heard.source,
        "proof": msgspec.json.encode(proof).decode(),
    }
