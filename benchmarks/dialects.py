"""The example request of each dialect's own documentation, ready to send again and again.

What must differ from request to request is a slot: the retry key where the dialect has one, and the
visitor or session, new for every eighth request.
"""

import json
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from benchmarks.visits import KEY_SLOT, VISITOR_SLOT

KEY, VISITOR = KEY_SLOT.decode(), VISITOR_SLOT.decode()
SITE = "00000000-0000-0000-0000-000000000000"
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


class Example(Struct, frozen=True):
    """`make` gives path, headers and body from the key of a source with these settings."""

    protocol: str
    channel: str
    events: int
    make: Callable[[str], tuple[str, dict[str, str], Any]]
    settings: tuple[str, ...] = ()

    def write(self, key: str) -> bytes:
        path, headers, content = self.make(key)
        body = json.dumps(content, separators=(",", ":")).encode()
        lines = {
            "host": "127.0.0.1",
            "user-agent": USER_AGENT,
            "accept": "*/*",
            "content-type": "application/json",
            **headers,
            "content-length": str(len(body)),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _view_page(visitor_field: str) -> dict[str, Any]:
    return {
        "event_type": "page_view",
        visitor_field: f"anon-{VISITOR}",
        "url": "https://acme.com/pricing",
        "referrer": "https://google.com",
        "properties": {"plan_viewed": "growth"},
        "dedupe_key": f"pageview-{KEY}",
    }


def _make_native(key: str) -> tuple[str, dict[str, str], Any]:
    return "/v1/events", {"authorization": f"Bearer {key}"}, _view_page("anonymous_id")


def _make_native_pair(key: str) -> tuple[str, dict[str, str], Any]:
    order = {
        "event_type": "purchase-order",
        "session_id": VISITOR,
        "properties": {"product": "Nike shoes", "quantity": 1},
    }
    view = {"event_type": "page-view", "session_id": VISITOR}
    return "/v1/events", {"authorization": f"Bearer {key}"}, {"events": [order, view]}


def _make_pact(key: str) -> tuple[str, dict[str, str], Any]:
    return "/v1/tracking/events", {"authorization": f"Bearer {key}"}, _view_page("distinct_id")


def _make_tracardi(key: str) -> tuple[str, dict[str, str], Any]:
    payload = {
        "source": {"id": key},
        "session": {"id": VISITOR},
        "events": [
            {"type": "purchase-order", "properties": {"product": "Nike shoes", "quantity": 1}},
            {"type": "page-view"},
        ],
    }
    return "/track", {}, payload


def _make_tracify(key: str) -> tuple[str, dict[str, str], Any]:
    event = {
        "url": "https://www.yourwebsite.com/your-full-path-here",
        "customer_site_id": SITE,
        "identity_data": {
            "d6c77f0e3e6c1c276c2e9e6e7e1d8d0a5b4e7c7e3f1e7e7e5d8f7e2e" + VISITOR[:8]: 1,
            "b4e6a7c8d9e0f1d2c3b4a5e6f7e8d9c0b1a2d3e4f5d6c7e8" + VISITOR: 2,
            "e7d6c5b4a3b2c1d0e9f8e7d6c5b4a3d2e1f0d9c8b7a6e5d4c3b2a1d0e9f8c7b6": 3,
            "a5b4c3d2e1f0e9d8c7b6a5d4c3b2e1d0c9b8a7d6e5f4c3b2a1d0e9f8c7b6a5d4": 4,
        },
        "type": "pageview",
        "data": {
            "Referer": "https://www.referringwebsite.com",
            "origin": "https://www.yourwebsite.com",
            "trc_mcmp_id": "1111111111111111111",
            "trc_mag_id": "2222222222222222222",
            "trc_mad_id": "3333333333333333333",
            "utm_medium": "paid",
            "utm_source": "fb",
        },
    }
    return "/api/v1/events", {"tracify-token": key}, {"events": [event]}


def _make_clarm(key: str) -> tuple[str, dict[str, str], Any]:
    event = {
        "widget_id": key,
        "event": "click",
        "properties": {"element": "pricing_cta", "page": "/pricing"},
        "visitor_id": f"v_{VISITOR}",
        "session_id": f"s_{VISITOR}",
        "url": "https://shop.example/pricing",
        "referrer": "https://google.com",
    }
    return "/api/track", {}, event


def _make_orbee(key: str) -> tuple[str, dict[str, str], Any]:
    event = {
        "action": "view",
        "object": "form",
        "vendor": "Vendor A",
        "product": "Product 1",
        "instance_id": f"abc-{VISITOR}",
    }
    return f"/collect/{key}/event", {}, event


NATIVE = {1: Example("native", "server", 1, _make_native), 2: Example("native", "server", 2, _make_native_pair)}
EXAMPLES = (
    Example("pact", "server", 1, _make_pact),
    Example("tracardi", "web", 2, _make_tracardi),
    Example("tracify", "server", 1, _make_tracify),
    Example("clarm", "web", 1, _make_clarm),
    Example("orbee", "server", 1, _make_orbee, ("account_id=1", "tracker_id=7")),
)
