"""Who is one person: the rules of the graph, and that the order of its edges cannot matter."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trackway.profiles.graph import HUB, PUBLIC_HUB, Edge, EdgeState, Verdict, Why, make_edge_id, resolve
from trackway.profiles.identifiers import Identifier, ProfileKeys

KEYS = ProfileKeys(b"k" * 32)


class World:
    """Edges written as `("user_id:anna", "anonymous_id:phone")`."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, Identifier] = {}
        self.edges: list[Edge] = []
        self._moments = count(1000)

    def node(self, text: str) -> bytes:
        kind, _, value = text.partition(":")
        identifier = Identifier(kind, value)
        self.nodes[KEYS.make(identifier)] = identifier
        return KEYS.make(identifier)

    def link(self, one: str, other: str, *, trusted: bool = True, at: int | None = None, **more) -> Edge:  # type: ignore[no-untyped-def]
        a, b = sorted((self.node(one), self.node(other)))
        rule = more.pop("rule", "same_event")
        moment = next(self._moments) if at is None else at
        edge = Edge(
            id=make_edge_id(a, b, rule, trusted),
            a=a,
            b=b,
            rule=rule,
            trusted=trusted,
            occurred_at=moment,
            event_id=f"event-{moment}",
            source="web",
            **more,
        )
        self.edges.append(edge)
        return edge

    def resolve(self, **more):  # type: ignore[no-untyped-def]
        return resolve(self.nodes, self.edges, **more)

    def people(self, **more) -> set[frozenset[str]]:  # type: ignore[no-untyped-def]
        groups: dict[bytes, set[str]] = {}
        for node, profile in self.resolve(**more).profiles.items():
            groups.setdefault(profile, set()).add(":".join(self.nodes[node]))
        return {frozenset(group) for group in groups.values()}


@pytest.fixture
def world() -> World:
    return World()


def test_an_anonymous_visitor_who_logs_in_is_that_person(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop", trusted=False)
    world.link("user_id:anna", "anonymous_id:phone", trusted=False)
    assert world.people() == {frozenset({"user_id:anna", "anonymous_id:laptop", "anonymous_id:phone"})}


def test_a_profile_is_named_by_its_strongest_identifier(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop")
    world.link("user_id:anna", "email:a@example.com")
    assert set(world.resolve().profiles.values()) == {world.node("user_id:anna")}


def test_two_user_ids_never_meet_through_a_shared_device(world: World) -> None:
    edges = [world.link(f"user_id:{name}", "anonymous_id:till", trusted=False) for name in ("anna", "bert")]
    world.link("user_id:anna", "anonymous_id:phone")
    assert world.people() == {
        frozenset({"user_id:anna", "anonymous_id:phone"}),
        frozenset({"user_id:bert"}),
        frozenset({"anonymous_id:till"}),
    }
    standings = world.resolve().standings
    assert {standings[edge.id].why for edge in edges} == {Why.SHARED}


def test_a_shared_device_that_a_person_approved_belongs_to_that_one(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:till", verdict=Verdict.APPROVED)
    world.link("user_id:bert", "anonymous_id:till", trusted=False)
    assert world.people() == {frozenset({"user_id:anna", "anonymous_id:till"}), frozenset({"user_id:bert"})}


def test_the_same_mail_address_makes_two_user_ids_one_person_when_a_back_end_says_so(world: World) -> None:
    world.link("user_id:anna", "email:a@example.com")
    world.link("user_id:anna2", "email:a@example.com")
    assert len(world.people()) == 1


def test_a_public_key_cannot_merge_two_known_people_by_naming_a_mail_address(world: World) -> None:
    world.link("contact_id:victim", "email:v@example.com")
    edge = world.link("user_id:attacker", "email:v@example.com", trusted=False)
    assert len(world.people()) == 2
    assert world.resolve().standings[edge.id].why is Why.TWO_PEOPLE


def test_a_public_key_cannot_merge_two_known_people_by_way_of_a_device(world: World) -> None:
    world.link("contact_id:victim", "email:v@example.com")
    world.link("user_id:attacker", "anonymous_id:own", trusted=False)
    world.link("email:v@example.com", "anonymous_id:own", trusted=False)
    assert frozenset({"contact_id:victim", "email:v@example.com"}) in world.people()
    assert frozenset({"user_id:attacker"}) in world.people()


def test_a_public_key_cannot_merge_two_known_people_in_the_middle_of_what_back_ends_linked(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop")
    world.link("contact_id:victim", "instance_id:chat")
    world.link("anonymous_id:laptop", "instance_id:chat", trusted=False)
    profiles = world.resolve().profiles
    assert profiles[world.node("user_id:anna")] != profiles[world.node("contact_id:victim")]


def test_a_form_with_a_mail_address_joins_an_anonymous_visitor_to_the_contact(world: World) -> None:
    world.link("contact_id:c1", "email:c@example.com")
    world.link("email:c@example.com", "anonymous_id:laptop", trusted=False)
    assert len(world.people()) == 1


def test_an_edge_that_is_undone_leaves_everything_as_if_it_had_never_been(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop")
    before = world.people()
    edge = world.link("anonymous_id:laptop", "email:x@example.com")
    assert world.people() != before
    world.edges[-1] = replace(edge, verdict=Verdict.UNDONE)
    assert world.people() == before | {frozenset({"email:x@example.com"})}
    assert world.resolve().standings[edge.id].state is EdgeState.UNDONE


def test_an_identifier_with_too_many_links_is_nobodys(world: World) -> None:
    hub = world.node("anonymous_id:abc")
    for number in range(5):
        world.link(f"user_id:{number}", "anonymous_id:abc")
    assert len(world.people(hubs={hub: HUB})) == 6


def test_a_profile_keeps_its_first_identifiers_when_there_are_too_many(world: World) -> None:
    for number in range(5):
        world.link("user_id:anna", f"anonymous_id:{number}", at=number)
    assert frozenset({"user_id:anna", "anonymous_id:0", "anonymous_id:1", "anonymous_id:2"}) in world.people(cap=3)
    whys = [standing.why for standing in world.resolve(cap=3).standings.values()]
    assert whys.count(Why.TOO_MANY) == 2


def test_what_a_person_merged_is_merged_whatever_the_rules_say(world: World) -> None:
    world.link("user_id:anna", "user_id:bert", rule="operator")
    assert len(world.people()) == 1


def test_public_keys_cannot_part_a_person_from_what_a_back_end_told_by_saying_very_much(world: World) -> None:
    world.link("user_id:victim", "email:v@example.com")
    for number in range(5):
        world.link("user_id:victim", f"anonymous_id:{number}", trusted=False)
    assert frozenset({"user_id:victim", "email:v@example.com"}) in world.people(
        hubs={world.node("user_id:victim"): PUBLIC_HUB}
    )


def test_public_keys_cannot_part_a_person_from_a_device_that_a_back_end_told(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop")
    edge = world.link("user_id:evil", "anonymous_id:laptop", trusted=False)
    assert frozenset({"user_id:anna", "anonymous_id:laptop"}) in world.people()
    assert world.resolve().standings[edge.id].why is Why.TWO_PEOPLE


def test_public_keys_cannot_join_two_people_who_are_known_by_their_addresses_alone(world: World) -> None:
    world.link("email:a@example.com", "anonymous_id:a")
    world.link("email:b@example.com", "anonymous_id:b")
    world.link("email:a@example.com", "email:b@example.com", trusted=False)
    assert len(world.people()) == 2


def test_an_undo_counts_for_both_ends_whoever_tells_the_link_again(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:laptop", verdict=Verdict.UNDONE)
    again = world.link("user_id:anna", "anonymous_id:laptop", trusted=False)
    assert len(world.people()) == 2
    assert world.resolve().standings[again.id].state is EdgeState.UNDONE


def test_what_a_person_merged_by_hand_joins_a_hub_too(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:abc", rule="operator")
    assert len(world.people(hubs={world.node("anonymous_id:abc"): HUB})) == 1


NAMES = [
    f"{kind}:{value}" for kind in ("user_id", "contact_id", "email", "anonymous_id", "instance_id") for value in "abc"
]
LINKS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.booleans(),
        st.integers(0, 5),
        st.sampled_from([Verdict.NONE, Verdict.NONE, Verdict.NONE, Verdict.UNDONE, Verdict.APPROVED]),
    ).filter(lambda link: link[0] != link[1]),
    max_size=14,
)


def _build(links) -> World:  # type: ignore[no-untyped-def]
    world = World()
    seen: dict[str, Edge] = {}
    for one, other, trusted, at, verdict in links:
        edge = world.link(one, other, trusted=trusted, at=at, verdict=verdict)
        seen.setdefault(edge.id, edge)
    world.edges = list(seen.values())
    return world


@given(LINKS, st.randoms(use_true_random=False), st.integers(1, 4))
def test_neither_order_nor_repetition_of_edges_matters(links, random, cap) -> None:  # type: ignore[no-untyped-def]
    world = _build(links)
    expected = world.resolve(cap=cap)
    world.edges = [*world.edges, *world.edges[:3]]
    random.shuffle(world.edges)
    world.nodes = dict(random.sample(sorted(world.nodes.items()), len(world.nodes)))
    again = world.resolve(cap=cap)
    assert again.profiles == expected.profiles
    assert again.standings == expected.standings


@given(LINKS)
def test_nobody_gets_a_second_id_of_a_kind_without_a_trusted_or_decided_link(links) -> None:  # type: ignore[no-untyped-def]
    world = _build([(one, other, False, at, Verdict.NONE) for one, other, _, at, _ in links])
    for group in world.people():
        kinds = [name.partition(":")[0] for name in group]
        assert kinds.count("user_id") + kinds.count("contact_id") <= 1


@given(LINKS)
def test_active_edges_join_and_nothing_else_does(links) -> None:  # type: ignore[no-untyped-def]
    world = _build(links)
    result = world.resolve()
    active = [edge for edge in world.edges if result.standings[edge.id].state is EdgeState.ACTIVE]
    alone = resolve(world.nodes, [replace(edge, verdict=Verdict.APPROVED) for edge in active], cap=10_000)
    assert alone.profiles == result.profiles
    assert set(result.standings) == {edge.id for edge in world.edges}


def test_a_public_key_cannot_crowd_out_a_device_that_a_back_end_linked(world: World) -> None:
    world.link("user_id:anna", "anonymous_id:own", at=100)
    for number in range(5):
        world.link("user_id:anna", f"anonymous_id:invented-{number}", trusted=False, at=number)
    profiles = world.resolve(cap=3).profiles
    assert profiles[world.node("anonymous_id:own")] == profiles[world.node("user_id:anna")]
