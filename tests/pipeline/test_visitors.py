"""Whose events belong together."""

import re

import pytest

from trackway.client import calc_group
from trackway.pipeline.visitors import DAY_MS, name_visitor


@pytest.mark.parametrize(
    ("ids", "key"),
    [
        pytest.param({"anonymous_id": "d1", "user_id": "u1", "contact_id": "c1"}, "a:d1", id="the device first"),
        pytest.param({"user_id": "u1", "contact_id": "c1"}, "u:u1", id="then the sender's own person"),
        pytest.param({"contact_id": "c1"}, "c:c1", id="then the CRM's person"),
        pytest.param({}, "", id="nothing known at all is nobody"),
    ],
)
def test_an_id_that_the_sender_gave_names_the_visitor(make_event, make_desk, ids, key):
    assert name_visitor(make_event(**ids), make_desk()).visitor_key == key


def test_without_an_id_address_and_user_agent_make_a_hash(make_event, make_desk):
    event = make_event(ip="203.0.113.7", user_agent="Firefox")

    key = name_visitor(event, make_desk()).visitor_key

    assert re.fullmatch(r"d:[0-9a-f]{16}", key)
    assert name_visitor(event, make_desk()).visitor_key == key


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"occurred_at": 1_750_000_000_000 + DAY_MS}, id="the next day"),
        pytest.param({"source": "web-2"}, id="another site"),
        pytest.param({"ip": "203.0.113.8"}, id="another address"),
        pytest.param({"user_agent": "Chrome"}, id="another browser"),
        pytest.param({"ip": "203.0.113.7\0Fire", "user_agent": "fox"}, id="the same text cut elsewhere"),
    ],
)
def test_a_cookieless_visitor_is_somebody_else_for(make_event, make_desk, change):
    seen = {"ip": "203.0.113.7", "user_agent": "Firefox"}
    first = name_visitor(make_event(**seen), make_desk()).visitor_key

    assert name_visitor(make_event(**(seen | change)), make_desk()).visitor_key != first


def test_a_new_salt_cuts_the_tie(make_event, make_desk):
    event = make_event(ip="203.0.113.7", user_agent="Firefox")

    before = name_visitor(event, make_desk(visitor_salt=b"1" * 32))
    after = name_visitor(event, make_desk(visitor_salt=b"2" * 32))

    assert before.visitor_key != after.visitor_key


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param({"session": "s1"}, {"session": "s1", "address": "a2"}, True, id="address and browser together first"),
        pytest.param({"session": "s1"}, {"session": "s2"}, False, id="two browsers"),
        pytest.param({"address": "a1", "browser": "b1"}, {"address": "a1", "browser": "b1"}, True, id="a hash of each"),
        pytest.param({"address": "a1", "browser": "b1"}, {"address": "a1", "browser": "b2"}, False, id="another browser there"),
        pytest.param({"address": "a1"}, {"address": "a1"}, True, id="the address alone, as without hashes"),
        pytest.param({"address": "a1"}, {"address": "a2"}, False, id="two addresses"),
    ],
)  # fmt: skip
def test_hashes_stand_for_address_and_browser(make_event, make_desk, one, other, same):
    def make_key(session="", address="", browser=""):
        context = {"address_hash": address, "user_agent_hash": browser}
        event = make_event(
            identifiers={"session_hash": [session]} if session else {},
            context={name: value for name, value in context.items() if value},
        )
        return name_visitor(event, make_desk()).visitor_key

    assert re.fullmatch(r"d:[0-9a-f]{16}", make_key(**one))
    assert (make_key(**one) == make_key(**other)) is same


def test_a_browser_alone_is_nobody(make_event, make_desk):
    assert name_visitor(make_event(context={"user_agent_hash": "b1"}), make_desk()).visitor_key == ""
    assert name_visitor(make_event(context={"address_hash": ["a1"]}), make_desk()).visitor_key == ""


def test_the_hash_of_nothing_is_nobody(make_event, make_desk):
    nothing = {"identifiers": {"session_hash": [calc_group("|")]}, "context": {"address_hash": calc_group("")}}

    assert name_visitor(make_event(**nothing), make_desk()).visitor_key == ""


def test_the_address_itself_comes_before_hashes_of_one(make_event, make_desk):
    seen = {"ip": "203.0.113.7", "user_agent": "Firefox"}
    plain, hashed = make_event(**seen), make_event(**seen, identifiers={"session_hash": ["s1"]})

    assert name_visitor(plain, make_desk()).visitor_key == name_visitor(hashed, make_desk()).visitor_key
