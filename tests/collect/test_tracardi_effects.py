"""Tracardi's built-in event types: all of them are there, and each does what it is for."""

import re
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.collect.tracardi_effects import EventType, apply_effects, read_consents, read_types
from trackway.profiles.traits import Evidence, Register, find_traits, merge, read_registers

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocols" / "tracardi-event-types.md"

# Appendix by group; `order-delivered` belongs to two groups and is one type.
GROUPS = {
    "internal": "session-opened visit-started visit-ended profile-created profile-inactive profile-archived",
    "traffic": "page-view page-print screen-view search product-search-result location",
    "identity": "sign-in sign-up account-deleted identification",
    "data": "profile-update consent-update",
    "ecommerce": (
        "product-clicked product-details-page-view basket-viewed product-added-to-basket product-removed-from-basket"
        " checkout-started checkout-completed checkout-status delivery-info-entered payment-info-entered order-started"
        " order-completed order-delivered order-status-change sale-completed product-shared product-reviewed"
        " product-returned"
    ),
    "dispatch": "order-waiting-for-dispatch order-dispatched order-dispatch-in-transit order-awaiting-pickup",
    "finance": ("account-payable account-receivable payment-sent payment-received payable-overdue receivable-overdue"),
    "interests": "increase-interest decrease-interest reset-interest",
    "preferences": (
        "add-color-preference add-size-preference add-brand-preference add-channel-preference add-payment-preference"
    ),
    "loyalty": "loyalty-card-added loyalty-card-removed",
    "marketing": "promotion-viewed promotion-clicked",
    "messaging": "messaging-started messaging-ended message-sent message-received message-opened message-status",
    "satisfaction": "rating",
}

CONTACT = {"email": {"main": "ann@example.com"}, "phone": {"mobile": "+4930901820"}}
TOLD = {"data.contact.email.main": "ann@example.com", "data.contact.phone.mobile": "+4930901820"}
NAMED = {"email": ["ann@example.com"], "phone": ["+4930901820"]}
FILLED = {name: {"$set_once": value} for name, value in TOLD.items()}


def test_the_65_types_are_there_each_in_its_group() -> None:
    expected = {name: group for group, names in GROUPS.items() for name in names.split()}
    assert len(expected) == 65
    assert {name: kind.group for name, kind in read_types().items()} == expected


def say(event_type: str, properties: Any = None, **more: Any) -> Any:
    """What an event says beside its counter."""
    effects = apply_effects(event_type, properties or {}, more.pop("new_visit", False), 0, **more)
    counted = {f"stats.counters.{event_type}": {"$add": 1}}
    assert counted.items() <= effects.traits.items()
    return {name: value for name, value in effects.traits.items() if name not in counted}, effects


@pytest.mark.parametrize(
    ("event_type", "properties", "traits", "identifiers"),
    [
        ("page-view", {"id": "p1"}, {"stats.views": {"$add": 1}}, {}),
        ("screen-view", {"name": "start"}, {}, {}),
        (
            "location",
            {"location": [13.4, 52.5]},
            {"data.devices.last.geo.longitude": 13.4, "data.devices.last.geo.latitude": 52.5},
            {},
        ),
        (
            "sign-in",
            {**CONTACT, "pk": 7, "login": "ann"},
            {**TOLD, "data.identifier.pk": 7, "data.identifier.token": "ann"},
            {**NAMED, "user_id": ["7"]},
        ),
        (
            "sign-up",
            {"firstname": "Ann", "lastname": "Lee", "custom": {"plan": "pro", "team": {"size": 3}}},
            {"data.pii.firstname": "Ann", "data.pii.lastname": "Lee", "plan": "pro", "team.size": 3},
            {},
        ),
        (
            "identification",
            {"id": "crm-1", "coupon": "X1", "credit_card": "4111 1111 1111 1234", "telegram": "@ann"},
            {
                "data.identifier.id": "crm-1",
                "data.identifier.coupons": ["X1"],
                "data.identifier.credit_card": "…1234",
                "data.contact.app.telegram": "@ann",
            },
            {"merge_key": ["crm-1"]},
        ),
        (
            "profile-update",
            {"contact": {"email": {"main": "b@example.com", "private": None}}, "job": {"position": "CTO"}, "other": 1},
            {
                "data.contact.email.main": "b@example.com",
                "data.contact.email.private": None,
                "data.job.position": "CTO",
            },
            {"email": ["b@example.com"]},
        ),
        (
            "checkout-started",
            {"value": "12.50"},
            {"data.metrics.ltcosv": {"$add": 12.5}, "data.metrics.ltcosc": {"$add": 1}},
            {},
        ),
        ("checkout-completed", {"value": "much"}, {"data.metrics.ltcocc": {"$add": 1}}, {}),
        (
            "delivery-info-entered",
            {"delivery": {"town": "Berlin", "street": ""}},
            {"data.contact.address.town": "Berlin"},
            {},
        ),
        ("payment-info-entered", {"credit_card": 4111111111111234}, {"data.identifier.credit_card": "…1234"}, {}),
        ("increase-interest", {"interest": "shoes"}, {"interests.shoes": {"$points": 1.0}}, {}),
        ("decrease-interest", {"interest": "shoes", "value": 2}, {"interests.shoes": {"$points": -2}}, {}),
        ("reset-interest", {"interest": "shoes", "value": 5}, {"interests.shoes": 0}, {}),
        ("increase-interest", {"interest": ""}, {}, {}),
        ("add-color-preference", {"color": "red"}, {"data.preferences.colors": ["red"]}, {}),
        ("add-size-preference", {"size": ["M", "L"]}, {"data.preferences.sizes": ["M", "L"]}, {}),
        ("add-brand-preference", {"brand": "Nike"}, {"data.preferences.brands": ["Nike"]}, {}),
        ("add-channel-preference", {"channel": "sms"}, {"data.preferences.channels": ["sms"]}, {}),
        ("add-payment-preference", {"payment": "card"}, {"data.preferences.payments": ["card"]}, {}),
        (
            "loyalty-card-added",
            {"id": "c1", "name": "Gold"},
            {"data.loyalty.card.id": "c1", "data.loyalty.card.name": "Gold"},
            {},
        ),
        (
            "loyalty-card-removed",
            {"id": "c1"},
            {f"data.loyalty.card.{name}": None for name in ("id", "name", "issuer", "expires", "points")},
            {},
        ),
        *((kind, {"identity": CONTACT}, FILLED, NAMED) for kind in GROUPS["messaging"].split()),
    ],
)
def test_what_a_type_says(event_type: str, properties: Any, traits: Any, identifiers: Any) -> None:
    said, effects = say(event_type, properties)
    assert said == traits
    assert effects.identifiers == identifiers


def test_of_too_many_values_the_counters_are_not_those_left_out() -> None:
    many = {name: {f"v{n}": n for n in range(150)} for name in ("pii", "job", "media")}
    registers = read_registers(apply_effects("profile-update", many, True, 0).traits, Evidence(0, 0, "e", "web"))
    assert len(registers) == 194
    assert {"stats.visits", "stats.counters.profile-update", "metadata.time.insert"} <= set(registers)


def test_a_type_that_says_nothing_of_the_profile_only_counts() -> None:
    silent = [name for name, kind in read_types().items() if not kind.effects and not kind.consents]
    for name in [*silent, "own-type"]:
        assert say(name, {"id": "1", **CONTACT})[0] == {}


def test_a_new_visit_counts_once_and_its_moment_is_kept() -> None:
    said, _ = say("own-type", new_visit=True)
    moment = "1970-01-01T00:00:00.000Z"
    assert said == {
        "stats.visits": {"$add": 1},
        "metadata.time.visit.current": moment,
        "metadata.time.insert": {"$set_once": moment},
    }


def test_the_journey_depends_on_the_visits_where_the_type_says_so() -> None:
    states = {visits: say("page-view", visits=visits)[1].journey for visits in (0, 1, 2)}
    assert states == {0: "awareness", 1: "awareness", 2: "consideration"}
    assert say("sale-completed")[1].journey == "purchase"
    assert say("search")[1].journey == ""


@pytest.mark.parametrize(
    ("said", "consent"),
    [
        ({"a": True, "b": False, "c": None}, {"a": True, "b": False, "c": False}),
        ({"a": {"revoke": None}, "b": {}}, {"a": {"state": "granted"}, "b": {"state": "granted"}}),
        ({"a": {"revoke": "2030-01-01"}}, {"a": {"state": "granted", "expires_at": 1893456000000}}),
        ({"a": {"revoke": "some day"}}, {"a": False}),
        (["a", 1], {"a": True}),
        ("a", {}),
    ],
)
def test_consents_in_every_form(said: Any, consent: Any) -> None:
    assert read_consents(said) == consent
    assert say("consent-update", {"consents": said})[1].consent == consent


def test_interests_and_cards_end_the_same_in_every_order() -> None:
    events = [
        ("increase-interest", {"interest": "shoes", "value": 5}),
        ("reset-interest", {"interest": "shoes"}),
        ("increase-interest", {"interest": "shoes", "value": 2}),
        ("loyalty-card-added", {"id": "c1"}),
        ("loyalty-card-removed", {"id": "c1"}),
    ]
    told = [
        read_registers(apply_effects(kind, properties, False, 0).traits, Evidence(at, 0, f"e{at}", "web"))
        for at, (kind, properties) in enumerate(events)
    ]
    for order in permutations(told):
        whole: dict[str, Register] = {}
        for registers in order:
            whole |= {name: merge(whole.get(name, Register()), register) for name, register in registers.items()}
        shown = {trait.name: trait.value for trait in find_traits(whole.items()) if not trait.name.startswith("stats")}
        assert shown == {"interests.shoes": 2}


@given(
    st.sampled_from(sorted(read_types())),
    st.dictionaries(
        st.sampled_from(sorted({name for kind in read_types().values() for name in kind.reads})),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["main", "$add"]), inner),
            max_leaves=5,
        ),
    ),
)
def test_no_properties_break_an_effect(event_type: str, properties: Any) -> None:
    effects = apply_effects(event_type, properties, True, 0)
    registers = read_registers(effects.traits, Evidence(0, 0, "e", "web"))
    assert f"stats.counters.{event_type}" in registers
    assert all(isinstance(text, str) for values in effects.identifiers.values() for text in values)


def word_effect(kind: EventType) -> str:
    lines = [f"{effect.op} {effect.to.replace('|', '')}" for effect in kind.effects]
    return ", ".join(f"`{line}`" for line in lines) or ("the ledger of consents" if kind.consents else "")


@pytest.mark.parametrize("name", sorted(read_types()))
def test_the_page_says_of_each_type_what_the_file_says(name: str) -> None:
    kind = read_types()[name]
    row = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{name}` |"))
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[2:-1]]
    reads = ", ".join(f"`{each}`" for each in kind.reads)
    assert cells == [kind.group, reads, kind.journey, word_effect(kind)]
