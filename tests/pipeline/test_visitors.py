"""Whose events belong together."""

import re

import pytest

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
