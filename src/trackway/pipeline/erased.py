"""Drops what belongs to a person who was erased after it was received.

It stands first: what was erased comes not back, not even as a duplicate whose record stays in the
log. Only events received before the last erasure are looked at, which is none in ordinary running.
"""

from collections.abc import Callable

from trackway.control.database import State
from trackway.control.erased import find_erased, read_last_erasure
from trackway.event import Event
from trackway.outcome import Reason
from trackway.pipeline.desk import Desk, Dropped
from trackway.pipeline.places import find_place
from trackway.profiles.identifiers import UNLINKED_KINDS, ProfileKeys, collect_identifiers

FILLS: tuple[str, ...] = ()


class Tombstones:
    """Who was erased when, for one batch. `find_keys` gives a workspace's profile keys."""

    def __init__(
        self,
        state: State,
        find_keys: Callable[[str], ProfileKeys],
        blocked: frozenset[str] = frozenset(),
    ) -> None:
        self._state, self._find_keys, self._blocked = state, find_keys, blocked
        with state.read() as connection:
            self._last = read_last_erasure(connection)

    def concern(self, event: Event) -> bool:
        """Could it belong to somebody who was erased?"""
        return event.received_at <= self._last

    def hold(self, event: Event) -> bool:
        """Was somebody erased, since it was received, whom one of its identifiers names?"""
        keys = self._find_keys(event.workspace)
        found = collect_identifiers(event, self._blocked).found
        linking = [identifier for identifier in found if identifier.kind not in UNLINKED_KINDS]
        with self._state.read() as connection:
            erased = find_erased(connection, [keys.make(identifier) for identifier in linking or found])
        return any(event.received_at <= erased_at for erased_at in erased.values())


def drop_erased(event: Event, desk: Desk) -> Event | Dropped:
    if not desk.tombstones.concern(event):
        return event
    # A national telephone number is only known with its country.
    placed = find_place(event, desk)
    located = placed if isinstance(placed, Event) else event
    return Dropped(Reason.ERASED, "") if desk.tombstones.hold(located) else event
