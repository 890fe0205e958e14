"""Registers: merged in any order, in any grouping, as often as one likes."""

from collections.abc import Iterable
from functools import reduce
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.profiles.traits import (
    MOST_POINTS,
    Evidence,
    Register,
    decode_register,
    encode_register,
    find_trait,
    merge,
    read_register,
)

EVIDENCE = st.builds(
    Evidence,
    st.integers(0, 5),
    st.integers(-1, 1),
    st.sampled_from(["e1", "e2", "e3"]),
    st.sampled_from(["web", "crm"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b"]))
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.dictionaries(st.sampled_from("xy"), SCALARS, max_size=2),
    st.builds(lambda n: {"$add": n}, st.floats(-1e15, 1e15, allow_nan=False)),
    st.builds(lambda n: {"$points": n}, st.integers(-3, 3)),
    st.builds(lambda v: {"$set_once": v}, SCALARS),
)
REGISTERS = st.builds(read_register, VALUES, EVIDENCE).map(lambda register: register or Register())


@given(REGISTERS, REGISTERS, REGISTERS)
def test_order_and_grouping_do_not_matter(a: Register, b: Register, c: Register) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(REGISTERS)
def test_what_counts_nothing_can_be_told_twice(register: Register) -> None:
    if register.total is None and register.points is None:
        assert merge(register, register) == register


@given(REGISTERS, REGISTERS)
def test_a_register_comes_back_from_the_ledger_as_it_was(a: Register, b: Register) -> None:
    assert decode_register(encode_register(merge(a, b))) == merge(a, b)


@given(st.lists(REGISTERS, max_size=6))
def test_what_is_shown_is_a_value_that_somebody_said(registers: list[Register]) -> None:
    trait = find_trait("x", registers)
    if trait is not None:
        assert trait.value is not None
        assert all(other.value != trait.value for other in trait.others)


def say(*said: tuple[int, Any]) -> list[Register]:
    """What was said at which moment, in the order of the list."""
    found = [read_register(value, Evidence(at, 0, f"e{n}", "web")) for n, (at, value) in enumerate(said)]
    return [register for register in found if register is not None]


def show(registers: Iterable[Register]) -> Any:
    trait = find_trait("x", registers)
    return trait.value if trait else None


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ([(1, {"$points": 1}), (2, {"$points": 0.5})], 1.5),
        ([(1, {"$points": 5}), (2, 0), (3, {"$points": 1})], 1),
        ([(1, {"$points": 5}), (2, 0)], 0),
        ([(1, 10), (2, {"$points": -1})], 9),
        ([(1, {"$points": 5}), (2, None)], None),
        ([(1, {"$points": 5}), (2, None), (3, {"$points": 2})], 2),
        ([(1, "much"), (2, {"$points": 2})], 2),
        ([(2, {"$set_once": "b"}), (1, {"$set_once": "a"})], "a"),
        ([(1, "said"), (2, {"$set_once": "later"})], "said"),
        ([(2, {"$set_once": [3]}), (1, {"$set_once": [2, 1]})], [2, 1]),
        ([(1, {"$set_once": ["gap"]}), (2, ["said"])], ["said"]),
        ([(1, {"$set_once": "gap"}), (2, "said")], "said"),
        ([(1, None), (2, {"$set_once": "anew"})], "anew"),
        ([(1, {"$set_once": "old"}), (2, None)], None),
    ],
)
def test_points_and_set_once_in_every_order(said: list[tuple[int, Any]], shown: Any) -> None:
    for order in permutations(say(*said)):
        assert show(order) == shown
        assert show([reduce(merge, order)]) == shown


@given(st.lists(st.integers(1, 3), min_size=MOST_POINTS, max_size=MOST_POINTS + 60), st.randoms())
def test_of_many_points_none_is_lost(amounts: list[int], random: Random) -> None:
    registers = say(*((at, {"$points": amount}) for at, amount in enumerate(amounts)))
    random.shuffle(registers)
    half = len(registers) // 2
    a, b = reduce(merge, registers[:half], Register()), reduce(merge, registers[half:], Register())
    assert show([a, b]) == sum(amounts)
    assert merge(a, b) == reduce(merge, registers)


@pytest.mark.parametrize(
    "bad",
    [
        *({"$add": "2"}, {"$add": True}, {"$add": 1e16}, {"$add": None}, [], "x" * 9000),
        *({"$points": "2"}, {"$set_once": None}, {"$set_once": "x" * 9000}),
    ],
)
def test_what_cannot_be_kept_says_nothing(bad: object) -> None:
    assert read_register(bad, Evidence(1, 0, "e", "web")) is None
