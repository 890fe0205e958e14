"""The ledger in the relational state: reading what a set of identifiers is linked to, writing what changed.

Every function takes a connection, so that the caller decides what belongs into one transaction.
Reading follows links until nothing new turns up; a hub (see `graph`) is not followed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct, field
from sqlalchemy import Connection, Row, or_, select, true

from trackway.control.database import add_up
from trackway.profiles.graph import HUB, NO_HUB, PUBLIC_HUB, Edge, EdgeState, Resolution, Standing, Verdict, Why
from trackway.profiles.identifiers import Identifier
from trackway.profiles.tables import EDGES, IDENTITIES, TRAITS
from trackway.profiles.traits import Register, decode_register, encode_register

T = TypeVar("T")
Workspaces = Callable[[bytes], str]

# Most values of one IN (…): well below what SQLite (32,766) and PostgreSQL (65,535) take.
CHUNK = 5000


class Known(Struct, frozen=True):
    """An identifier as the ledger holds it. `version` is 0 as long as its profile never changed."""

    workspace: str
    identifier: Identifier
    profile: bytes
    hub: bool = False
    version: int = 0


class Neighbourhood(Struct):
    """Identifiers and edges that hang together; `kept` is each edge as the ledger has it, with its standing."""

    nodes: dict[bytes, Known] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)
    kept: dict[str, tuple[Edge, Standing]] = field(default_factory=dict)


def in_chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield listed[start : start + CHUNK]


def read_known(connection: Connection, nodes: Collection[bytes]) -> dict[bytes, Known]:
    """What the ledger has of these nodes; one that is missing was never linked."""
    found: dict[bytes, Known] = {}
    for chunk in in_chunks(nodes):
        for row in connection.execute(select(IDENTITIES).where(IDENTITIES.c.node.in_(chunk))):
            found[bytes(row.node)] = _read_identity(row)
    return found


def read_profile(connection: Connection, profile: bytes) -> dict[bytes, Known]:
    """All identifiers of a profile, by its current id."""
    rows = connection.execute(select(IDENTITIES).where(IDENTITIES.c.profile == profile))
    return {bytes(row.node): _read_identity(row) for row in rows}


def _read_identity(row: Row[Any]) -> Known:
    identifier = Identifier(row.kind, row.value)
    return Known(row.workspace, identifier, bytes(row.profile), row.hub, row.version)


def read_edges(connection: Connection, ids: Collection[str]) -> dict[str, Edge]:
    found: dict[str, Edge] = {}
    for chunk in in_chunks(ids):
        for row in connection.execute(select(EDGES).where(EDGES.c.id.in_(chunk))):
            found[row.id] = read_edge(row)
    return found


def read_edge(row: Row[Any]) -> Edge:
    return Edge(
        id=row.id,
        a=bytes(row.a),
        b=bytes(row.b),
        rule=row.rule,
        trusted=row.trusted,
        occurred_at=row.occurred_at,
        event_id=row.event_id,
        source=row.source,
        verdict=Verdict(row.verdict),
    )


def read_neighbourhood(connection: Connection, starts: Collection[bytes]) -> Neighbourhood:
    """Everything that hangs together with `starts` through any edge, undone and quarantined ones too."""
    found = Neighbourhood()
    waiting, seen = set(starts), set(starts)
    while waiting:
        found.nodes |= read_known(connection, waiting)
        hubs = {node: found.nodes[node].hub for node in waiting if node in found.nodes and found.nodes[node].hub}
        read = {edge.id: (edge, standing) for edge, standing in _read_edges_of(connection, waiting, hubs)}
        found.kept |= read
        found.edges |= {edge_id: edge for edge_id, (edge, _) in read.items()}
        waiting = {end for edge, _ in read.values() for end in (edge.a, edge.b)} - seen
        seen |= waiting
    return found


def _read_edges_of(
    connection: Connection, nodes: Collection[bytes], hubs: Mapping[bytes, int]
) -> Iterator[tuple[Edge, Standing]]:
    """All links of `nodes`; of a hub those that a person decided on, of one to public keys the trusted ones too."""
    decided = or_(EDGES.c.verdict != Verdict.NONE.value, EDGES.c.rule == "operator")
    wanted = {
        NO_HUB: true(),
        PUBLIC_HUB: or_(EDGES.c.trusted, decided),
        HUB: decided,
    }
    for level, condition in wanted.items():
        for chunk in in_chunks(node for node in nodes if hubs.get(node, NO_HUB) == level):
            for column in (EDGES.c.a, EDGES.c.b):
                for row in connection.execute(select(EDGES).where(column.in_(chunk), condition)):
                    yield read_edge(row), _make_standing(row.state, row.why)


def read_edges_at(connection: Connection, nodes: Collection[bytes], most: int) -> list[Edge]:
    """The first links of these nodes by evidence, hubs' too: for showing them."""
    found: dict[str, Edge] = {}
    for chunk in in_chunks(nodes):
        for column in (EDGES.c.a, EDGES.c.b):
            query = select(EDGES).where(column.in_(chunk)).order_by(EDGES.c.occurred_at, EDGES.c.id).limit(most)
            found |= {row.id: read_edge(row) for row in connection.execute(query)}
    return sorted(found.values(), key=lambda edge: (edge.occurred_at, edge.event_id, edge.id))


def count_edges_at(connection: Connection, nodes: Collection[bytes]) -> int:
    ids: set[str] = set()
    for chunk in in_chunks(nodes):
        for column in (EDGES.c.a, EDGES.c.b):
            ids.update(connection.execute(select(EDGES.c.id).where(column.in_(chunk))).scalars())
    return len(ids)


@cache
def _make_standing(state: str, why: str) -> Standing:
    return Standing(EdgeState(state), Why(why))


def read_standings(connection: Connection, ids: Collection[str]) -> dict[str, Standing]:
    """What each edge does, as the last resolution left it."""
    found: dict[str, Standing] = {}
    for chunk in in_chunks(ids):
        for row in connection.execute(select(EDGES.c.id, EDGES.c.state, EDGES.c.why).where(EDGES.c.id.in_(chunk))):
            found[row.id] = _make_standing(row.state, row.why)
    return found


def read_traits(connection: Connection, nodes: Collection[bytes]) -> dict[tuple[bytes, str], Register]:
    """Registers by node and name."""
    found: dict[tuple[bytes, str], Register] = {}
    for chunk in in_chunks(nodes):
        for row in connection.execute(select(TRAITS).where(TRAITS.c.node.in_(chunk))):
            found[bytes(row.node), row.name] = decode_register(row.register)
    return found


def write_identities(connection: Connection, nodes: Mapping[bytes, Known]) -> None:
    rows = [
        {
            "node": node,
            "workspace": known.workspace,
            "kind": known.identifier.kind,
            "value": known.identifier.value,
            "profile": known.profile,
            "hub": known.hub,
            "version": known.version,
        }
        for node, known in nodes.items()
    ]
    add_up(connection, IDENTITIES, rows, counted=(), latest=("kind", "value", "profile", "hub", "version"))


def write_edges(connection: Connection, edges: Iterable[Edge], resolution: Resolution, workspaces: Workspaces) -> None:
    """Edges as they stand after `resolution`; `workspaces` says whose a node is."""
    written = [
        {name: getattr(edge, name) for name in Edge.__struct_fields__}
        | {
            "workspace": workspaces(edge.a),
            "verdict": edge.verdict.value,
            "state": resolution.standings[edge.id].state.value,
            "why": resolution.standings[edge.id].why.value,
        }
        for edge in edges
    ]
    changing = ("occurred_at", "event_id", "source", "verdict", "state", "why")
    add_up(connection, EDGES, written, counted=(), latest=changing)


def write_traits(
    connection: Connection, registers: Mapping[tuple[bytes, str], Register], workspaces: Workspaces
) -> None:
    rows = [
        {"node": node, "name": name, "workspace": workspaces(node), "register": encode_register(register)}
        for (node, name), register in registers.items()
    ]
    add_up(connection, TRAITS, rows, counted=(), latest=("register",))
