"""What batches of events make of people: the same, in whatever order and in whatever pieces they come."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import delete, select

from trackway.client import calc_group
from trackway.control.database import State, migrate_state
from trackway.control.workspaces import Workspace, ensure_first_workspace, list_workspaces
from trackway.event import Event
from trackway.profiles.identifiers import collect_identifiers, read_profile_id
from trackway.profiles.people import Guards, People
from trackway.profiles.tables import ACCOUNT_TRAITS, EDGES, IDENTITIES, MEMBERSHIPS, TRAITS
from trackway.profiles.traits import decode_register
from trackway.query.people import list_traits

TABLES = (IDENTITIES, EDGES, TRAITS, ACCOUNT_TRAITS, MEMBERSHIPS)


class Ledger:
    """A real relational state with a writer that can be started anew, as after a crash."""

    def __init__(self, file: Path) -> None:
        self.state = State(f"sqlite:///{file}")
        migrate_state(self.state)
        ensure_first_workspace(self.state)
        self.workspace: Workspace = list_workspaces(self.state)[0]
        self.restart()

    def restart(self, guards: Guards | None = None) -> None:
        self.guards = guards or Guards()
        self.people = People(self.guards)
        self.keys = self.people.keys_of(self.workspace)
        self.clock = 0

    def clear(self, guards: Guards | None = None) -> None:
        with self.state.write() as connection:
            for table in TABLES:
                connection.execute(delete(table))
        self.restart(guards)

    def make(self, number: int, **fields: Any) -> Event:
        event = Event(
            event_id=f"01890000-0000-7000-8000-{number:012x}",
            workspace=self.workspace.id,
            source="shop",
            protocol="native",
            channel="web",
            trusted=fields.pop("trusted", True),
            event_type="identify",
            occurred_at=fields.pop("at", number),
            received_at=number,
            **fields,
        )
        found = collect_identifiers(event, self.guards.blocked).found
        key = self.keys.name(found[0]) if found else ""
        return replace(event, profile_key=key, profile_id=key)

    def settle(self, events: Sequence[Event], *, crash: bool = False) -> dict[str, str]:
        """One batch, committed unless it crashes; the profile ids that its rows get."""
        self.clock += 1
        with self.state.read() as connection:
            settled = self.people.settle(connection, events, {}, self.clock)
        if crash:
            self.restart(self.guards)
            return {}
        with self.state.write() as connection:
            self.people.write(connection, settled)
        self.people.remember(settled)
        return settled.profiles

    def read(self) -> dict[str, Any]:
        """Everything the ledger says, without the versions, which tell of the way it came about."""
        with self.state.read() as connection:
            rows = {table.name: [dict(row._mapping) for row in connection.execute(select(table))] for table in TABLES}
        for row in rows["identities"]:
            del row["version"]
        return {name: sorted(map(repr, found)) for name, found in rows.items()}

    def profile_of(self, kind: str, value: str) -> str:
        with self.state.read() as connection:
            query = select(IDENTITIES.c.profile).where(IDENTITIES.c.kind == kind, IDENTITIES.c.value == value)
            return bytes(connection.execute(query).scalar_one()).hex()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "state.db")
    yield ledger
    ledger.state.close()


FIELDS = st.fixed_dictionaries(
    {"at": st.integers(1, 6), "trusted": st.booleans()},
    optional={
        "user_id": st.sampled_from(["u1", "u2", "null"]),
        "contact_id": st.sampled_from(["c1", "c2"]),
        "anonymous_id": st.sampled_from(["a1", "a2", "a3"]),
        "instance_id": st.sampled_from(["i1", "i2"]),
        "account_id": st.sampled_from(["acme", "apex"]),
        "identifiers": st.fixed_dictionaries(
            {},
            optional={
                "email": st.lists(st.sampled_from(["A@example.com", "a@example.com", "b@example.com"]), max_size=2),
                "email_hash": st.sampled_from([["c0a1"], ["c0a2"]]),
                "merge_key": st.just(["m1"]),
            },
        ),
        "traits": st.dictionaries(
            st.sampled_from(["plan", "tags"]),
            st.one_of(st.sampled_from(["free", "pro", None]), st.lists(st.sampled_from("xyz"), max_size=2)),
            max_size=2,
        ),
        "account_traits": st.dictionaries(st.just("tier"), st.sampled_from(["gold", "silver"])),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FIELDS, min_size=1, max_size=12), st.randoms(use_true_random=False), st.integers(1, 3))
def test_any_order_pieces_repetition_and_crashes_give_the_same_people(ledger: Ledger, said, random, cap) -> None:  # type: ignore[no-untyped-def]
    guards = Guards(cap=cap, hub=6)
    ledger.clear(guards)
    events = [ledger.make(number, **dict(fields)) for number, fields in enumerate(said, 1)]
    for event in events:
        ledger.settle([event])
    expected = ledger.read()

    ledger.clear(guards)
    again = events + [event for event in events if not event.traits]
    random.shuffle(again)
    while again:
        size = random.randint(1, len(again))
        batch, again = again[:size], again[size:]
        if random.random() < 0.3:
            ledger.settle(batch, crash=True)
        ledger.settle(batch)
    assert ledger.read() == expected


def test_anonymous_history_joins_the_person_at_the_first_login(ledger: Ledger) -> None:
    ledger.clear()
    assert ledger.settle([ledger.make(1, anonymous_id="laptop")]) == {}
    device = ledger.make(2, anonymous_id="laptop").profile_key
    profiles = ledger.settle([ledger.make(3, anonymous_id="laptop", user_id="anna")])
    assert profiles == {}
    assert ledger.settle([ledger.make(4, anonymous_id="laptop")]) == {
        device: ledger.make(5, user_id="anna").profile_key
    }


def test_a_visitor_who_was_never_linked_takes_no_room(ledger: Ledger) -> None:
    ledger.clear()
    ledger.settle([ledger.make(number, anonymous_id=f"visitor-{number}") for number in range(1, 50)])
    assert all(rows == [] for rows in ledger.read().values())


def test_a_counter_adds_up_and_a_list_unites_whoever_said_it(ledger: Ledger) -> None:
    ledger.clear()
    ledger.settle([ledger.make(1, user_id="anna", traits={"visits": {"$add": 2}, "tags": ["a"]})])
    ledger.settle([ledger.make(2, user_id="anna", traits={"visits": {"$add": 3}, "tags": ["b"]})])
    (register,) = [row for row in ledger.read()["traits"] if "'visits'" in row]
    assert '["5.000000"' in register
    with ledger.state.read() as connection:
        query = select(TRAITS.c.register).where(TRAITS.c.name == "tags")
        register = decode_register(connection.execute(query).scalar_one())
    assert set(register.items) == {'"a"', '"b"'}


def test_a_sum_of_fractions_is_the_same_in_any_order(ledger: Ledger) -> None:
    sums = set()
    for order in ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (0.2, 0.3, 0.1)):
        ledger.clear()
        for number, amount in enumerate(order, 1):
            ledger.settle([ledger.make(number, at=9, user_id="anna", traits={"spent": {"$add": amount}})])
        with ledger.state.read() as connection:
            (trait,) = list_traits(connection, {read_profile_id(ledger.make(1, user_id="anna").profile_key)})
        sums.add(trait.value)
    assert sums == {0.6}


def test_the_latest_value_counts_even_when_it_comes_first(ledger: Ledger) -> None:
    ledger.clear()
    ledger.settle([ledger.make(1, at=10, user_id="anna", traits={"plan": "pro"})])
    ledger.settle([ledger.make(2, at=5, user_id="anna", traits={"plan": "free"})])
    (register,) = ledger.read()["traits"]
    assert "pro" in register
    assert "free" not in register


def test_words_for_nobody_link_nobody(ledger: Ledger) -> None:
    ledger.clear()
    words = ["null", "undefined", "None", "NaN", "0", "-1", "true", "anonymous", "Guest", "unknown", "[object Object]", '"null"',
             "00000000-0000-0000-0000-000000000000", "'undefined'", "  "]  # fmt: skip
    ledger.settle([ledger.make(n, user_id=word, anonymous_id=f"device-{n}") for n, word in enumerate(words, 1)])
    assert ledger.read()["identities"] == []


def test_ten_thousand_people_on_one_broken_id_stay_ten_thousand(ledger: Ledger) -> None:
    ledger.clear(Guards(hub=100))
    for start in range(0, 1000, 250):
        ledger.settle([ledger.make(n, user_id=f"user-{n}", anonymous_id="abc") for n in range(start + 1, start + 251)])
    assert len({ledger.profile_of("user_id", f"user-{n}") for n in range(1, 1001)}) == 1000


def test_an_identifier_that_names_itself_is_no_link(ledger: Ledger) -> None:
    ledger.clear()
    ledger.settle([ledger.make(1, user_id="same", anonymous_id="same", identifiers={"email": ["s@example.com"] * 3})])
    assert len(ledger.read()["edges"]) == 2 + len([row for row in ledger.read()["identities"] if "email_hash" in row])


@pytest.mark.parametrize("word", ["", "null", "undefined", "None", "NULL", "anonymous"])
def test_the_hash_of_a_word_for_nobody_links_nobody(ledger: Ledger, word: str) -> None:
    ledger.clear()
    for digest in (calc_group(word), calc_group(word, dropped=4), sha256(word.encode()).hexdigest()):
        sent = {"email_hash": [digest.upper()], "session_hash": [digest]}
        ledger.settle([ledger.make(n, user_id=f"user-{n}", identifiers=sent) for n in (1, 2)])
    assert ledger.profile_of("user_id", "user-1") != ledger.profile_of("user_id", "user-2")
    assert ledger.read()["edges"] == []


def test_the_hash_of_a_blocked_address_links_nobody(ledger: Ledger) -> None:
    ledger.clear(Guards(blocked=frozenset({"till@shop.example"})))
    digest = calc_group("till@shop.example")
    ledger.settle([ledger.make(n, user_id=f"user-{n}", identifiers={"email_hash": [digest]}) for n in (1, 2)])
    assert ledger.profile_of("user_id", "user-1") != ledger.profile_of("user_id", "user-2")


def test_a_purchase_by_hashed_address_joins_whoever_has_the_address(ledger: Ledger) -> None:
    ledger.clear()
    ledger.settle([ledger.make(1, identifiers={"email_hash": [calc_group("Jane.Doe@example.com")]})])
    ledger.settle([ledger.make(2, user_id="jane", identifiers={"email": ["Jane.Doe@example.com"]})])
    assert ledger.profile_of("email_hash", calc_group("Jane.Doe@example.com")) == ledger.profile_of("user_id", "jane")


def test_of_many_links_that_hang_together_only_those_that_change_are_written(ledger: Ledger) -> None:
    ledger.clear(Guards(cap=60))
    ledger.settle([ledger.make(n, user_id="anna", anonymous_id=f"device-{n}") for n in range(1, 51)])
    with ledger.state.read() as connection:
        event = ledger.make(51, user_id="anna", anonymous_id="device-51")
        settled = ledger.people.settle(connection, [event], {}, 51)
    assert len(settled.edges) == 1
    with ledger.state.read() as connection:
        event = ledger.make(52, user_id="bert", anonymous_id="device-7")
        settled = ledger.people.settle(connection, [event], {}, 52)
    # His own, and hers, which is quarantined with it.
    assert len(settled.edges) == 2
