"""The books: what was received must be found again, event for event.

    received = stored + duplicate + dropped + dead_lettered + held + in_flight

Station 5 of the road, and an audit: both sides are counted from different things. `received` is what
the door counted, as the pipeline summed it up in the transaction that moved its position. The right
side counts rows in the store whose place in the log is below that position, and what stands in the
log beyond it. A row that is lost or there twice makes a source's books `balanced: false`.

Refusals at the door were never received: they are listed (`rejected`) and are no part of the equation.
The pipeline goes on meanwhile: positions and counts come from one transaction, and what is stored
beyond them counts as in flight. An event that waits for consent (`held`) is a row of the same transaction; what
becomes of it is stored with a place below the position, so there it counts from the next commit on.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct, field

from trackway.clock import format_time
from trackway.control.database import State
from trackway.eventlog.interface import EventLogReader
from trackway.outcome import Outcome
from trackway.query.compiler import Filter, compile_query, run_query
from trackway.query.progress import Counts, LineKey, look_whether_removing, read_counts
from trackway.query.questions import MOST_MINUTES, check_number
from trackway.query.tail import MINUTE_MS, Tail, count_tail, has_unknown_segment
from trackway.store.client import EventStore

MOST_TRIES = 5

Row = Mapping[str, Any]


class Line(Struct):
    """One line of the books. `counted` is what the door counted below the pipeline's position."""

    counted: int = 0
    stored: int = 0
    duplicate: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dead_lettered: int = 0
    held: int = 0
    in_flight: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def received(self) -> int:
        return self.counted + self.in_flight

    @property
    def balanced(self) -> bool:
        found = self.stored + self.duplicate + self.dropped.total() + self.dead_lettered + self.held + self.in_flight
        return self.received == found

    def add_outcome(self, outcome: str, reason: str, events: int) -> None:
        if outcome == Outcome.DUPLICATE:
            self.duplicate += events
        elif outcome == Outcome.DROPPED:
            self.dropped[reason] += events
        else:
            self.dead_lettered += events


class Counted(Struct, frozen=True):
    """All lines, the registered sources, and when the oldest event in flight arrived (0: none is)."""

    lines: dict[LineKey, Line]
    sources: tuple[str, ...]
    oldest_at: int


def balance_books(
    store: EventStore, state: State, log: EventLogReader, workspace: str, now_ms: int, minutes: int = 0
) -> dict[str, Any]:
    """{"balanced", "as_of", "behind_seconds", "sources": [line…], "minutes": [line…]} of a workspace.

    `behind_seconds` is the age of the oldest event in flight: a pipeline that stands still shows here.

    `minutes` is how many minutes of receipt, the current one included, get lines of their own
    (newest first; a minute in which nothing arrived has none). QuestionError beyond a day of them.
    """
    check_number("minutes", minutes, 0, MOST_MINUTES)
    from_minute = now_ms // MINUTE_MS - minutes + 1 if minutes else None
    counted = _count_lines(store, state, log, workspace, from_minute)
    lines, sources = counted.lines, counted.sources
    # A source that has rows but is not registered shows up too, unbalanced.
    order = [*sources, *sorted({source for source, _ in lines} - set(sources))]
    return {
        "balanced": all(line.balanced for line in lines.values()),
        "as_of": format_time(now_ms),
        "behind_seconds": max(0, now_ms - counted.oldest_at) // 1000 if counted.oldest_at else 0,
        "sources": [_describe_line(source, lines[source, None]) for source in order],
        "minutes": [
            {"minute": format_time(minute * MINUTE_MS)} | _describe_line(source, lines[source, minute])
            for minute in sorted({minute for _, minute in lines if minute is not None}, reverse=True)
            for source in order
            if (source, minute) in lines
        ],
    }


def _count_lines(
    store: EventStore, state: State, log: EventLogReader, workspace: str, from_minute: int | None
) -> Counted:
    for _ in range(MOST_TRIES):
        counts = read_counts(state, workspace, from_minute)
        tail = count_tail(log, counts.positions, workspace, from_minute)
        lines: dict[LineKey, Line] = defaultdict(Line)
        for key, events in counts.received.items():
            lines[key].counted = events
        for key, events in tail.in_flight.items():
            lines[key].in_flight = events
        for key, events in counts.held.items():
            lines[key].held = events
        for rejected in (counts.rejected, tail.rejected):
            for (key, reason), events in rejected.items():
                lines[key].rejected[reason] += events
        _count_store(store, workspace, tail, from_minute, lines, counts)
        if not has_unknown_segment(log, tail) and not _caught_removal(state, counts.removing, lines):
            break
    return Counted(lines, counts.sources, tail.oldest_at)


def _caught_removal(state: State, removing: bool, lines: Mapping[LineKey, Line]) -> bool:
    """Were rows given their outcome between the questions that count rows and outcomes?"""
    return not all(line.balanced for line in lines.values()) and (removing or look_whether_removing(state))


def _count_store(
    store: EventStore,
    workspace: str,
    tail: Tail,
    from_minute: int | None,
    lines: dict[LineKey, Line],
    counts: Counts,
) -> None:
    """Add what the store holds below the pipeline's position."""
    below: dict[Filter, Mapping[str, Any]] = {
        Filter.SETTLED: {
            "newest_segment": tail.newest_segment,
            "open_segments": list(tail.open_segments),
            "open_records": list(tail.open_segments.values()),
        }
    }

    def run(name: str, filters: Mapping[Filter, Mapping[str, Any]]) -> Iterable[tuple[LineKey, Row]]:
        rows = run_query(store, compile_query(name, {"workspace": workspace}, filters))
        return (((row["source"], row.get("minute")), row) for row in rows)

    questions = [("source", below)]
    if from_minute is not None:
        since = {Filter.RECEIVED_FROM: {"received_from": from_minute * MINUTE_MS}}
        questions.append(("minute", below | since))
    for each, filters in questions:
        stored, told = dict(filters), dict(filters)
        if counts.removing:
            stored[Filter.NOT_REMOVED] = {}
        if counts.held:
            stored[Filter.STORED_BY_THEN] = told[Filter.TOLD_BY_THEN] = {"committed_at": counts.committed_at}
        for key, row in run(f"count_stored_by_{each}", stored):
            lines[key].stored += row["events"]
        for key, row in run(f"count_outcomes_by_{each}", told):
            lines[key].add_outcome(row["outcome"], row["reason"], row["events"])


def _describe_line(source: str, line: Line) -> dict[str, Any]:
    return {
        "source": source,
        "received": line.received,
        "stored": line.stored,
        "duplicate": line.duplicate,
        "dropped": dict(line.dropped),
        "dead_lettered": line.dead_lettered,
        "held": line.held,
        "in_flight": line.in_flight,
        "rejected": dict(line.rejected),
        "balanced": line.balanced,
    }
