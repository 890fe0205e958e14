"""Orders that a shop's back end reports in Tracify's dialect, of people whom others know in clear."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.scenarios.conftest import Scenario

from trackway.client import calc_group

NUMBERS = itertools.count(1)
SITE = "11111111-2222-4333-8444-555555555555"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

Shop = Callable[..., None]


@pytest.fixture
def shop(scenario: Scenario) -> Shop:
    """Sends events of a shop with a token of its own: `shop("purchase", {hash: class}, order_id=…)`."""
    added = scenario.server.add_source(f"Shop {next(NUMBERS)}", "tracify", "server")
    token = added["credentials"]["tracify-token"]

    def send(event_type: str, hashes: dict[str, int], **data: Any) -> None:
        event = {
            "url": "https://shop.example/thanks",
            "customer_site_id": SITE,
            "identity_data": hashes,
            "type": event_type,
            "data": {"origin": "shop.example", **data},
        }
        answer = scenario.server.post("/api/v1/events", {"events": [event]}, headers={"tracify-token": token})
        assert (answer.status, answer.json) == (200, {"status": True})

    return send


def seen(address: str) -> dict[str, int]:
    """Hashes of somebody without a name, as a back end sees them."""
    return {calc_group(f"{address}|{FIREFOX}"): 2, calc_group(address): 3, calc_group(FIREFOX): 4}


def test_an_order_meets_who_told_the_page_their_address(scenario: Scenario, shop: Shop) -> None:
    scenario.browser(anonymous_id=scenario.me("laptop"), event_type="newsletter", email=scenario.mail("jane"))
    shop("purchase", {calc_group(scenario.mail("jane")): 1, **seen("203.0.113.80")}, order_id=scenario.me("o"),
         currency="EUR", amount="1.100,50")  # fmt: skip
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert scenario.what(profile) == ["newsletter", "purchase"]
    assert profile["figures"]["revenue"] == {"EUR": 1100.5}


def test_an_order_waits_for_who_tells_their_address_later(scenario: Scenario, shop: Shop) -> None:
    shop("purchase", {calc_group(scenario.mail("jane")): 1, calc_group("203.0.113.81"): 3},
         order_id=scenario.me("o"), currency="USD", amount="20")  # fmt: skip
    scenario.settle()
    scenario.pact({"event_type": "form_submit", "distinct_id": scenario.me("d"), "contact_id": scenario.me("c")})
    scenario.backend(contact_id=scenario.me("c"), email=scenario.mail("jane"), event_type="crm_updated")
    assert sorted(scenario.what(scenario.person("contact_id", scenario.me("c")))) == [
        *("crm_updated", "form_submit", "purchase"),
    ]


@pytest.mark.parametrize(
    ("spelling", "dropped"),
    [("as sent", 5), ("in capitals", 5), ("by the Ruby sample", 4)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_spellings_of_the_address_meet_the_same_person(
    scenario: Scenario, shop: Shop, spelling: str, dropped: int
) -> None:
    plain = scenario.mail("jane")
    told = plain.upper() if spelling == "in capitals" else plain
    scenario.backend(user_id=scenario.me("jane"), email=told)
    for number, hashed in enumerate({told, plain} if dropped == 5 else {plain}):
        shop("purchase", {calc_group(hashed, dropped): 1, calc_group("203.0.113.82"): 3},
             order_id=scenario.me(f"o{number}"), currency="EUR", amount="1")  # fmt: skip
    what = scenario.what(scenario.person("user_id", scenario.me("jane")))
    assert set(what) == {"server_event", "purchase"}
    assert scenario.person("user_id", scenario.me("jane"))["figures"]["revenue"]["EUR"] == len(what) - 1


def test_two_buyers_behind_one_address_stay_two(scenario: Scenario, shop: Shop) -> None:
    for buyer in ("anna", "ben"):
        shop("purchase", {calc_group(scenario.mail(buyer)): 1, **seen("203.0.113.83")},
             order_id=scenario.me(buyer), currency="EUR", amount="5")  # fmt: skip
    hashes = [("email_hash", calc_group(scenario.mail(buyer))) for buyer in ("anna", "ben")]
    assert scenario.apart(*hashes)


def test_a_visit_without_an_address_is_likened_and_not_joined(scenario: Scenario, shop: Shop) -> None:
    page = {"event_type": "page_view", "anonymous_id": scenario.me("laptop")}
    scenario.send("web", page, **{"user-agent": FIREFOX, "x-forwarded-for": "203.0.113.84"})
    shop("addtocart", seen("203.0.113.84"))
    profile = scenario.person("anonymous_id", scenario.me("laptop"))
    assert scenario.what(profile) == ["page_view"]
    assert [suggested["confidence"] <= 0.5 for suggested in profile["suggested"]] == [True]


def test_customers_without_an_address_are_not_one_person(scenario: Scenario, shop: Shop) -> None:
    """A shop that hashes whatever stands in the field sends the hash of nothing."""
    for buyer in ("anna", "ben"):
        scenario.backend(user_id=scenario.me(buyer), email=scenario.mail(buyer))
        shop("purchase", {calc_group(""): 1, calc_group(scenario.mail(buyer)): 1, calc_group("203.0.113.85"): 3},
             order_id=scenario.me(buyer), currency="EUR", amount="5")  # fmt: skip
    assert scenario.apart(("user_id", scenario.me("anna")), ("user_id", scenario.me("ben")))
    assert scenario.what(scenario.person("user_id", scenario.me("ben"))) == ["server_event", "purchase"]
