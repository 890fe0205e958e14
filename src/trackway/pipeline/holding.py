"""What becomes of events that are held until their person agrees: stored in full, dropped, or held on.

It works between two batches, on events that are due: they expire, or something was said since of their
person. All that was learnt stands in the relational state by then, so consent, withdrawal and links are
asked there, whoever brought them. What it decides is written as a batch is, and leaves `held_events` in
the transaction that commits it. After a crash before that, the store is asked which of these event ids
it has: what was begun is finished, also where their person has said something else since.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from sqlalchemy import Connection

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.erased import find_erased
from trackway.event import Row
from trackway.outcome import Outcome, Reason
from trackway.pipeline.desk import Dropped
from trackway.pipeline.work import Work, make_outcome
from trackway.profiles.consent_words import MEASURING, resolve
from trackway.profiles.consents import find_members, join_registers, read_registers, stand_at
from trackway.profiles.held import HeldEvent, keep_holding, read_due, remove_held
from trackway.store.client import EventStore

MOST_AT_ONCE = 500


class Verdicts(Struct):
    """What was decided of the events that were due, by one look at the state.

    `begun` are those that an attempt before this one has written to the store already.
    """

    released: list[HeldEvent] = field(default_factory=list)
    dropped: list[tuple[HeldEvent, Dropped]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)

    def lay(self, work: Work) -> None:
        """Put what is to be stored and told onto a batch."""
        work.rows += [Row(each.event, each.place) for each in self.released]
        for each, end in self.dropped:
            work.outcomes.append(make_outcome(each.event, each.place, Outcome.DROPPED, end.reason, end.detail))

    def leave_out_what_is_begun(self, work: Work) -> list[Row]:
        """The rows left out. Their people were not written yet, so this comes after they were settled."""
        begun = [row for row in work.rows if row.event.event_id in self.begun]
        work.rows = [row for row in work.rows if row.event.event_id not in self.begun]
        work.outcomes = [row for row in work.outcomes if row.event_id not in self.begun]
        return begun

    def write(self, connection: Connection) -> None:
        """In the transaction that commits it."""
        remove_held(connection, [each.event.event_id for each in self.released])
        remove_held(connection, [each.event.event_id for each, _ in self.dropped])
        keep_holding(connection, self.kept)


def look_at_held(state: State, store: EventStore, now: int) -> Verdicts | None:
    """What is to be done at `now`; None when nothing is due."""
    with state.read() as connection:
        due = read_due(connection, now, MOST_AT_ONCE)
        if not due:
            return None
        states = _read_states(connection, due, now)
        erased = find_erased(connection, {node for each in due for node in each.nodes})
    ids, segments = [each.event.event_id for each in due], {each.place.segment for each in due}
    stored, told = (store.ids_present(table, ids, segments) for table in ("events", "outcomes"))
    verdicts = Verdicts(begun=stored | told)
    for each, standing in zip(due, states, strict=True):
        event_id = each.event.event_id
        end = _find_end(each, standing, erased, now)
        if event_id in stored or (standing == "granted" and end is None and event_id not in told):
            verdicts.released.append(each)
        elif end is not None or event_id in told:
            verdicts.dropped.append((each, end or _expire(each)))
        else:
            verdicts.kept.append(event_id)
    return verdicts


def _read_states(connection: Connection, due: Sequence[HeldEvent], now: int) -> list[str]:
    """How each event's person stands by being tracked: by all that any identifier of theirs said."""
    members = find_members(connection, {node for each in due for node in each.nodes})
    registers = read_registers(connection, set().union(*members.values()))
    states: list[str] = []
    for each in due:
        theirs = set().union(*(members[node] for node in each.nodes))
        joined = join_registers(registers[node] for node in theirs if node in registers)
        found = resolve(stand_at(joined, now), MEASURING)
        states.append(found[0] if found else "unknown")
    return states


def _find_end(held: HeldEvent, standing: str, erased: Mapping[bytes, int], now: int) -> Dropped | None:
    event = held.event
    if any(event.received_at <= erased[node] for node in held.nodes if node in erased):
        # Not Reason.ERASED, which is of rows that were stored: see Filter.TOLD_BY_THEN.
        return Dropped(Reason.NO_CONSENT, f"{event.consent_rule}: its person was erased while it was held")
    if standing == "withdrawn":
        return Dropped(Reason.NO_CONSENT, f"{event.consent_rule}: consent was withdrawn while it was held")
    return _expire(held) if standing != "granted" and held.expires_at <= now else None


def _expire(held: HeldEvent) -> Dropped:
    return Dropped(
        Reason.HOLD_EXPIRED, f"{held.event.consent_rule}: nobody agreed until {format_time(held.expires_at)}"
    )
