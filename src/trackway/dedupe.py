"""When two events are the same one: the keys, and what is compared besides.

Used twice: by the collector for the verdict in its answer, by the pipeline for what is stored.

* A transport key (`dedupe_key`) counts within its source, or within the workspace where the
  dialect says so, for a window of days.
* A business key (`order_id`, `conversion_id`) counts within workspace, source and event type, for ever.
* An event sent with a public browser key never suppresses one sent with a secret key: anyone can
  read a public key and send a guessed id ahead of the real event.
"""

from hashlib import blake2b

import msgspec

from trackway.event import Event

_ENCODE = msgspec.json.Encoder(order="deterministic").encode


def _digest(size: int, *parts: str) -> bytes:
    return blake2b("\x1f".join(parts).encode(), digest_size=size).digest()


def transport_digest(event: Event) -> bytes | None:
    """16 bytes naming the event's dedupe_key in its scope; None when it has none."""
    if not event.dedupe_key:
        return None
    scope = event.source if event.dedupe_scope == "source" else event.workspace
    return _digest(16, "transport", event.dedupe_scope, scope, event.dedupe_key)


def business_digest(event: Event) -> bytes | None:
    """16 bytes naming the event's order_id or conversion_id; None when it has none."""
    if not event.business_key:
        return None
    return _digest(16, "business", event.workspace, event.source, event.event_type, event.business_key)


def content_digest(event: Event) -> bytes:
    """8 bytes of what the event says, without the times and ids that differ between retries."""
    said = (event.event_type, event.url, event.user_id, event.contact_id, event.account_id, event.properties)
    return blake2b(_ENCODE(said), digest_size=8).digest()


def visitor_digest(event: Event) -> bytes:
    """8 bytes of whom the event is about."""
    return _digest(8, event.anonymous_id, event.user_id, event.contact_id, event.account_id)


def suppresses(first_trusted: bool, event: Event) -> bool:
    """May an earlier event with the same key make `event` a duplicate?"""
    return first_trusted or not event.trusted
