"""Every built-in event type of Tracardi over HTTP, and the profile that comes of all of them."""

from typing import Any
from uuid import uuid4

import pytest

from trackway.collect.tracardi_effects import read_types
from trackway.testing.server import TestServer

# Nobody of another test on the same server is meant.
AL = uuid4().hex[:12]
MAIL, PHONE = f"{AL}@example.com", f"+4930{int(AL, 16) % 10**8:08}"
BROWSER = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"}
PRODUCT = {"id": "p1", "name": "Shoe", "sku": "s-1", "category": "shoes", "brand": "Nike", "price": 50, "quantity": 1}
PAYMENT = {"ledger_id": "l1", "order_id": "o1", "payment": {"value": 10, "currency": "EUR", "due_date": "2026-01-01"}}
MESSAGE = {"id": "m1", "type": "chat", "message": "hello", "identity": {"email": {"business": MAIL}}}

# Events with something to say; the other types are sent without properties.
SAID: dict[str, Any] = {
    "page-view": {"id": "start", "category": "shoes"},
    "location": {"location": [13.4, 52.5]},
    "sign-in": {"email": {"main": MAIL}, "pk": f"pk-{AL}", "login": "al"},
    "sign-up": {"email": {"main": MAIL}, "firstname": "Al", "lastname": "Fox", "custom": {"plan": "pro"}},
    "identification": {"phone": {"mobile": PHONE}, "id": f"crm-{AL}", "coupon": "SAVE"},
    "profile-update": {"job": {"position": "CTO"}, "contact": {"address": {"country": "DE"}}},
    "consent-update": {"consents": {"newsletter": True, "ads": False}},
    **dict.fromkeys(("product-clicked", "product-added-to-basket", "product-removed-from-basket"), PRODUCT),
    "checkout-started": {"id": "c1", "value": 120, "currency": "EUR"},
    "checkout-completed": {"id": "c1", "value": 100},
    "delivery-info-entered": {"delivery": {"town": "Berlin", "postcode": "10115", "street": "Main St 1"}},
    "payment-info-entered": {"method": "card", "credit_card": "4111111111111234"},
    "order-completed": {"id": "o1", "income": 80.5, "cost": 20, "currency": "EUR"},
    "sale-completed": {"order_id": "o1", "value": 19.5, "currency": "EUR"},
    **dict.fromkeys(("account-payable", "payment-sent", "payment-received"), PAYMENT),
    "increase-interest": {"interest": "shoes", "value": 3},
    "decrease-interest": {"interest": "shoes"},
    "reset-interest": {"interest": "hats"},
    "add-color-preference": {"color": "red"},
    "add-size-preference": {"size": "42"},
    "add-brand-preference": {"brand": "Nike"},
    "add-channel-preference": {"channel": "sms"},
    "add-payment-preference": {"payment": "card"},
    "loyalty-card-added": {"id": "card-1", "name": "Gold", "issuer": "Shop", "expires": "2030-01-01"},
    "message-received": MESSAGE,
}
# Sent last: it takes away what another type brought.
LAST = "loyalty-card-removed"


@pytest.fixture(scope="module")
def source(server: TestServer) -> str:
    source_id: str = server.add_source("built-in types", "tracardi", "web", system_events="no")["id"]
    return source_id


def test_all_types_are_accepted_and_make_one_profile(server: TestServer, source: str) -> None:
    types = [*(name for name in sorted(read_types()) if name != LAST), LAST]
    assert len(types) == 65
    for number, name in enumerate(types):
        event = {"type": name, "properties": SAID.get(name, {}), "time": {"insert": 1_600_000_000 + number}}
        body = {"source": {"id": source}, "session": {"id": "all-types"}, "events": [event]}
        answer = server.post("/track", body, headers=BROWSER)
        assert (answer.status, answer.json["errors"]) == (200, []), name
        profile_id = answer.json["profile"]["id"]
    server.wait_until_settled()

    headers = {"authorization": f"Bearer {server.admin_token}"}
    shown = server.request("GET", f"/profile/{profile_id}", headers=headers).json
    assert shown["stats"]["counters"] == dict.fromkeys(types, 1)
    assert shown["stats"]["views"] == 1
    assert shown["interests"] == {"hats": 0, "shoes": 2}
    assert shown["traits"]["plan"] == "pro"
    assert shown["consents"]["newsletter"] == {"revoke": None}
    assert "ads" not in shown["consents"]
    data = shown["data"]
    assert data["contact"]["email"] == {"main": MAIL, "private": None, "business": MAIL}
    assert data["contact"]["phone"]["mobile"] == PHONE
    assert data["contact"]["address"] == {
        **dict.fromkeys(("county", "other")),
        **{"town": "Berlin", "country": "DE", "postcode": "10115", "street": "Main St 1"},
    }
    assert (data["pii"]["firstname"], data["pii"]["lastname"], data["job"]["position"]) == ("Al", "Fox", "CTO")
    assert {name: data["identifier"][name] for name in ("pk", "id", "token", "credit_card", "coupons")} == {
        "pk": f"pk-{AL}",
        "id": f"crm-{AL}",
        "token": "al",
        "credit_card": "…1234",
        "coupons": ["SAVE"],
    }
    preferences = {name: value for name, value in data["preferences"].items() if value}
    assert preferences == {
        "brands": ["Nike"],
        "channels": ["sms"],
        "colors": ["red"],
        "payments": ["card"],
        "sizes": ["42"],
    }
    metrics = {name: value for name, value in data["metrics"].items() if value}
    assert metrics == {"ltcosv": 120, "ltcosc": 1, "ltcocv": 100, "ltcocc": 1, "ltcop": 1.0}
    assert set(data["loyalty"]["card"].values()) == {None}
    assert data["devices"]["last"]["geo"]["location"] == [13.4, 52.5]

    known = server.api(f"profiles/{profile_id}")
    assert {(each["kind"], each["value"]) for each in known["identities"]} >= {
        ("email", MAIL),
        ("phone", PHONE),
        ("user_id", f"pk-{AL}"),
        ("merge_key", f"crm-{AL}"),
    }
    assert known["name"] == "Al Fox"
    assert known["figures"]["revenue"] == {"EUR": 100.0}


def test_events_in_the_opposite_order_make_the_same_profile(server: TestServer, source: str) -> None:
    events = [
        {"type": "increase-interest", "properties": {"interest": "x", "value": 5}, "time": {"insert": 1_600_000_001}},
        {"type": "reset-interest", "properties": {"interest": "x"}, "time": {"insert": 1_600_000_002}},
        {"type": "increase-interest", "properties": {"interest": "x", "value": 1}, "time": {"insert": 1_600_000_003}},
        {"type": "add-color-preference", "properties": {"color": "red"}, "time": {"insert": 1_600_000_004}},
        {"type": "loyalty-card-added", "properties": {"id": "a"}, "time": {"insert": 1_600_000_005}},
        {"type": "loyalty-card-removed", "properties": {"id": "a"}, "time": {"insert": 1_600_000_006}},
        {"type": "loyalty-card-added", "properties": {"id": "b"}, "time": {"insert": 1_600_000_007}},
    ]
    shown = []
    for name, ordered in (("forth", events), ("back", events[::-1])):
        for event in ordered:
            body = {"source": {"id": source}, "session": {"id": f"order-{name}"}, "events": [event]}
            answer = server.post("/track", body, headers=BROWSER)
        server.wait_until_settled()
        headers = {"authorization": f"Bearer {server.admin_token}"}
        profile = server.request("GET", f"/profile/{answer.json['profile']['id']}", headers=headers).json
        shown.append({part: profile[part] for part in ("stats", "interests", "data")})
    assert shown[0] == shown[1]
    assert shown[0]["interests"] == {"x": 1}
    assert shown[0]["data"]["loyalty"]["card"]["id"] == "b"
