"""Is this event a repeat: the verdict of the answer.

Exact with one collector: what the pipeline has settled is in the key index, and what it has not is
remembered here. Several collectors do not know of each other's newest keys; what is stored is
exact all the same, because the pipeline decides again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from trackway.clock import Clock
from trackway.collect.protocol import Parsed, Verdict
from trackway.dedupe import business_digest, suppresses, transport_digest
from trackway.event import Event, LogPlace
from trackway.outcome import Outcome
from trackway.store.keys import KeyReader

# Unsettled keys remembered at the most; about 300 bytes each.
MOST_REMEMBERED = 500_000


class Remembered(Struct, gc=False):
    event_id: str
    trusted: bool
    place: LogPlace | None = None


class KeyMemory:
    """Keys of accepted events that the pipeline has not settled yet, in front of the key index."""

    def __init__(self, index: KeyReader, window_ms: int, clock: Clock) -> None:
        self._index, self._window_ms, self._clock = index, window_ms, clock
        self._unsettled: OrderedDict[bytes, Remembered] = OrderedDict()

    def judge(self, parsed: Parsed) -> list[Verdict]:
        """One verdict per item, in order. Remembers nothing."""
        keys = [digests_of(item) if isinstance(item, Event) else () for item in parsed.items]
        settled = self._look_up([digest for own in keys for digest in own])
        seen: dict[bytes, Remembered] = {}
        verdicts = []
        for index, (item, own) in enumerate(zip(parsed.items, keys, strict=True)):
            warnings = parsed.warnings.get(index, ())
            if not isinstance(item, Event):
                verdicts.append(Verdict(index=index, outcome=Outcome.REJECTED, rejection=item, warnings=warnings))
                continue
            first = self._find_first(item, own, seen, settled) if own else None
            if first is None:
                for digest in own:
                    seen[digest] = Remembered(item.event_id, item.trusted)
            outcome = Outcome.STORED if first is None else Outcome.DUPLICATE
            verdicts.append(
                Verdict(
                    index=index,
                    outcome=outcome,
                    event=item,
                    first_event_id=first or "",
                    warnings=warnings,
                    keys=own,
                )
            )
        return verdicts

    def _look_up(self, digests: Sequence[bytes]) -> dict[bytes, Remembered]:
        unknown = [d for d in digests if d not in self._unsettled]
        if not unknown:
            return {}
        found = zip(unknown, self._index.get_many(unknown, self._clock() - self._window_ms), strict=True)
        return {digest: Remembered(entry.first_event_id, entry.trusted) for digest, entry in found if entry is not None}

    def _find_first(
        self, event: Event, own: Sequence[bytes], seen: dict[bytes, Remembered], settled: dict[bytes, Remembered]
    ) -> str | None:
        for digest in own:
            known = seen.get(digest) or self._unsettled.get(digest) or settled.get(digest)
            if known is not None and suppresses(known.trusted, event):
                return known.event_id
        return None

    def remember(self, verdicts: Iterable[Verdict]) -> list[Remembered]:
        """Hold the keys of newly accepted events. Returns them so that their place can be filled in."""
        held = []
        for verdict in verdicts:
            if verdict.outcome is Outcome.STORED and verdict.event is not None:
                for digest in verdict.keys:
                    remembered = Remembered(verdict.event.event_id, verdict.event.trusted)
                    self._unsettled[digest] = remembered
                    held.append(remembered)
        while len(self._unsettled) > MOST_REMEMBERED:
            self._unsettled.popitem(last=False)
        return held

    def forget(self, verdicts: Iterable[Verdict]) -> None:
        """These events did not become durable: a retry must not be called a duplicate."""
        for verdict in verdicts:
            if verdict.event is None:
                continue
            for digest in verdict.keys:
                known = self._unsettled.get(digest)
                if known is not None and known.event_id == verdict.event.event_id:
                    del self._unsettled[digest]

    def settle(self, segment: int, record: int) -> None:
        """The pipeline's position in our stream: what lies before it is in the refreshed key index."""
        while self._unsettled:
            digest, oldest = next(iter(self._unsettled.items()))
            place = oldest.place
            if place is None or (place.segment, place.record) >= (segment, record):
                return
            del self._unsettled[digest]


def digests_of(event: Event) -> tuple[bytes, ...]:
    if not event.dedupe_key and not event.business_key:
        return ()
    return tuple(d for d in (transport_digest(event), business_digest(event)) if d is not None)
