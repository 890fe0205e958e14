"""Registers: merged in any order, in any grouping, as often as one likes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.profiles.traits import (
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
)
REGISTERS = st.builds(read_register, VALUES, EVIDENCE).map(lambda register: register or Register())


@given(REGISTERS, REGISTERS, REGISTERS)
def test_order_and_grouping_do_not_matter(a: Register, b: Register, c: Register) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(REGISTERS)
def test_what_counts_nothing_can_be_told_twice(register: Register) -> None:
    if register.total is None:
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


@pytest.mark.parametrize("bad", [{"$add": "2"}, {"$add": True}, {"$add": 1e16}, {"$add": None}, [], "x" * 9000])
def test_what_cannot_be_kept_says_nothing(bad: object) -> None:
    assert read_register(bad, Evidence(1, 0, "e", "web")) is None
