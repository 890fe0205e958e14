"""Which identifiers are one person: profiles out of the ledger's edges. Pure.

`resolve` is a function of the set of edges alone. The order in which they came, and how often,
cannot matter: that is what makes late, early and repeated events give the same profiles, and an
edge that is undone leave everything as if it had never been.

The guards, in the order in which they are asked (docs/reference/identity.md):

* an identifier with more than `hub` links is nobody's: a broken client sends it for everyone;
* edges that a person decided on count as decided;
* trusted edges between names of persons join them;
* a device, or a word of a public key, never joins two people who are known by ids of their own
  (`exclusive` kinds): where it would, it is quarantined and stands alone until a person decides;
* a profile has at most `cap` identifiers of a kind; links of a public key, then the latest are quarantined.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Generic, TypeVar

from msgspec import Struct

from trackway.profiles.identifiers import KINDS, Identifier

T = TypeVar("T", bound=Hashable)

DEFAULT_CAP = 100
DEFAULT_HUB = 1000


class Verdict(StrEnum):
    """What a person decided of an edge."""

    NONE = ""
    UNDONE = "undone"
    APPROVED = "approved"


class EdgeState(StrEnum):
    """`ACTIVE` edges make profiles; the others are kept and shown, and join nothing."""

    ACTIVE = "active"
    UNDONE = "undone"
    QUARANTINED = "quarantined"


class Why(StrEnum):
    """Why an edge is quarantined."""

    NONE = ""
    HUB = "hub"
    SHARED = "shared"
    TWO_PEOPLE = "two_people"
    TOO_MANY = "too_many"


WHY: dict[Why, str] = {
    Why.HUB: "This identifier is linked to so many others that it names nobody; a broken client may send it for everyone",
    Why.SHARED: "It is shared by people with different ids: a family's tablet, a shop's till",
    Why.TWO_PEOPLE: "A public key may not merge two people who are both known by an id",
    Why.TOO_MANY: "The profile has as many identifiers of this kind as the setting identity_cap allows",
}


class Edge(Struct, frozen=True, kw_only=True):
    """A link of two identifiers, by node ids `a` < `b`, with its earliest evidence."""

    id: str
    a: bytes
    b: bytes
    rule: str
    trusted: bool
    occurred_at: int
    event_id: str
    source: str
    verdict: Verdict = Verdict.NONE

    def precedes(self, other: "Edge") -> bool:
        """Is this the earlier evidence of the same link?"""
        return (self.occurred_at, self.event_id) < (other.occurred_at, other.event_id)


class Standing(Struct, frozen=True):
    """What an edge does and, when it is quarantined, why it does nothing."""

    state: EdgeState
    why: Why = Why.NONE


class Resolution(Struct, frozen=True):
    """The profile of every node, and the standing of every edge."""

    profiles: dict[bytes, bytes]
    standings: dict[str, Standing]


def make_edge_id(a: bytes, b: bytes, rule: str, trusted: bool) -> str:
    """20 hex digits. Trusted and untrusted evidence of one link are two edges."""
    low, high = sorted((a, b))
    return blake2b(low + high + rule.encode() + bytes([trusted]), digest_size=10).hexdigest()


class Sets(Generic[T]):
    """Disjoint sets (union-find with path halving); the smallest member names its set."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}

    def find(self, item: T) -> T:
        parent = self._parent
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, a: T, b: T) -> None:
        first, second = self.find(a), self.find(b)
        if first != second:
            low, high = (first, second) if first < second else (second, first)  # type: ignore[operator]
            self._parent[high] = low

    def groups(self, items: Iterable[T]) -> dict[T, list[T]]:
        grouped: dict[T, list[T]] = defaultdict(list)
        for item in items:
            grouped[self.find(item)].append(item)
        return grouped


def resolve(
    nodes: Mapping[bytes, Identifier],
    edges: Iterable[Edge],
    hubs: frozenset[bytes] = frozenset(),
    cap: int = DEFAULT_CAP,
) -> Resolution:
    """Profiles of `nodes`. Every edge's ends must be among them.

    A profile's id is the node of its strongest identifier, the smallest where there are several: so
    that a person keeps their id while devices come and go.
    """
    standings: dict[str, Standing] = {}
    usable: list[Edge] = []
    for edge in edges:
        if edge.verdict is Verdict.UNDONE:
            standings[edge.id] = Standing(EdgeState.UNDONE)
        elif edge.verdict is not Verdict.APPROVED and (edge.a in hubs or edge.b in hubs):
            standings[edge.id] = Standing(EdgeState.QUARANTINED, Why.HUB)
        else:
            usable.append(edge)
    rough: Sets[bytes] = Sets()
    for edge in usable:
        rough.join(edge.a, edge.b)
    by_component: dict[bytes, list[Edge]] = defaultdict(list)
    for edge in usable:
        by_component[rough.find(edge.a)].append(edge)
    final: Sets[bytes] = Sets()
    for name, members in rough.groups(nodes).items():
        for edge, why in _judge(nodes, members, by_component.get(name, ()), cap):
            standings[edge.id] = Standing(EdgeState.QUARANTINED if why else EdgeState.ACTIVE, why)
            if not why:
                final.join(edge.a, edge.b)
    profiles: dict[bytes, bytes] = {}
    for members in final.groups(nodes).values():
        name = min(members, key=lambda node: (KINDS[nodes[node].kind].rank, node))
        profiles |= dict.fromkeys(members, name)
    return Resolution(profiles, standings)


def _judge(
    nodes: Mapping[bytes, Identifier], members: Sequence[bytes], edges: Sequence[Edge], cap: int
) -> Iterable[tuple[Edge, Why]]:
    """Each edge of one connected component, with the reason why it may not join anything."""
    kinds = Counter(nodes[node].kind for node in members)
    identified = sum(number for kind, number in kinds.items() if KINDS[kind].exclusive)
    whys = {edge.id: Why.NONE for edge in edges}
    if identified > 1:
        whys |= _find_shared(nodes, members, edges)
    if max(kinds.values()) > cap:
        whys |= _find_surplus(nodes, [edge for edge in edges if not whys[edge.id]], cap)
    return [(edge, whys[edge.id]) for edge in edges]


def _is_solid(nodes: Mapping[bytes, Identifier], edge: Edge) -> bool:
    """Joins whatever it links: a person's decision, or a trusted word about two names of a person."""
    if edge.verdict is Verdict.APPROVED or edge.rule == "operator":
        return True
    return edge.trusted and KINDS[nodes[edge.a].kind].person and KINDS[nodes[edge.b].kind].person


def _find_shared(nodes: Mapping[bytes, Identifier], members: Sequence[bytes], edges: Sequence[Edge]) -> dict[str, Why]:
    """The edges through which people with ids of their own would meet without a trusted word."""
    cores: Sets[bytes] = Sets()
    for edge in edges:
        if _is_solid(nodes, edge):
            cores.join(edge.a, edge.b)
    ids_of: dict[bytes, set[str]] = defaultdict(set)
    for node in members:
        if KINDS[nodes[node].kind].exclusive:
            ids_of[cores.find(node)].add(nodes[node].kind)
    whys: dict[str, Why] = {}
    # Groups of what stands between the known people: devices, addresses, interactions.
    between: Sets[bytes] = Sets()
    links: list[tuple[Edge, bytes, bytes]] = []
    untrusted: list[bytes] = []
    for edge in edges:
        a, b = cores.find(edge.a), cores.find(edge.b)
        if a == b:
            continue
        if a in ids_of and b in ids_of:
            whys[edge.id] = Why.TWO_PEOPLE
        elif a in ids_of:
            links.append((edge, b, a))
        elif b in ids_of:
            links.append((edge, a, b))
        else:
            between.join(a, b)
            untrusted += [] if edge.trusted else [a]
    people: dict[bytes, set[bytes]] = defaultdict(set)
    trusted: dict[bytes, bool] = defaultdict(lambda: True)
    trusted |= {between.find(node): False for node in untrusted}
    for edge, other, person in links:
        group = between.find(other)
        people[group].add(person)
        trusted[group] = trusted[group] and edge.trusted
    bad = _find_bad_groups(people, trusted, ids_of)
    for edge, other, _ in links:
        if why := bad.get(between.find(other), Why.NONE):
            whys[edge.id] = why
    return whys


def _find_bad_groups(
    people: Mapping[bytes, set[bytes]], trusted: Mapping[bytes, bool], ids_of: Mapping[bytes, set[str]]
) -> dict[bytes, Why]:
    """Groups that may not join the people they touch.

    What joins two people must be trusted throughout, and nobody may end with two ids of one
    exclusive kind. Where several groups together would bring that about, none of them joins.
    """
    bad: dict[bytes, Why] = {}
    bridges: Sets[bytes] = Sets()
    for group, touched in people.items():
        if len(touched) < 2:
            continue
        if not trusted[group]:
            bad[group] = Why.SHARED if _clash(touched, ids_of) else Why.TWO_PEOPLE
            continue
        first, *rest = sorted(touched)
        for person in rest:
            bridges.join(first, person)
    joined = bridges.groups(ids_of)
    for group, touched in people.items():
        if len(touched) > 1 and group not in bad and _clash(joined[bridges.find(min(touched))], ids_of):
            bad[group] = Why.SHARED
    return bad


def _clash(people: Iterable[bytes], ids_of: Mapping[bytes, set[str]]) -> bool:
    counted = Counter(kind for person in people for kind in ids_of[person])
    return any(number > 1 for number in counted.values())


def _find_surplus(nodes: Mapping[bytes, Identifier], edges: Sequence[Edge], cap: int) -> dict[str, Why]:
    """The edges that would give a profile more than `cap` identifiers of a kind.

    Words of a public key are first to go, then the latest: anyone can say many, and say them of long ago.
    """
    order: Callable[[Edge], tuple[bool, bool, int, str, str]] = lambda edge: (  # noqa: E731
        not (edge.verdict is Verdict.APPROVED or edge.rule == "operator"),
        not edge.trusted,
        edge.occurred_at,
        edge.event_id,
        edge.id,
    )
    sets: Sets[bytes] = Sets()
    counts: dict[bytes, Counter[str]] = {}
    whys: dict[str, Why] = {}
    for edge in sorted(edges, key=order):
        a, b = sets.find(edge.a), sets.find(edge.b)
        if a == b:
            continue
        held_a = counts.get(a) or Counter([nodes[a].kind])
        held_b = counts.get(b) or Counter([nodes[b].kind])
        together = held_a + held_b
        if max(together.values()) > cap:
            whys[edge.id] = Why.TOO_MANY
            continue
        sets.join(a, b)
        counts[sets.find(a)] = together
    return whys
