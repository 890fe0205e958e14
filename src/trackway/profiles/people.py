"""What a batch of events says of people: links, traits, accounts, and whose each event is.

Between the stages and the store: the pipeline lays the kept events of a batch before `settle`, puts
the profile ids into its rows, and writes the `Settled` in the transaction that moves its position.
So a crash leaves the ledger as it was before the batch or as it is after it.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from trackway.control.workspaces import Workspace
from trackway.event import Event, Source
from trackway.profiles.accounts import Stay, join_stays, read_account_traits, read_stays, write_accounts
from trackway.profiles.graph import (
    DEFAULT_CAP,
    DEFAULT_HUB,
    HUB,
    NO_HUB,
    PUBLIC_HUB,
    Edge,
    Resolution,
    make_edge_id,
    resolve,
)
from trackway.profiles.identifiers import (
    KINDS,
    UNLINKED_KINDS,
    Collected,
    Identifier,
    ProfileKeys,
    collect_identifiers,
    format_profile_id,
    read_profile_id,
)
from trackway.profiles.ledger import (
    Known,
    Neighbourhood,
    read_edges,
    read_known,
    read_neighbourhood,
    read_traits,
    write_edges,
    write_identities,
    write_traits,
)
from trackway.profiles.tables import IDENTITIES
from trackway.profiles.traits import (
    Evidence,
    Register,
    encode_register,
    leave_out_counts,
    merge,
    read_registers,
    unsay,
)
from trackway.settings import Settings

K = TypeVar("K", bound=Hashable)

MOST_CACHED = 200_000
TRAIT_PRIORITY = "trait_priority"


class Guards(Struct, frozen=True):
    """Settings `identity_cap`, `identity_hub` and `blocked_identifiers`."""

    cap: int = DEFAULT_CAP
    hub: int = DEFAULT_HUB
    blocked: frozenset[str] = frozenset()


def read_guards(settings: Settings) -> Guards:
    words = (word.strip().lower() for word in settings.blocked_identifiers.split(","))
    return Guards(settings.identity_cap, settings.identity_hub, frozenset(word for word in words if word))


class Link(Struct, frozen=True):
    """Two identifiers that one event named together."""

    edge: Edge
    first: Identifier
    second: Identifier


class Settled(Struct):
    """What is to be written, and the profile of each profile_key of the batch that has another than itself."""

    profiles: dict[str, str] = field(default_factory=dict)
    nodes: dict[bytes, Known] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)
    resolution: Resolution = field(default_factory=lambda: Resolution({}, {}))
    traits: dict[tuple[bytes, str], Register] = field(default_factory=dict)
    account_traits: dict[tuple[str, str, str], Register] = field(default_factory=dict)
    stays: dict[tuple[bytes, str], Stay] = field(default_factory=dict)
    workspaces: dict[bytes, str] = field(default_factory=dict)
    renamed: set[bytes] = field(default_factory=set)


class People:
    """The ledger's writer, one per installation, with what it remembers between batches."""

    def __init__(self, guards: Guards) -> None:
        self.guards = guards
        self._keys: dict[str, ProfileKeys] = {}
        # Profile of a node, or None when the ledger does not have it. Right because nobody else writes.
        self._profiles: dict[bytes, bytes | None] = {}
        # Evidence that is known of an edge: a later one changes nothing.
        self._evidence: dict[str, tuple[int, str]] = {}
        self._version = -1

    def keys_of(self, workspace: Workspace) -> ProfileKeys:
        if workspace.id not in self._keys:
            self._keys[workspace.id] = ProfileKeys(workspace.hash_key)
        return self._keys[workspace.id]

    def forget(self) -> None:
        """After a batch that was not committed, or a change from elsewhere."""
        self._profiles.clear()
        self._evidence.clear()
        self._version = -1

    def next_version(self, connection: Connection, stamp: int) -> int:
        """Rises with every use, also when the clock stands still."""
        if self._version < 0:
            self._version = connection.execute(select(func.max(IDENTITIES.c.version))).scalar() or 0
        self._version = max(self._version + 1, stamp)
        return self._version

    def settle(
        self,
        connection: Connection,
        events: Sequence[Event],
        sources: Mapping[str, Source],
        stamp: int,
        again: Collection[str] = (),
    ) -> Settled:
        """What `events` change. `connection` reads; nothing is written here.

        Those whose ids are in `again` were settled before, perhaps as something else: they count nothing more.
        """
        settled = Settled()
        keyed = [event for event in events if event.profile_key and not event.bot]
        for event in keyed:
            settled.workspaces[read_profile_id(event.profile_key)] = event.workspace
        links, known_people = self._collect_links(keyed, settled)
        self._remember_profiles(connection, settled.workspaces)
        changed = self._find_new_links(connection, links)
        fresh = {node: known for node, known in known_people.items() if self._profiles.get(node) is None}
        if changed or fresh:
            self._resolve(connection, settled, changed, fresh, stamp)
        _gather_traits(connection, keyed, sources, settled, again)
        _gather_accounts(connection, events, sources, settled, again)
        self._name_profiles(keyed, settled)
        return settled

    def write(self, connection: Connection, settled: Settled) -> None:
        """In the transaction that commits the batch. Call `remember` after it."""
        whose = settled.workspaces.__getitem__
        write_identities(connection, settled.nodes)
        write_edges(connection, settled.edges.values(), settled.resolution, whose)
        write_traits(connection, settled.traits, whose)
        write_accounts(connection, settled.account_traits, settled.stays, whose)

    def remember(self, settled: Settled) -> None:
        for node, known in settled.nodes.items():
            self._profiles[node] = known.profile
        for edge in settled.edges.values():
            self._evidence[edge.id] = (edge.occurred_at, edge.event_id)
        for cache in (self._profiles, self._evidence):
            while len(cache) > MOST_CACHED:
                cache.pop(next(iter(cache)))  # type: ignore[call-overload]

    def _collect_links(self, events: Iterable[Event], settled: Settled) -> tuple[dict[str, Link], dict[bytes, Known]]:
        """The earliest evidence of every link in the batch, and whoever is named by a person's identifier."""
        links: dict[str, Link] = {}
        people: dict[bytes, Known] = {}
        for event in events:
            if not _may_link(event):
                continue
            collected = collect_identifiers(event, self.guards.blocked)
            keys = self._keys[event.workspace]
            for identifier in collected.found:
                node = keys.make(identifier)
                settled.workspaces[node] = event.workspace
                if KINDS[identifier.kind].person:
                    people[node] = Known(event.workspace, identifier, node)
            for link in _pair(event, collected, keys):
                other = links.get(link.edge.id)
                if other is None or link.edge.precedes(other.edge):
                    links[link.edge.id] = link
        return links, people

    def _remember_profiles(self, connection: Connection, nodes: Iterable[bytes]) -> None:
        unknown = [node for node in nodes if node not in self._profiles]
        if unknown:
            found = read_known(connection, unknown)
            self._profiles |= {node: found[node].profile if node in found else None for node in unknown}

    def _find_new_links(self, connection: Connection, links: Mapping[str, Link]) -> dict[str, Link]:
        """Links that the ledger does not have, or has by later evidence."""
        open_ids = [
            link.edge.id
            for link in links.values()
            if (known := self._evidence.get(link.edge.id)) is None
            or (link.edge.occurred_at, link.edge.event_id) < known
        ]
        if not open_ids:
            return {}
        stored = read_edges(connection, open_ids)
        self._evidence |= {edge.id: (edge.occurred_at, edge.event_id) for edge in stored.values()}
        changed = {}
        for edge_id in open_ids:
            link, old = links[edge_id], stored.get(edge_id)
            if old is None:
                changed[edge_id] = link
            elif link.edge.precedes(old):
                changed[edge_id] = replace(link, edge=replace(link.edge, verdict=old.verdict))
        return changed

    def _resolve(
        self,
        connection: Connection,
        settled: Settled,
        changed: Mapping[str, Link],
        fresh: Mapping[bytes, Known],
        stamp: int,
    ) -> None:
        starts = {end for link in changed.values() for end in (link.edge.a, link.edge.b)}
        near = read_neighbourhood(connection, starts)
        for node, known in fresh.items():
            near.nodes.setdefault(node, known)
        for link in changed.values():
            near.edges[link.edge.id] = link.edge
            workspace = settled.workspaces[link.edge.a]
            for identifier in (link.first, link.second):
                node = self._keys[workspace].make(identifier)
                known = near.nodes.setdefault(node, Known(workspace, identifier, node))
                if known.identifier.kind == "profile_id" != identifier.kind:
                    # Merged by hand before its value was seen with another: now it has a name.
                    near.nodes[node] = replace(known, identifier=identifier)
                    settled.renamed.add(node)
        self.resolve_neighbourhood(near, settled, self.next_version(connection, stamp))

    def resolve_neighbourhood(self, near: Neighbourhood, settled: Settled, version: int) -> None:
        """Put into `settled` what resolving everything that hangs together changes; `version` stamps it."""
        hubs = _find_hubs(near, self.guards.hub)
        nodes = {node: known.identifier for node, known in near.nodes.items()}
        settled.resolution = resolve(nodes, near.edges.values(), hubs, self.guards.cap)
        # Of thousands that hang together few change, and writing is what costs.
        settled.edges = {
            edge.id: edge
            for edge in near.edges.values()
            if near.kept.get(edge.id) != (edge, settled.resolution.standings[edge.id])
        }
        for node, known in near.nodes.items():
            settled.workspaces[node] = known.workspace
            profile, hub = settled.resolution.profiles[node], hubs.get(node, NO_HUB)
            moved = profile != known.profile
            if moved or hub != known.hub or node in settled.renamed or self._profiles.get(node) is None:
                settled.nodes[node] = replace(
                    known, profile=profile, hub=hub, version=version if moved else known.version
                )

    def _name_profiles(self, events: Iterable[Event], settled: Settled) -> None:
        for event in events:
            node = read_profile_id(event.profile_key)
            profile = settled.resolution.profiles.get(node) or self._profiles.get(node) or node
            if profile != node:
                settled.profiles[event.profile_key] = format_profile_id(profile)


def _may_link(event: Event) -> bool:
    """Most events name nothing but a device: they need no second look."""
    return bool(
        event.user_id or event.contact_id or event.instance_id or event.identifiers
        or "email" in event.traits or "phone" in event.traits
    )  # fmt: skip


def _pair(event: Event, collected: Collected, keys: ProfileKeys) -> Iterable[Link]:
    """The strongest identifier with each other one; a computed hash with its mail address."""
    linked = [identifier for identifier in collected.found if identifier.kind not in UNLINKED_KINDS]
    for other in linked[1:]:
        if email := collected.derived.get(other):
            yield _make_link(event, email, other, keys, "calc_group", trusted=True)
        else:
            yield _make_link(event, linked[0], other, keys, "same_event", trusted=event.trusted)


def _make_link(
    event: Event, first: Identifier, second: Identifier, keys: ProfileKeys, rule: str, trusted: bool
) -> Link:
    a, b = sorted((keys.make(first), keys.make(second)))
    edge = Edge(
        id=make_edge_id(a, b, rule, trusted),
        a=a,
        b=b,
        rule=rule,
        trusted=trusted,
        occurred_at=event.occurred_at,
        event_id=event.event_id,
        source=event.source,
    )
    return Link(edge, first, second)


def _find_hubs(near: Neighbourhood, limit: int) -> dict[bytes, int]:
    """Once a hub, always a hub: its links are not followed any more, so they cannot be counted again."""
    degrees: dict[tuple[bytes, bool], int] = defaultdict(int)
    for edge in near.edges.values():
        degrees[edge.a, edge.trusted] += 1
        degrees[edge.b, edge.trusted] += 1
    hubs: dict[bytes, int] = {node: known.hub for node, known in near.nodes.items() if known.hub}
    for (node, trusted), degree in degrees.items():
        if degree > limit:
            hubs[node] = max(hubs.get(node, NO_HUB), HUB if trusted else PUBLIC_HUB)
    return hubs


def _make_evidence(event: Event, sources: Mapping[str, Source]) -> Evidence:
    source = sources.get(event.source)
    priority = int(source.settings.get(TRAIT_PRIORITY, "0")) if source else 0
    return Evidence(event.occurred_at, priority, event.event_id, event.source)


def _gather_traits(
    connection: Connection,
    events: Iterable[Event],
    sources: Mapping[str, Source],
    settled: Settled,
    again: Collection[str],
) -> None:
    said: dict[tuple[bytes, str], Register] = {}
    for event in events:
        # An event that breaks the tracking plan says nothing of its person.
        if event.traits and not event.plan_errors:
            node = read_profile_id(event.profile_key)
            said_now = read_registers(event.traits, _make_evidence(event, sources))
            for name, register in (leave_out_counts(said_now) if event.event_id in again else said_now).items():
                key = (node, name)
                said[key] = merge(said[key], register) if key in said else register
    if said:
        settled.traits = _merge_changed(read_traits(connection, {node for node, _ in said}), said)


def _gather_accounts(
    connection: Connection,
    events: Iterable[Event],
    sources: Mapping[str, Source],
    settled: Settled,
    again: Collection[str],
) -> None:
    said: dict[tuple[str, str, str], Register] = {}
    stays: dict[tuple[bytes, str], Stay] = {}
    for event in events:
        if not event.account_id or event.bot:
            continue
        if event.profile_key:
            key_of_stay = (read_profile_id(event.profile_key), event.account_id)
            stay = Stay(event.occurred_at, event.occurred_at, event.event_id)
            stays[key_of_stay] = join_stays(stays.get(key_of_stay), stay)
        if event.plan_errors:
            continue
        said_now = read_registers(event.account_traits, _make_evidence(event, sources))
        for name, register in (leave_out_counts(said_now) if event.event_id in again else said_now).items():
            key = (event.workspace, event.account_id, name)
            said[key] = merge(said[key], register) if key in said else register
    if stays:
        known = read_stays(connection, stays)
        joined = {key: join_stays(known.get(key), stay) for key, stay in stays.items()}
        settled.stays = {key: stay for key, stay in joined.items() if stay != known.get(key)}
    if said:
        settled.account_traits = _merge_changed(read_account_traits(connection, {key[:2] for key in said}), said)


def _merge_changed(known: Mapping[K, Register], said: Mapping[K, Register]) -> dict[K, Register]:
    merged = {
        key: merge(unsay(known[key], register), register) if key in known else register
        for key, register in said.items()
    }
    return {
        key: register
        for key, register in merged.items()
        if key not in known or encode_register(register) != encode_register(known[key])
    }
