"""How a client of each dialect sends, so that one test can be put to all of them.

A new protocol gets a recipe here; what is said of every dialect is then said of it too.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HASHES = {
    "d6c77f0e3e6c1c276c2e9e6e7e1d8d0a5b4e7c7e3f1e7e7e5d8f7e2e7d5a5d7e": 1,
    "e7d6c5b4a3b2c1d0e9f8e7d6c5b4a3d2e1f0d9c8b7a6e5d4c3b2a1d0e9f8c7b6": 3,
}
SITE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Sent:
    """One request. `content` is its JSON."""

    path: str
    headers: Mapping[str, str]
    content: Any

    @property
    def body(self) -> bytes:
        return json.dumps(self.content).encode()


@dataclass(frozen=True)
class Recipe:
    """`events` are two different ones that are fine, `wrong` one that is refused for its content.

    `wrap` makes the request of a client who has a key. `explains` finds in an answer why something
    was refused. `names` are fields to try anything in, `free` is the object in which everything is kept
    ("" is the event itself). A dialect that takes one event a request has `single`.
    """

    wrap: Callable[[str, Sequence[Any]], Sent]
    events: tuple[Any, Any]
    wrong: Any
    explains: Callable[[Any], str]
    names: tuple[str, ...]
    channel: str = "server"
    free: str = ""
    single: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    def with_extra(self, extra: Any) -> Any:
        """The first event, with `extra` where the dialect keeps anything."""
        event = self.events[0]
        if not self.free:
            return {**event, "extra": extra}
        return {**event, self.free: {**event.get(self.free, {}), "extra": extra}}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def wrap_native(key: str, events: Sequence[Any]) -> Sent:
    return Sent("/v1/events", bearer(key), {"events": list(events)})


def wrap_pact(key: str, events: Sequence[Any]) -> Sent:
    return Sent("/v1/tracking/events", bearer(key), {"events": list(events)})


def wrap_tracardi(key: str, events: Sequence[Any]) -> Sent:
    content = {"source": {"id": key}, "session": {"id": "visit-1"}, "events": list(events)}
    return Sent("/track", {"content-type": "application/json"}, content)


def wrap_tracify(key: str, events: Sequence[Any]) -> Sent:
    return Sent("/api/v1/events", {"tracify-token": key}, {"events": list(events)})


def wrap_clarm(key: str, events: Sequence[Any]) -> Sent:
    return Sent("/api/track", bearer(key), {"events": list(events)})


def wrap_orbee(key: str, events: Sequence[Any]) -> Sent:
    [event] = events
    return Sent(f"/collect/{key}/event", {"content-type": "application/json"}, event)


def explain_native(answer: Any) -> str:
    content = answer.json
    told = content["error"] if "error" in content else next(r for r in content["results"] if r["status"] == "rejected")
    return f"{told['reason']} {told['field']} {told['message']}"


def explain_pact(answer: Any) -> str:
    content = answer.json
    if "results" in content:
        content = next(r for r in content["results"] if r["status"] == "rejected")
    return str(content["detail"])


def explain_tracardi(answer: Any) -> str:
    content = answer.json
    return str(content["detail"] if "detail" in content else content["errors"])


def explain_tracify(answer: Any) -> str:
    assert answer.json["status"] is False
    return str(answer.json["error"])


def explain_clarm(answer: Any) -> str:
    content = answer.json
    assert content["success"] is False
    return str(content["error"])


def explain_orbee(answer: Any) -> str:
    """Orbee's clients are told only what is worth sending again; the header is for whoever looks."""
    assert answer.status in (429, 503, 507) or (answer.status, answer.body) == (204, b"")
    return str(answer.headers["x-event-status"])


RECIPES: dict[str, Recipe] = {
    "native": Recipe(
        wrap=wrap_native,
        events=(
            {"event_type": "page_view", "anonymous_id": "a", "url": "https://shop.example/?utm_source=x"},
            {
                "event_type": "purchase",
                "anonymous_id": "a",
                "email": "a@b.example",
                "properties": {"order_id": "A-1", "amount": "10,5", "currency": "EUR", "lines": [{"sku": 1}]},
                "traits": {"name": "A"},
                "consent": {"tracking": "granted"},
            },
        ),
        wrong={"anonymous_id": "a"},
        explains=explain_native,
        free="properties",
        names=(
            *("event_type", "anonymous_id", "occurred_at", "sent_at", "properties", "context", "dedupe_key", "url"),
            *("title", "channel", "events", "write_key", "contact_id", "session_id", "identifiers", "traits", "consent"),
        ),
    ),
    "pact": Recipe(
        wrap=wrap_pact,
        events=(
            {"event_type": "page_view", "distinct_id": "a", "url": "https://acme.example/pricing", "session_id": "s"},
            {"event_type": "form_submit", "contact_id": "c", "account_id": "acme", "properties": {"form": "demo"}},
        ),
        wrong={"event_type": "click"},
        explains=explain_pact,
        free="properties",
        names=(
            *("event_type", "distinct_id", "session_id", "url", "referrer", "properties", "source", "contact_id"),
            *("account_id", "dedupe_key", "occurred_at", "timestamp", "event_time", "ts", "events"),
        ),
    ),
    "tracardi": Recipe(
        wrap=wrap_tracardi,
        events=(
            {"type": "page-view", "properties": {"url": "https://shop.example/"}},
            {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
        ),
        wrong={"properties": {}},
        explains=explain_tracardi,
        free="properties",
        names=(
            *("source", "session", "profile", "events", "context", "options", "properties", "metadata", "request"),
            *("type", "id", "time", "save", "profile_less", "debugger"),
        ),
        channel="web",
        settings={"system_events": "no"},
    ),
    "tracify": Recipe(
        wrap=wrap_tracify,
        events=(
            {
                "url": "https://shop.example/?utm_source=fb",
                "customer_site_id": SITE,
                "identity_data": HASHES,
                "datetime": "2026-06-21 12:36:37",
                "type": "pageview",
                "data": {"origin": "https://shop.example", "Referer": "https://www.google.com", "utm_source": "fb"},
            },
            {
                "url": "https://shop.example/thanks",
                "customer_site_id": SITE,
                "identity_data": HASHES,
                "type": "purchase",
                "data": {
                    "origin": "https://shop.example",
                    "order_id": "O-1",
                    "currency": "EUR",
                    "amount": "100,00",
                    "ITEM1": "Shoe",
                    "AMT1": "50",
                    "QTY1": "2",
                },
            },
        ),
        wrong={"url": "https://shop.example/", "customer_site_id": SITE, "identity_data": HASHES, "type": "purchase",
               "data": {"origin": "https://shop.example"}},
        explains=explain_tracify,
        free="data",
        names=("events", "url", "customer_site_id", "identity_data", "datetime", "type", "data", "origin", "order_id"),
    ),
    "clarm": Recipe(
        wrap=wrap_clarm,
        events=(
            {"event": "page_view", "visitor_id": "v_1", "session_id": "s_1", "url": "https://acme.example/"},
            {
                "event": "purchase",
                "properties": {"amount": 299.0, "currency": "USD", "orderId": "ord_1"},
                "visitor_id": "v_1",
                "timestamp": "2026-01-05T10:00:00.000Z",
            },
        ),
        wrong={"visitor_id": "v_1"},
        explains=explain_clarm,
        free="properties",
        names=(
            *("event", "event_type", "type", "event_name", "name", "properties", "props", "data", "payload", "events"),
            *("visitor_id", "session_id", "timestamp", "url", "referrer", "user_agent", "widget_id", "visitorId"),
        ),
    ),
    "orbee": Recipe(
        wrap=wrap_orbee,
        events=(
            {"action": "view", "object": "form", "vendor": "Vendor A", "product": "Product 1", "instance_id": "abc123"},
            {
                "action": "Complete",
                "object": "chat",
                "vendor": "Acme Chat",
                "product": "Messenger",
                "instanceID": "chat-991",
                "label": "chat finished",
                "email": "a@b.example",
                "score": 3,
            },
        ),
        wrong={"action": "View"},
        explains=explain_orbee,
        names=("action", "object", "vendor", "product", "instance_id", "instanceID", "label", "score", "email"),
        single=True,
        settings={"vendors": "Vendor A,Acme Chat"},
    ),
}  # fmt: skip
