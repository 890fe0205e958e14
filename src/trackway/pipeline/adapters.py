"""Submissions of the log made events again: those that the door counted, or the reason why not.

Settings of a source decide what its protocol takes. They may have changed between the door and
here, and either may know of it first.
"""

from collections.abc import Callable, Sequence

from trackway.event import Event, Source, Submission
from trackway.ids import read_event_index
from trackway.outcome import Refused

# Raises Refused or AdapterFailed.
Adapter = Callable[[Submission, Source], Sequence[Event]]

NOT_AS_COUNTED = "the door took this event, and with today's settings of its source there is none in what was sent"


class AdapterFailed(Exception):
    """A protocol raised on a submission that the door had accepted: a fault of ours, told in the text."""


def parse_as_counted(
    adapter: Adapter, submission: Submission, source: Source, renew: Callable[[str], Source | None]
) -> Sequence[Event]:
    """The events that the door counted, as far as there are any now; raises what the adapter raises.

    Where others are found than were counted, `renew` reads the source anew, once.
    """
    try:
        events = adapter(submission, source)
        if len(events) == submission.events:
            return events
    except (Refused, AdapterFailed):
        renewed = renew(source.id)
        if renewed is None or renewed == source:
            raise
    else:
        renewed = renew(source.id)
        if renewed is None or renewed == source:
            return _keep_counted(events, submission)
    return _keep_counted(adapter(submission, renewed), submission)


def _keep_counted(events: Sequence[Event], submission: Submission) -> Sequence[Event]:
    counted = set(submission.indexes)
    return [event for event in events if read_event_index(event.event_id) in counted]


def find_missing(events: Sequence[Event], submission: Submission) -> list[int]:
    """Places of events that the door counted and that are not among `events`."""
    if len(events) == submission.events:
        return []
    found = {read_event_index(event.event_id) for event in events}
    return [index for index in submission.indexes if index not in found]
