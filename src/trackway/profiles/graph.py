"""Which identifiers are one person: profiles out of the ledger's edges. Pure.

`resolve` is a function of the set of edges alone. The order in which they came, and how often,
cannot matter: that is what makes late, early and repeated events give the same profiles, and an
edge that is undone leave everything as if it had never been.

The guards, in the order in which they are asked (docs/reference/identity.md):

* edges that a person decided on count as decided; an undo is one of both ends, whoever tells it again;
* an identifier with more than `hub` links is nobody's: a broken client sends it for everyone. Links of
  public keys are counted apart and quarantine only each other;
* trusted edges between names of persons join them;
* a device never joins two people who are known by ids of their own (`exclusive` kinds): where it
  would, it is quarantined and stands alone until a person decides;
* what a public key says comes on top: it adds to somebody, joins no two known people, parts nobody;
* a profile has at most `cap` identifiers of a kind; links of a public key, then the latest are quarantined.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Generic, TypeVar

from msgspec import Struct

from trackway.profiles.identifiers import KINDS, Identifier

T = TypeVar("T", bound=Hashable)

DEFAULT_CAP = 100
DEFAULT_HUB = 250
# How much of a hub an identifier is: not one, for what public keys say of it, for everything.
NO_HUB, PUBLIC_HUB, HUB = 0, 1, 2
NO_HUBS: Mapping[bytes, int] = {}


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

    @property
    def decided(self) -> bool:
        """A person made it, or said that it joins."""
        return self.verdict is Verdict.APPROVED or (self.rule == "operator" and self.verdict is Verdict.NONE)

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
    edges: Collection[Edge],
    hubs: Mapping[bytes, int] = NO_HUBS,
    cap: int = DEFAULT_CAP,
) -> Resolution:
    """Profiles of `nodes`. Every edge's ends must be among them; `hubs` are those that have a level.

    A profile's id is the node of its strongest identifier, the smallest where there are several: so
    that a person keeps their id while devices come and go.
    """
    standings: dict[str, Standing] = {}
    usable: list[Edge] = []
    undone = {(edge.a, edge.b) for edge in edges if edge.verdict is Verdict.UNDONE}
    for edge in edges:
        if edge.verdict is Verdict.UNDONE or ((edge.a, edge.b) in undone and not edge.decided):
            standings[edge.id] = Standing(EdgeState.UNDONE)
        elif not edge.decided and max(hubs.get(edge.a, 0), hubs.get(edge.b, 0)) > edge.trusted:
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
    told = [edge for edge in edges if edge.trusted or edge.decided]
    if identified > 1:
        whys |= _find_shared(nodes, members, told)
    if len(told) < len(edges) and (identified > 1 or any(edge.rule != "calc_group" for edge in told)):
        # What anyone may say comes on top of what was told in confidence, and never takes it apart.
        sound = [edge for edge in told if not whys[edge.id]]
        whys |= _find_doubtful(nodes, members, sound, [edge for edge in edges if not (edge.trusted or edge.decided)])
    if max(kinds.values()) > cap:
        whys |= _find_surplus(nodes, [edge for edge in edges if not whys[edge.id]], cap)
    return [(edge, whys[edge.id]) for edge in edges]


def _is_solid(nodes: Mapping[bytes, Identifier], edge: Edge) -> bool:
    """Joins whatever it links: a person's decision, or a trusted word about two names of a person."""
    return edge.decided or (KINDS[nodes[edge.a].kind].person and KINDS[nodes[edge.b].kind].person)


class Between:
    """What stands between known people, in groups that hang together, and which people each group touches."""

    def __init__(self, name: Callable[[bytes], bytes], known: Collection[bytes], edges: Iterable[Edge]) -> None:
        """`name` gives what a node is a part of; `known` are the names of known people."""
        self.direct: list[Edge] = []
        self._links: list[tuple[Edge, bytes]] = []
        self._groups: Sets[bytes] = Sets()
        touching: list[tuple[bytes, bytes]] = []
        for edge in edges:
            a, b = name(edge.a), name(edge.b)
            if a == b:
                continue
            if a in known and b in known:
                self.direct.append(edge)
            elif a in known or b in known:
                other, person = (b, a) if a in known else (a, b)
                self._links.append((edge, other))
                touching.append((other, person))
            else:
                self._groups.join(a, b)
        self.people: dict[bytes, set[bytes]] = defaultdict(set)
        for other, person in touching:
            self.people[self._groups.find(other)].add(person)

    def links(self) -> Iterable[tuple[Edge, bytes]]:
        """Each edge between a group and somebody, with the group."""
        return ((edge, self._groups.find(other)) for edge, other in self._links)


def _find_shared(nodes: Mapping[bytes, Identifier], members: Sequence[bytes], edges: Sequence[Edge]) -> dict[str, Why]:
    """The trusted edges through which people with ids of their own would meet by way of a device."""
    cores: Sets[bytes] = Sets()
    for edge in edges:
        if _is_solid(nodes, edge):
            cores.join(edge.a, edge.b)
    ids_of = _list_ids(nodes, members, cores)
    between = Between(cores.find, ids_of, edges)
    bad = _find_bad_groups(between.people, ids_of)
    whys = {edge.id: Why.TWO_PEOPLE for edge in between.direct}
    return whys | {edge.id: Why.SHARED for edge, group in between.links() if group in bad}


def _find_doubtful(
    nodes: Mapping[bytes, Identifier], members: Sequence[bytes], sound: Sequence[Edge], edges: Sequence[Edge]
) -> dict[str, Why]:
    """The untrusted `edges` that would join two people whom `sound` ones or an id of their own make known.

    One of them may add a device or an address to somebody; two people they never join, nor do they
    part anybody from what is theirs.
    """
    known: Sets[bytes] = Sets()
    for edge in sound:
        known.join(edge.a, edge.b)
    ids_of = _list_ids(nodes, members, known)
    vouched = {known.find(edge.a) for edge in sound if edge.rule != "calc_group"}
    named = {known.find(node) for node in members if KINDS[nodes[node].kind].person}
    for name in vouched & named:
        ids_of.setdefault(name, set())
    between = Between(known.find, ids_of, edges)
    whys = {edge.id: Why.TWO_PEOPLE for edge in between.direct}
    for edge, group in between.links():
        touched = between.people[group]
        if len(touched) > 1:
            whys[edge.id] = Why.SHARED if _clash(touched, ids_of) else Why.TWO_PEOPLE
    return whys


def _list_ids(nodes: Mapping[bytes, Identifier], members: Iterable[bytes], parts: Sets[bytes]) -> dict[bytes, set[str]]:
    """The kinds of exclusive ids that each part holds; parts without any are left out."""
    ids_of: dict[bytes, set[str]] = defaultdict(set)
    for node in members:
        if KINDS[nodes[node].kind].exclusive:
            ids_of[parts.find(node)].add(nodes[node].kind)
    return ids_of


def _find_bad_groups(people: Mapping[bytes, set[bytes]], ids_of: Mapping[bytes, set[str]]) -> set[bytes]:
    """Groups that may not join the people they touch: somebody would end with two ids of one exclusive kind.

    Where several groups together would bring that about, none of them joins.
    """
    bridges: Sets[bytes] = Sets()
    for touched in people.values():
        first, *rest = sorted(touched)
        for person in rest:
            bridges.join(first, person)
    joined = bridges.groups(ids_of)
    return {
        group
        for group, touched in people.items()
        if len(touched) > 1 and _clash(joined[bridges.find(min(touched))], ids_of)
    }


def _clash(people: Iterable[bytes], ids_of: Mapping[bytes, set[str]]) -> bool:
    counted = Counter(kind for person in people for kind in ids_of[person])
    return any(number > 1 for number in counted.values())


def _find_surplus(nodes: Mapping[bytes, Identifier], edges: Sequence[Edge], cap: int) -> dict[str, Why]:
    """The edges that would give a profile more than `cap` identifiers of a kind.

    Words of a public key are first to go, then the latest: anyone can say many, and say them of long ago.
    """
    order: Callable[[Edge], tuple[bool, bool, int, str, str]] = lambda edge: (  # noqa: E731
        not edge.decided,
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
