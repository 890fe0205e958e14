"""Removes rows that made way for newer ones of the same events, as the pipeline noted them: between two batches.

By then the newer row is stored, so readers never miss an event; until the mutation is done they see it twice.
Every step can be repeated: the row gets its outcome (dropped, reason `replaced`), a mutation takes it away, and
only then is it forgotten that it was to go.
"""

import logging
from collections.abc import Sequence

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.replaced import forget_replaced, list_replaced
from trackway.event import LogPlace
from trackway.outcome import Reason
from trackway.privacy.stored import account_for, remove_rows
from trackway.store.client import EventStore, StoreRefused

LOG = logging.getLogger(__name__)


class ReplacedRows:
    """One per installation."""

    def __init__(self, state: State, store: EventStore, clock: Clock) -> None:
        self._state, self._store, self._clock = state, store, clock
        self._places: list[LogPlace] = []

    def run(self) -> None:
        """One slice of work, if there is any. StoreUnavailable when the store does not answer."""
        if not self._places and not self._begin():
            return
        condition, mark = select_places(self._places)
        try:
            if not remove_rows(self._store, "events", condition, mark):
                return
        except StoreRefused as error:
            LOG.error("rows that were replaced could not be removed, it is tried again: %s", error)
            return
        with self._state.write() as connection:
            forget_replaced(connection, self._places)
        self._places = []

    def _begin(self) -> bool:
        """Read what is to go next, and account for it before any of it is gone."""
        with self._state.read() as connection:
            places = list_replaced(connection)
        if places:
            account_for(self._store, select_places(places)[0], Reason.REPLACED, self._clock())
        self._places = places
        return bool(places)


def select_places(places: Sequence[LogPlace]) -> tuple[str, str]:
    """The condition for the rows at these places, and something that only their mutation says. Pure."""
    tuples = [f"({place.segment}, {place.record}, {place.index})" for place in places]
    segments = ", ".join(str(segment) for segment in sorted({place.segment for place in places}))
    mark = f"replaced {min(places).segment} {min(places).record} {min(places).index}"
    condition = (
        f"log_segment IN ({segments}) AND (log_segment, log_record, log_index) IN ({', '.join(tuples)})"
        f" AND '{mark}' != ''"
    )
    return condition, mark
