"""Drops an event whose dedupe_key, order_id or conversion_id was seen before."""

from collections.abc import Iterable

from trackway.dedupe import business_digest, content_digest, suppresses, transport_digest, visitor_digest
from trackway.event import Event
from trackway.outcome import Reason
from trackway.pipeline.desk import Desk, Duplicate
from trackway.store.keys import KeyEntry, KeyIndex

FILLS: tuple[str, ...] = ()


class Firsts:
    """First events by key, for one batch: what the index knows, and what the batch adds to it.

    `since_ms` is where the window of the transport keys begins.

    A key that names this very event is no repeat: a crash between the key index and the position
    makes the pipeline see the event again.
    """

    def __init__(self, index: KeyIndex, events: Iterable[Event], since_ms: int) -> None:
        self._keys: dict[str, list[tuple[Reason, bytes]]] = {}
        for event in events:
            keys = []
            if (digest := transport_digest(event)) is not None:
                keys.append((Reason.TRANSPORT_KEY, digest))
            if (digest := business_digest(event)) is not None:
                keys.append((Reason.BUSINESS_KEY, digest))
            if keys:
                self._keys[event.event_id] = keys
        wanted = list({digest for keys in self._keys.values() for _, digest in keys})
        entries = index.get_many(wanted, since_ms) if wanted else []
        self._known: dict[bytes, KeyEntry] = {d: e for d, e in zip(wanted, entries, strict=True) if e is not None}
        self.claimed: dict[bytes, KeyEntry] = {}

    def find(self, event: Event) -> Duplicate | None:
        for reason, digest in self._keys.get(event.event_id, ()):
            first = self._known.get(digest)
            if first is None or first.first_event_id == event.event_id or not suppresses(first.trusted, event):
                continue
            return Duplicate(
                reason,
                first.first_event_id,
                first.content != content_digest(event),
                first.visitor != visitor_digest(event),
            )
        return None

    def claim(self, event: Event) -> None:
        """The event passed every stage: its keys are its own now."""
        keys = self._keys.get(event.event_id)
        if not keys:
            return
        content, visitor = content_digest(event), visitor_digest(event)
        for reason, digest in keys:
            self._known[digest] = self.claimed[digest] = KeyEntry(
                first_event_id=event.event_id,
                content=content,
                visitor=visitor,
                trusted=event.trusted,
                at_ms=event.received_at,
                lasting=reason is Reason.BUSINESS_KEY,
            )


def drop_duplicate(event: Event, desk: Desk) -> Event | Duplicate:
    return desk.firsts.find(event) or event
