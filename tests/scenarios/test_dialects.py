"""One story, six senders: what the documents tell of people comes out the same in every dialect.

Where a dialect cannot say something, its sender says so, and the test asserts what follows from that.
"""

import itertools
import time
import uuid
from typing import Any

import pytest
from tests.scenarios.conftest import FIREFOX, Scenario

from trackway.client import calc_group
from trackway.testing.server import Answer

NUMBERS = itertools.count(1)
Named = tuple[str, str]


class Sender:
    """A site and its back end that speak one dialect.

    `device` and `person` are names within the scenario. `joins` says that the dialect names a visitor and the
    person they are in one event; `pays` that an order has an amount, `repeats` that a repeat is known as one;
    `browses` that pages send in it themselves.
    """

    protocol = ""
    joins, pays, repeats, browses = True, True, True, True

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.headers: dict[str, str] = {"user-agent": FIREFOX}
        self.add_sources()

    def add_sources(self) -> None:
        self.page = self.add("web")
        self.back_end = self.add("server")

    def add(self, channel: str, **settings: str) -> str:
        added = self.scenario.server.add_source(f"{self.protocol} {next(NUMBERS)}", self.protocol, channel, **settings)
        [key] = added["credentials"].values()
        return str(key)

    def post(self, path: str, content: Any, key: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.scenario.server.post(path, content, key, {**self.headers, **named})
        assert answer.status in (200, 202, 204), answer.body
        return answer

    def mail(self, person: str) -> str:
        return self.scenario.mail(person)

    def look(self, device: str) -> None:
        """Somebody without a name looks at a page."""
        raise NotImplementedError

    def tell(self, device: str, person: str) -> None:
        """They say who they are."""
        raise NotImplementedError

    def order(self, device: str, person: str, order: str) -> None:
        """The back end reports an order of 20 EUR of theirs."""
        raise NotImplementedError

    def of_device(self, device: str) -> Named:
        return "anonymous_id", self.scenario.me(device)

    def of_person(self, person: str) -> Named:
        return "email", self.mail(person)


class Native(Sender):
    protocol = "native"

    def look(self, device: str) -> None:
        self.post("/v1/events", {"event_type": "page_view", "anonymous_id": self.scenario.me(device)}, self.page)

    def tell(self, device: str, person: str) -> None:
        said = {"event_type": "identify", "anonymous_id": self.scenario.me(device), "email": self.mail(person)}
        self.post("/v1/events", said, self.page)

    def order(self, device: str, person: str, order: str) -> None:
        properties = {"order_id": self.scenario.me(order), "amount": 20, "currency": "EUR"}
        said = {"event_type": "purchase", "email": self.mail(person), "properties": properties}
        self.post("/v1/events", said, self.back_end)


class Pact(Sender):
    """Knows a person by the CRM's id."""

    protocol = "pact"

    def _post(self, key: str, **event: Any) -> None:
        self.post("/v1/tracking/events", event, key)

    def look(self, device: str) -> None:
        self._post(self.page, event_type="page_view", distinct_id=self.scenario.me(device), url="https://acme.example/")

    def tell(self, device: str, person: str) -> None:
        who = {"distinct_id": self.scenario.me(device), "contact_id": self.scenario.me(person)}
        self._post(self.back_end, event_type="form_submit", **who)

    def order(self, device: str, person: str, order: str) -> None:
        properties = {"amount": 20, "currency": "EUR"}
        who = {"contact_id": self.scenario.me(person), "dedupe_key": self.scenario.me(order)}
        self._post(self.back_end, event_type="purchase", properties=properties, **who)

    def of_person(self, person: str) -> Named:
        return "contact_id", self.scenario.me(person)


class Tracardi(Sender):
    """Keeps the profile id that it is given, as the real script does, and opens a session for each visit."""

    protocol = "tracardi"

    def add_sources(self) -> None:
        self.page = self.add("web", system_events="no")
        self.back_end = self.add("server", system_events="no")
        self.kept: dict[str, str] = {}

    def _track(self, source: str, device: str, **event: Any) -> None:
        profile = {"profile": {"id": self.kept[device]}} if device in self.kept else {}
        session = {"id": f"{self.scenario.me(device)}-{uuid.uuid4()}"}
        payload = {"source": {"id": source}, "session": session, **profile, "events": [event]}
        self.kept[device] = self.post("/track", payload).json["profile"]["id"]

    def look(self, device: str) -> None:
        self._track(self.page, device, type="page-view", properties={"url": "https://shop.example/"})

    def tell(self, device: str, person: str) -> None:
        self._track(self.page, device, type="sign-in", properties={"email": {"main": self.mail(person)}})

    def order(self, device: str, person: str, order: str) -> None:
        properties = {"amount": 20, "currency": "EUR"}
        self._track(self.back_end, device, type="purchase", id=self.scenario.me(order), properties=properties)

    def of_device(self, device: str) -> Named:
        return "profile_id", self.kept[device]


class Tracify(Sender):
    """Knows hashes only; one of address and browser links nobody, so a page view stays nobody's."""

    protocol = "tracify"
    joins, browses = False, False

    def add_sources(self) -> None:
        self.back_end = self.add("server")

    def _post(self, event_type: str, hashes: dict[str, int], **data: Any) -> None:
        event = {
            "url": "https://shop.example/",
            "customer_site_id": "11111111-2222-4333-8444-555555555555",
            "identity_data": hashes,
            "type": event_type,
            "data": {"origin": "shop.example", **data},
        }
        answer = self.post("/api/v1/events", {"events": [event]}, tracify_token=self.back_end)
        assert answer.json == {"status": True}

    def _seen(self, device: str) -> dict[str, int]:
        return {calc_group(f"{self.scenario.me(device)}|{FIREFOX}"): 2, calc_group(self.scenario.me(device)): 3}

    def look(self, device: str) -> None:
        self._post("pageview", self._seen(device))

    def tell(self, device: str, person: str) -> None:
        self._post("newsletter", {calc_group(self.mail(person)): 1, **self._seen(device)})

    def order(self, device: str, person: str, order: str) -> None:
        amount = {"order_id": self.scenario.me(order), "amount": "20,00", "currency": "EUR"}
        self._post("purchase", {calc_group(self.mail(person)): 1, **self._seen(device)}, **amount)

    def of_device(self, device: str) -> Named:
        return "session_hash", next(iter(self._seen(device)))

    def of_person(self, person: str) -> Named:
        return "email_hash", calc_group(self.mail(person))


class Clarm(Sender):
    protocol = "clarm"

    def _post(self, event: str, device: str, properties: dict[str, Any], *, back_end: bool = False) -> None:
        said = {"event": event, "visitor_id": self.scenario.me(device), "properties": properties}
        if back_end:
            self.post("/api/track", said, self.back_end)
        else:
            self.post("/api/track", {**said, "widget_id": self.page})

    def look(self, device: str) -> None:
        self._post("page_view", device, {})

    def tell(self, device: str, person: str) -> None:
        self._post("identify", device, {"email": self.mail(person)})

    def order(self, device: str, person: str, order: str) -> None:
        properties = {"amount": 20, "currency": "EUR", "orderId": self.scenario.me(order)}
        self._post("purchase", device, properties, back_end=True)


class Orbee(Sender):
    """Has no word for a repeat and none for money."""

    protocol = "orbee"
    pays, repeats = False, False

    def add_sources(self) -> None:
        self.page = self.back_end = self.add("web")

    def _post(self, action: str, what: str, device: str, **more: Any) -> None:
        named = {"vendor": "Acme", "product": "Site", "instance_id": self.scenario.me(f"call-{device}")}
        said = {"action": action, "object": what, "visitor_id": self.scenario.me(device), **named, **more}
        answer = self.post(f"/collect/{self.page}/event", said)
        assert (answer.status, answer.headers["x-event-status"]) == (204, "accepted")

    def look(self, device: str) -> None:
        self._post("View", "page", device)

    def tell(self, device: str, person: str) -> None:
        self._post("Submit", "form", device, email=self.mail(person))

    def order(self, device: str, person: str, order: str) -> None:
        self._post("Complete", "order", device, email=self.mail(person), label=order)


SENDERS = (Native, Pact, Tracardi, Tracify, Clarm, Orbee)


@pytest.fixture(params=SENDERS, ids=lambda kind: kind.protocol)
def sender(request: pytest.FixtureRequest, scenario: Scenario) -> Sender:
    made: Sender = request.param(scenario)
    return made


def test_who_says_who_they_are_keeps_what_they_did_before(scenario: Scenario, sender: Sender) -> None:
    sender.look("laptop")
    sender.look("laptop")
    before = scenario.find(*sender.of_device("laptop"))
    assert before is None or before["identified"] is False
    sender.tell("laptop", "jane")
    profile = scenario.person(*sender.of_person("jane"))
    assert profile["identified"] is True
    assert len(scenario.what(profile)) == (3 if sender.joins else 1)
    if sender.joins:
        assert scenario.same(sender.of_person("jane"), sender.of_device("laptop"))


def test_two_devices_of_one_person_are_one_profile_from_when_both_said_so(scenario: Scenario, sender: Sender) -> None:
    for device in ("laptop", "phone"):
        sender.look(device)
        sender.tell(device, "jane")
    profile = scenario.person(*sender.of_person("jane"))
    assert len(scenario.what(profile)) == (4 if sender.joins else 2)
    if sender.joins:
        assert scenario.same(sender.of_device("laptop"), sender.of_device("phone"))


def test_two_people_at_one_device_stay_two(scenario: Scenario, sender: Sender) -> None:
    scenario.backend(user_id=scenario.me("u-jane"), email=scenario.mail("jane"), contact_id=scenario.me("jane"))
    scenario.backend(user_id=scenario.me("u-ben"), email=scenario.mail("ben"), contact_id=scenario.me("ben"))
    sender.look("family-pc")
    sender.tell("family-pc", "jane")
    sender.tell("family-pc", "ben")
    assert scenario.apart(("user_id", scenario.me("u-jane")), ("user_id", scenario.me("u-ben")))


def test_an_order_reaches_the_person_and_counts_once(scenario: Scenario, sender: Sender) -> None:
    sender.look("laptop")
    sender.tell("laptop", "jane")
    for _ in range(2):
        sender.order("laptop", "jane", "order-1")
    scenario.settle()
    sender.order("laptop", "jane", "order-1")
    profile = scenario.person(*sender.of_person("jane"))
    orders = [what for what in scenario.what(profile) if "purchase" in what or "order" in what]
    assert len(orders) == (1 if sender.repeats else 3)
    assert profile["figures"]["revenue"] == ({"EUR": 20.0} if sender.pays else {})


def test_the_crm_names_who_the_dialect_found(scenario: Scenario, sender: Sender) -> None:
    sender.look("laptop")
    sender.tell("laptop", "jane")
    contact = scenario.me("jane")
    scenario.ask("PUT", f"contacts/{contact}", {"email": scenario.mail("jane"), "traits": {"name": "Jane Smith"}})
    profile = scenario.person("contact_id", contact)
    assert profile["name"] == "Jane Smith"
    assert profile["profile_id"] == scenario.person(*sender.of_person("jane"))["profile_id"]
    assert len(scenario.what(profile)) >= (2 if sender.joins else 1)


def test_a_visitor_from_europe_who_said_nothing_is_stored_as_nobody(scenario: Scenario, sender: Sender) -> None:
    if not sender.browses:
        pytest.skip("a dialect of back ends: what a request's address says is not the visitor's")
    sender.headers = {**sender.headers, "cf-ipcountry": "DE"}
    sender.look("laptop")
    scenario.settle()
    if sender.protocol == "tracardi":
        # The door had to give out an id; nothing hangs on it.
        found = scenario.find(*sender.of_device("laptop"))
        assert found is None or scenario.what(found) == []
    else:
        assert scenario.find(*sender.of_device("laptop")) is None


def test_who_was_erased_and_comes_back_begins_anew(scenario: Scenario, sender: Sender) -> None:
    sender.look("laptop")
    sender.tell("laptop", "jane")
    kind, value = sender.of_person("jane")
    assert scenario.person(kind, value)
    asked = {"kind": kind, "value": value, "reason": "asked for"}
    answer = scenario.server.post("/api/v1/privacy/erase", asked, scenario.server.admin_token)
    assert answer.status in (200, 202), answer.body
    ends = time.monotonic() + 60
    while scenario.find(kind, value) is not None:
        assert time.monotonic() < ends, "the erasure does not get on"
        time.sleep(0.1)
    sender.look("laptop")
    sender.tell("laptop", "jane")
    assert len(scenario.what(scenario.person(kind, value))) == (2 if sender.joins else 1)


def test_all_dialects_together_tell_of_one_person(scenario: Scenario) -> None:
    """The same address in clear, hashed and as a CRM's contact, in any order."""
    senders = [kind(scenario) for kind in SENDERS]
    for number, sender in enumerate(reversed(senders)):
        device = f"device-{number}"
        sender.look(device)
        sender.tell(device, "jane")
    scenario.ask("PUT", f"contacts/{scenario.me('jane')}", {"email": scenario.mail("jane")})
    assert scenario.same(*dict.fromkeys(sender.of_person("jane") for sender in senders))
    profile = scenario.person("email", scenario.mail("jane"))
    events = scenario.timeline(profile, limit=100)
    assert {event["protocol"] for event in events} == {kind.protocol for kind in SENDERS}
    assert len([event for event in events if event["source"] != "trackway"]) == sum(1 + k.joins for k in SENDERS)
