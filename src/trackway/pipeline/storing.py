"""Writes a batch into the event store: rows, letters of what it refused, outcomes, in this order."""

import logging
from collections.abc import Callable, Sequence

from trackway.control.database import State
from trackway.event import Row
from trackway.outcome import Outcome, Reason
from trackway.pipeline.letters import set_event_aside
from trackway.pipeline.progress import keep_letters
from trackway.pipeline.work import Work, make_outcome
from trackway.store.client import EventStore, StoreRefused

LOG = logging.getLogger(__name__)

# So many dead letters without one good event between them are a fault of ours, not of the senders.
MOST_DEAD_IN_A_ROW = 1000


class TooManyDeadLetters(Exception):
    """The loop stops and tries the same batch again later, so that a bad release loses nothing."""


def store_work(work: Work, store: EventStore, state: State, stamp: Callable[[], int]) -> None:
    """StoreUnavailable when nobody can say what arrived. `stamp` tells the moment of each insert."""
    _store_rows(work, store, stamp)
    if work.refused:
        # Before the outcomes: a row whose outcome is told is not tried again, so nothing would find it later.
        keep_letters(state, work.refused)
    if work.outcomes:
        store.insert_outcomes(work.outcomes, stamp())


def _store_rows(work: Work, store: EventStore, stamp: Callable[[], int]) -> None:
    """Insert the rows; where the engine refuses a batch, halve it until the one bad row is alone."""
    waiting: list[Sequence[Row]] = [work.rows] if work.rows else []
    while waiting:
        rows = waiting.pop()
        try:
            store.insert_events(rows, stamp())
            work.dead_in_a_row = 0
        except StoreRefused as error:
            if len(rows) > 1:
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
                continue
            _bury_row(rows[0], str(error)[:500], work)


def _bury_row(row: Row, detail: str, work: Work) -> None:
    work.dead_in_a_row += 1
    if work.dead_in_a_row > MOST_DEAD_IN_A_ROW:
        raise TooManyDeadLetters(f"the store refused {MOST_DEAD_IN_A_ROW} events in a row, the last with: {detail}")
    event = row.event
    # Not the detail: it may quote the event, and this log outlives an erasure.
    LOG.error("the store refused event %s of source %s; its letter says why", event.event_id, event.source)
    work.outcomes.append(make_outcome(event, row.place, Outcome.DEAD_LETTERED, Reason.STORE_REFUSED, detail))
    work.refused.append(set_event_aside(event, "dead_letter", f"dead:{event.event_id}", Reason.STORE_REFUSED, detail))
