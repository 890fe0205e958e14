"""Events as a shop's visitors cause them, and HTTP requests ready to send.

An event has the fields that the browser script sends. Two places of each are left to fill in while
the load runs: the dedupe_key, new for every event, and the anonymous_id, new for every eighth.
"""

import json
import time
from random import Random
from typing import Any

from msgspec import Struct

from trackway.clock import format_time

SLOT = 16
KEY_SLOT, VISITOR_SLOT = b"K" * SLOT, b"V" * SLOT
EVENTS_PER_VISITOR = 8

USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{}.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/{}.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
)
REFERRERS = (
    "",
    "https://www.google.com/",
    "https://chatgpt.com/",
    "https://news.ycombinator.com/",
    "https://www.facebook.com/",
    "https://shop.example.com/",
)
TYPES = ("page_view", "page_view", "page_view", "click", "product_view", "add_to_cart", "form_submit")


class Template(Struct, frozen=True):
    """A whole HTTP request and where in it the slots are."""

    request: bytes
    keys: tuple[int, ...]
    visitors: tuple[int, ...]


def make_event(random: Random, at_ms: int) -> dict[str, Any]:
    """One event as sent, with the two slots in it; some 600 bytes of JSON."""
    product = random.randrange(2000)
    campaign = f"?utm_source=newsletter&utm_medium=email&utm_campaign=week-{random.randrange(52)}"
    return {
        "event_type": random.choice(TYPES),
        "dedupe_key": f"0199{random.randrange(1 << 32):08x}-{KEY_SLOT.decode()}",
        "occurred_at": format_time(at_ms - random.randrange(500)),
        "anonymous_id": f"0199aaaa-{VISITOR_SLOT.decode()}",
        "session_id": f"0199bbbb-{VISITOR_SLOT.decode()}",
        "url": f"https://shop.example.com/products/{product}{campaign if random.random() < 0.2 else ''}",
        "referrer": random.choice(REFERRERS),
        "title": f"Trail shoe no. {product}, light and waterproof | Example Shop",
        "properties": {
            "product_id": f"sku-{product}",
            "price": round(random.uniform(5, 300), 2),
            "currency": "EUR",
            "quantity": random.randrange(1, 4),
            "categories": ["shoes", "trail"],
            "in_stock": True,
        },
        "context": {
            "screen": {"width": 1920, "height": 1080, "density": 2},
            "language": "de-DE",
            "time_zone": random.choice(("Europe/Berlin", "America/New_York", "Asia/Tokyo")),
        },
    }


def make_templates(count: int, events: int, key: str, *, as_browser: bool = False, seed: int = 0) -> list[Template]:
    """Requests of `events` events each: a bare event for 1, a list for more, sent with a secret key in
    the header; or, `as_browser`, what the browser script sends (its key is in the body)."""
    random = Random(seed)
    now = int(time.time() * 1000)
    templates = []
    for _ in range(count):
        sent = [make_event(random, now) for _ in range(events)]
        content: Any = sent[0] if events == 1 else sent
        if as_browser:
            content = {"write_key": key, "sent_at": format_time(now), "events": sent}
        body = json.dumps(content, separators=(",", ":")).encode()
        request = make_request(
            body, "" if as_browser else key, random.choice(USER_AGENTS).format(random.randrange(100, 140))
        )
        templates.append(find_slots(request))
    return templates


def find_slots(request: bytes) -> Template:
    return Template(request, _find_all(request, KEY_SLOT), _find_all(request, VISITOR_SLOT))


def make_request(body: bytes, bearer: str, user_agent: str) -> bytes:
    if bearer:
        headers = (
            "host: 127.0.0.1\r\nuser-agent: shop-backend/3.2\r\naccept: */*\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {bearer}\r\n"
        )
    else:
        headers = (
            f"Host: 127.0.0.1\r\nConnection: keep-alive\r\nUser-Agent: {user_agent}\r\nContent-Type: text/plain;charset=UTF-8\r\n"
            "Accept: */*\r\nOrigin: https://shop.example.com\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n"
            "Sec-Fetch-Dest: empty\r\nReferer: https://shop.example.com/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
            "Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\n"
        )
    return f"POST /v1/events HTTP/1.1\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body


def _find_all(text: bytes, slot: bytes) -> tuple[int, ...]:
    places, at = [], text.find(slot)
    while at >= 0:
        places.append(at)
        at = text.find(slot, at + len(slot))
    return tuple(places)
