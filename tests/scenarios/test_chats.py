"""Chats, calls and orders, seen by a page and by a back end that know different names of the same person.

In Orbee's and Clarm's own dialects, beside pages that speak the native one.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.scenarios.conftest import FIREFOX, Scenario

NUMBERS = itertools.count(1)


class Dealer:
    """A scenario with an Orbee tracker and a Clarm back end and widget of its own."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, number = scenario, next(NUMBERS)
        add = scenario.server.add_source
        self.tracker = add(f"Dealer {number}", "orbee", "server", vendors="Acme Chat")["credentials"]["tracker"]
        self.key = add(f"Help desk {number}", "clarm", "server")["credentials"]["api_key"]
        self.widget = add(f"Help widget {number}", "clarm", "web")["credentials"]["widget_id"]

    def orbee(self, action: str, what: str, instance_id: str, **extra: Any) -> None:
        content = {"action": action, "object": what, "vendor": "Acme Chat", "product": "Messenger", **extra}
        answer = self.scenario.server.post(f"/collect/{self.tracker}/event", {**content, "instance_id": instance_id})
        assert (answer.status, answer.headers["x-event-status"]) == (204, "accepted")

    def clarm(self, event: str, *, widget: bool = False, **content: Any) -> Any:
        headers = {"x-widget-id": self.widget, "user-agent": FIREFOX} if widget else {}
        answer = self.scenario.server.post(
            "/api/track", {"event": event, **content}, "" if widget else self.key, headers
        )
        assert (answer.status, answer.json["success"]) == (200, True), answer.body
        return answer.json

    def talk(self, profile: dict[str, Any]) -> list[str]:
        """What was said in the only conversation of somebody, as the API tells it."""
        [conversation] = self.scenario.server.api(f"profiles/{profile['profile_id']}/conversations")["items"]
        return [message["text"] for message in conversation["messages"]]


@pytest.fixture
def dealer(scenario: Scenario) -> Dealer:
    return Dealer(scenario)


def test_a_chat_of_the_page_and_the_lead_of_its_back_end_are_one_person(scenario: Scenario, dealer: Dealer) -> None:
    chat, shopper = scenario.me("chat-991"), scenario.me("shopper")
    scenario.browser(anonymous_id=shopper)
    scenario.browser(anonymous_id=shopper, instance_id=chat, event_type="chat_started")
    dealer.orbee("Complete", "chat", chat, email=scenario.mail("lead"), firstName="Ada", label="chat finished")
    profile = scenario.person("anonymous_id", shopper)
    assert profile["profile_id"] == scenario.person("email", scenario.mail("lead"))["profile_id"]
    assert scenario.what(profile) == ["page_view", "chat_started", "complete chat"]
    assert scenario.traits(profile)["first_name"] == "Ada"


def test_the_lead_may_come_long_before_the_page(scenario: Scenario, dealer: Dealer) -> None:
    chat, shopper = scenario.me("chat-992"), scenario.me("shopper")
    dealer.orbee("Complete", "chat", chat, email=scenario.mail("lead"), occurred_at=scenario.at(-200 * 24 * 60))
    lead = scenario.person("email", scenario.mail("lead"))
    scenario.browser(anonymous_id=shopper, instance_id=chat, event_type="chat_started")
    assert scenario.same(("anonymous_id", shopper), ("email", scenario.mail("lead")), ("instance_id", chat))
    assert scenario.what(scenario.person("anonymous_id", shopper)) == ["complete chat", "chat_started"]
    # Whoever kept the id of the lead's profile still finds them by it.
    assert (
        scenario.server.api(f"profiles/{lead['profile_id']}")["profile_id"]
        == (scenario.person("anonymous_id", shopper)["profile_id"])
    )


def test_a_call_without_a_page_is_enriched_until_it_names_somebody(scenario: Scenario, dealer: Dealer) -> None:
    call = scenario.me("call-1")
    dealer.orbee("Start", "call", call)
    dealer.orbee("Complete", "call", call, phone="+4930555010", interest="SUV")
    profile = scenario.person("instance_id", call)
    assert scenario.what(profile) == ["start call", "complete call"]
    assert {identity["kind"] for identity in profile["identities"]} == {"instance_id", "phone"}
    # Later the same caller orders on the page, and gives their number.
    scenario.browser(anonymous_id=scenario.me("laptop"), phone="+49 30 555010", event_type="form_submit")
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("instance_id", call))


def test_two_calls_from_the_same_back_end_are_two_people(scenario: Scenario, dealer: Dealer) -> None:
    for number in ("1", "2"):
        dealer.orbee("Start", "call", scenario.me(f"call-{number}"))
    assert scenario.apart(("instance_id", scenario.me("call-1")), ("instance_id", scenario.me("call-2")))
    assert scenario.person("instance_id", scenario.me("call-1"))["suggested"] == []


def test_two_browsers_of_one_chat_are_one_person_until_somebody_parts_them(scenario: Scenario, dealer: Dealer) -> None:
    """Orbee's own analytics take the latest browser alone; docs/reference/protocols/orbee.md says why we do not."""
    chat = scenario.me("chat")
    scenario.browser(anonymous_id=scenario.me("laptop"), instance_id=chat, event_type="chat_started")
    scenario.browser(anonymous_id=scenario.me("phone"), instance_id=chat, event_type="chat_started")
    dealer.orbee("Complete", "chat", chat, email=scenario.mail("lead"))
    profile = scenario.person("email", scenario.mail("lead"))
    assert {i["value"] for i in profile["identities"] if i["kind"] == "anonymous_id"} == {
        scenario.me("laptop"), scenario.me("phone")
    }  # fmt: skip
    [link] = [
        each for each in scenario.links(profile) if scenario.me("phone") in (each["a"]["value"], each["b"]["value"])
    ]
    scenario.ask("POST", f"edges/{link['edge']}/undo", {"note": "somebody else"})
    assert scenario.same(("anonymous_id", scenario.me("laptop")), ("email", scenario.mail("lead")))
    assert scenario.apart(("anonymous_id", scenario.me("laptop")), ("anonymous_id", scenario.me("phone")))
    # More events of the same chat do not bring back what a person has parted.
    scenario.browser(anonymous_id=scenario.me("phone"), instance_id=chat, event_type="chat_started")
    assert scenario.apart(("anonymous_id", scenario.me("laptop")), ("anonymous_id", scenario.me("phone")))


def test_two_customers_who_share_a_chat_id_are_not_merged_by_it(scenario: Scenario, dealer: Dealer) -> None:
    chat = scenario.me("chat")
    for name in ("ann", "bob"):
        scenario.backend(anonymous_id=scenario.me(f"{name}-pc"), user_id=scenario.me(name), event_type="login")
        scenario.browser(anonymous_id=scenario.me(f"{name}-pc"), instance_id=chat, event_type="chat_started")
    dealer.orbee("Complete", "chat", chat, email=scenario.mail("lead"))
    assert scenario.apart(("user_id", scenario.me("ann")), ("user_id", scenario.me("bob")), ("instance_id", chat))
    links = scenario.links(scenario.person("user_id", scenario.me("ann")))
    [why] = {link["why"] for link in links if link["state"] == "quarantined"}
    assert why.startswith("It is shared by people with different ids")


def test_a_lead_whose_address_a_crm_knows_brings_the_visitor_to_that_contact(
    scenario: Scenario, dealer: Dealer
) -> None:
    chat, shopper = scenario.me("chat"), scenario.me("shopper")
    scenario.backend(contact_id=scenario.me("contact"), email=scenario.mail("lead"))
    scenario.browser(anonymous_id=shopper, instance_id=chat, event_type="chat_started")
    dealer.orbee("Complete", "chat", chat, email=scenario.mail("lead"))
    assert scenario.what(scenario.person("contact_id", scenario.me("contact"))) == [
        "server_event", "chat_started", "complete chat"
    ]  # fmt: skip


def test_clarm_who_signs_in_brings_their_talk_and_their_order(scenario: Scenario, dealer: Dealer) -> None:
    visitor, session = scenario.me("v_9f2c"), scenario.me("s_1")
    own = {"visitor_id": visitor, "session_id": session}
    dealer.clarm("page_view", widget=True, url="https://acme.example/pricing", **own)
    dealer.clarm("message_sent", widget=True, properties={"message": "What does it cost?"}, **own)
    said = {"email": scenario.mail("jane"), "name": "Jane Smith", "company": "Acme Inc", "plan": "enterprise"}
    dealer.clarm("identify", widget=True, properties=said, **own)
    order = {"amount": 299.0, "currency": "USD", "plan": "growth", "orderId": scenario.me("ord")}
    dealer.clarm("purchase", properties=order, visitor_id=visitor)
    again = dealer.clarm("purchase", properties=order, visitor_id=visitor)
    assert again["duplicate"] is True
    profile = scenario.person("email", scenario.mail("jane"))
    assert scenario.what(profile) == ["page_view", "message_sent", "identify", "purchase"]
    assert profile["name"] == "Jane Smith"
    assert scenario.traits(profile)["company"] == "Acme Inc"
    assert profile["figures"]["revenue"] == {"USD": 299.0}


def test_clarm_a_guessed_payment_is_no_revenue(scenario: Scenario, dealer: Dealer) -> None:
    visitor = scenario.me("v")
    guess = {"auto": True, "heuristic": True, "amount": 50, "currency": "EUR"}
    for name in ("payment_page_view", "payment_success", "purchase"):
        dealer.clarm(name, widget=True, visitor_id=visitor, properties=guess)
    profile = scenario.person("anonymous_id", visitor)
    assert len(scenario.what(profile)) == 3
    assert profile["figures"]["revenue"] == {}


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_clarm_a_conversation_is_told_in_its_order_whatever_the_order_it_came_in(
    scenario: Scenario, dealer: Dealer, order: tuple[int, ...]
) -> None:
    visitor, chat = scenario.me("v"), scenario.me("conversation")
    sends: list[Callable[[], Any]] = [
        lambda: dealer.clarm("message_sent", widget=True, visitor_id=visitor, conversation_id=chat,
                             text="Is it waterproof?", timestamp=scenario.at(1)),
        # The back end's answer names the conversation alone.
        lambda: dealer.clarm("message_received", conversation_id=chat, text="Yes.", timestamp=scenario.at(2)),
        lambda: dealer.clarm("message_sent", widget=True, visitor_id=visitor, conversation_id=chat,
                             text="And warm?", timestamp=scenario.at(3)),
        lambda: dealer.clarm("message_received", conversation_id=chat, text="Quite.", timestamp=scenario.at(4)),
    ]  # fmt: skip
    for index in order:
        sends[index]()
        scenario.settle()
    profile = scenario.person("anonymous_id", visitor)
    assert dealer.talk(profile) == ["Is it waterproof?", "Yes.", "And warm?", "Quite."]


def test_clarm_numbers_put_messages_in_order_where_no_time_is_sent(scenario: Scenario, dealer: Dealer) -> None:
    visitor, session = scenario.me("v"), scenario.me("s")
    own = {"visitor_id": visitor, "session_id": session}
    dealer.clarm("widget_opened", widget=True, **own)
    for number in (3, 1, 2):
        dealer.clarm("message_sent", widget=True, properties={"text": f"{number}", "sequence": number}, **own)
        scenario.settle()
    assert dealer.talk(scenario.person("anonymous_id", visitor)) == ["", "1", "2", "3"]


def test_clarm_numbers_that_two_sides_counted_leave_the_order_to_time(scenario: Scenario, dealer: Dealer) -> None:
    own = {"visitor_id": scenario.me("v"), "session_id": scenario.me("s")}
    said = [("message_sent", 1), ("message_received", 1), ("message_received", 2), ("message_sent", 2)]
    for minute, (event, number) in enumerate(said):
        dealer.clarm(
            event, timestamp=scenario.at(minute), properties={"text": f"{minute}", "sequence": number}, **own
        )  # fmt: skip
    assert dealer.talk(scenario.person("anonymous_id", scenario.me("v"))) == ["0", "1", "2", "3"]
