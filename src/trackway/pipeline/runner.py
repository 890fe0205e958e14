"""The pipeline's loop: batch after batch from the log into the store, exactly once.

The order of writing makes it so: rows into the store, letters of what it refused, outcomes, keys
into the index, then people, position and counts in one transaction of the relational state. After
a crash between any two of them the batch is read again, with the same event ids:

* rows carry their place in the log, so the store is asked which places it has, and only the rest
  is inserted;
* a key that names the event itself makes it no duplicate;
* nothing was counted, held or learnt of people, so it is now.

Between two batches it carries out what people decided about links, tells the store which
profiles have changed since their rows were stored, and looks at held events that are due.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from trackway.clock import Clock
from trackway.control.database import State, read_version
from trackway.control.pii import read_pii_rules
from trackway.control.plans import EMPTY_PLAN, Plan, read_plans
from trackway.control.salts import DAY_MS, read_salt
from trackway.control.sources import list_sources
from trackway.control.workspaces import Workspace, list_workspaces
from trackway.event import Event, LogPlace, Row, Source, Submission
from trackway.eventlog.interface import Batch, EventLogReader, Position, Record
from trackway.ids import read_event_index
from trackway.outcome import Reason, Refused
from trackway.pipeline.adapters import NOT_AS_COUNTED, Adapter, AdapterFailed, find_missing, parse_as_counted
from trackway.pipeline.addresses import cut_address
from trackway.pipeline.consent import Consents
from trackway.pipeline.desk import Desk, Knowledge
from trackway.pipeline.duplicates import Firsts
from trackway.pipeline.erased import Tombstones
from trackway.pipeline.holding import look_at_held
from trackway.pipeline.knowledge.locations import LocationFileError
from trackway.pipeline.letters import note_conflict, set_damage_aside, set_refusal_aside
from trackway.pipeline.pace import Pace
from trackway.pipeline.people import settle_people
from trackway.pipeline.pipeline import process_event
from trackway.pipeline.plan import PlanWatch
from trackway.pipeline.progress import (
    Account,
    Cap,
    commit_batch,
    forget_old_letters,
    read_newest_commit,
    read_position,
)
from trackway.pipeline.replays import find_replays
from trackway.pipeline.storing import store_work
from trackway.pipeline.work import Arrival, Burial, Work, bury_submission
from trackway.profiles.decisions import apply_decisions
from trackway.profiles.identifiers import ProfileKeys
from trackway.profiles.people import People, read_guards
from trackway.profiles.policies import DEFAULT_POLICY, Policy
from trackway.profiles.policy_versions import read_policies
from trackway.profiles.projection import correct_profiles, project_profiles
from trackway.profiles.squash import squash_profiles
from trackway.profiles.visits import forget_old_visits
from trackway.query.progress import read_positions
from trackway.records import Erased, Refusal, decode_record
from trackway.settings import Settings
from trackway.store.client import EventStore, StoreUnavailable
from trackway.store.keys import KeyIndexFailed, KeyWriter

LOG = logging.getLogger(__name__)

# Work for the time between two batches, such as an erasure: a slice of it; the stamp rises.
Errands = Callable[[People, int], None]


BATCH_BYTES = 4_000_000
LOOK_EVERY_S = 0.02
REST_AFTER_ERROR_S = 0.5
LOOK_AT_VERSION_S = 0.5
TIDY_EVERY_S = 60.0


class Pipeline:
    """All streams of one log into one store. One process runs it; see `run_for_ever`."""

    def __init__(
        self,
        *,
        state: State,
        store: EventStore,
        log: EventLogReader,
        keys: KeyWriter,
        adapters: Mapping[str, Adapter],
        knowledge: Knowledge,
        settings: Settings,
        clock: Clock,
        errands: Errands = lambda people, stamp: None,
        rest: Callable[[], object] = lambda: time.sleep(LOOK_EVERY_S),
    ) -> None:
        self._errands, self._rest = errands, rest
        self._state, self._store, self._log, self._keys = state, store, log, keys
        self._adapters, self._knowledge, self._settings, self._clock = adapters, knowledge, settings, clock
        self._sources: dict[str, Source] = {}
        self._workspaces: dict[str, Workspace] = {}
        self._policies: dict[str, Policy] = {}
        self._pii_rules: dict[str, dict[str, str]] = {}
        self._plans: dict[str, Plan] = {}
        self._salts: dict[int, bytes] = {}
        self._positions: dict[str, Position] = {}
        self._people = People(read_guards(settings))
        self._pace, self._decided_at = Pace(log, state), 0.0
        # True when an earlier insert may have been applied without our knowing.
        self._in_doubt: dict[str, bool] = {}
        self._tidied_at = 0.0
        self._stamped = 0
        self._version = -1
        self._version_at = 0.0

    def run_for_ever(self, stopped: Callable[[], bool]) -> None:
        """Supervisor: logs whatever goes wrong, rests, and goes on with the same batch. KeyIndexFailed ends it."""
        while not stopped():
            try:
                moved = self.run_once()
                self._tidy()
            except StoreUnavailable as error:
                LOG.warning("the event store does not answer, waiting: %s", error)
                self._doubt_everything()
                time.sleep(REST_AFTER_ERROR_S)
            except KeyIndexFailed:
                # After one failed write RocksDB takes none until it is opened anew: the supervisor starts us again.
                raise
            except Exception:
                LOG.exception("the pipeline could not process a batch; it tries the same batch again")
                self._doubt_everything()
                time.sleep(REST_AFTER_ERROR_S)
            else:
                if not moved:
                    self._rest()

    def run_once(self) -> int:
        """One batch of every stream that has something, then what was decided. Returns how many records were settled."""
        settled = self._run_streams() if self._pace.should_read() else 0
        if self._pace.should_look(self._decided_at, settled=settled > 0):
            self._decided_at = time.monotonic()
            self._renew_configuration()
            apply_decisions(self._state, self._people, self._stamp())
            project_profiles(self._state, self._store)
            self._settle_held()
            self._errands(self._people, self._stamp())
        return settled

    def _run_streams(self) -> int:
        before = dict(self._positions)
        settled = sum(self._run_stream(stream) for stream in self._log.streams())
        self._pace.note_read(moved=self._positions != before)
        return settled

    def _doubt_everything(self) -> None:
        self._positions.clear()
        self._in_doubt.clear()
        self._people.forget()

    def _run_stream(self, stream: str) -> int:
        if stream not in self._positions:
            self._positions[stream] = read_position(self._state, stream)
        position = self._positions[stream]
        batch = self._read(stream, position)
        if batch.next == position:
            return 0
        self._renew_configuration()
        work = self._process(batch)
        settle_people(work, self._state, self._people, self._sources, self._stamp())
        doubt = self._in_doubt.get(stream, True)
        if doubt and batch.records:
            doubt = self._leave_out_what_is_stored(work, batch)
        self._in_doubt[stream] = True
        for repeat in work.repeats:
            note_conflict(repeat.event, repeat.duplicate, work.account)
        store_work(work, self._store, self._state, self._stamp)
        if work.firsts.claimed:
            self._keys.put_many(list(work.firsts.claimed.items()), self._window_start())
        self._commit(work, stream, batch.next, work.write_people(self._people))
        self._in_doubt[stream] = doubt
        return len(batch.records)

    def _commit(self, work: Work, stream: str, position: Position, also: Callable[[Connection], None]) -> None:
        committed_at = self._stamp()
        commit_batch(self._state, stream, position, work.account, committed_at, also)
        # What is stored from now on was stored later than what this commit tells of.
        self._stamped = committed_at + 1
        self._people.remember(work.settled)
        self._positions[stream] = position

    def _settle_held(self) -> None:
        """Store or drop held events that are due. It commits without moving a position."""
        verdicts = look_at_held(self._state, self._store, self._stamp())
        if verdicts is None:
            return
        work = Work([], [], Account(), Firsts(self._keys, [], 0), *self._open_people([]))
        verdicts.lay(work)
        for workspace in {row.event.workspace for row in work.rows}:
            self._people.keys_of(self._workspaces[workspace])
        settle_people(work, self._state, self._people, self._sources, self._stamp())
        self._correct(verdicts.leave_out_what_is_begun(work))
        store_work(work, self._store, self._state, self._stamp)
        write_people = work.write_people(self._people)

        def write(connection: Connection) -> None:
            verdicts.write(connection)
            write_people(connection)

        stream, position = next(iter((self._positions or read_positions(self._state)).items()))
        self._commit(work, stream, position, write)

    def _read(self, stream: str, position: Position) -> Batch:
        """A small batch waits a moment for more: many small inserts are ruinous for the store."""
        batch = self._log.read(stream, position, self._settings.pipeline_batch_submissions, BATCH_BYTES)
        if batch.records and len(batch.records) < 100:
            time.sleep(self._settings.pipeline_linger_ms / 1000)
            batch = self._log.read(stream, position, self._settings.pipeline_batch_submissions, BATCH_BYTES)
        return batch

    def _process(self, batch: Batch) -> Work:
        account = Account(cap=Cap(self._settings.rejections_per_day, self._settings.rejection_bytes_per_day))
        arrivals: list[Arrival] = []
        burial = Burial([], account, self._hide_address)
        for damage in batch.damages:
            account.set_aside.append(set_damage_aside(damage, self._clock()))
        for record in batch.records:
            self._open_record(record, arrivals, burial)
        events = [event for arrival in arrivals for event in arrival.events]
        firsts = Firsts(self._keys, events, self._window_start())
        work = Work([], burial.outcomes, account, firsts, *self._open_people(events))
        replayed = ((arrival.submission, arrival.events) for arrival in arrivals)
        work.replays = find_replays(replayed, self._store, self._state, self._stamp())
        for arrival in arrivals:
            self._process_arrival(arrival, work)
        return work

    def _open_people(self, events: Sequence[Event]) -> tuple[Consents, Tombstones]:
        def find_keys(workspace: str) -> ProfileKeys:
            return self._people.keys_of(self._workspaces[workspace])

        def find_policy(workspace: str) -> Policy:
            return self._policies.get(workspace, DEFAULT_POLICY)

        blocked = self._people.guards.blocked
        consents = Consents(self._state, events, find_keys, blocked, find_policy)
        return consents, Tombstones(self._state, find_keys, blocked)

    def _hide_address(self, submission: Submission) -> Submission:
        workspace = self._workspaces.get(submission.workspace)
        kept = cut_address(submission.address, workspace.ip_mode, workspace.hash_key) if workspace else ""
        return msgspec.structs.replace(submission, address=kept)

    def _open_record(self, record: Record, arrivals: list[Arrival], burial: Burial) -> None:
        account = burial.account
        content = decode_record(record.payload)
        if isinstance(content, Erased):
            return
        if isinstance(content, Refusal):
            account.reject(content.source, content.received_at, content.reason, content.events)
            account.set_aside.append(set_refusal_aside(content, self._hide_address))
            return
        account.receive(content.source, content.received_at, content.events)
        source = self._find_source(content.source)
        if source is None:
            bury_submission(record, content, Reason.SOURCE_GONE, "the source was deleted", burial)
            return
        try:
            events = parse_as_counted(self._adapters[content.protocol], content, source, self._renew_source)
        except Refused as refused:
            bury_submission(record, content, Reason.ADAPTER_FAILED, refused.rejection.message, burial)
        except AdapterFailed as error:
            LOG.exception("protocol %s could not parse a submission that the door had accepted", content.protocol)
            bury_submission(record, content, Reason.ADAPTER_FAILED, str(error)[:500], burial)
        else:
            if missing := find_missing(events, content):
                bury_submission(record, content, Reason.ADAPTER_FAILED, NOT_AS_COUNTED, burial, missing)
            arrivals.append(Arrival(record, content, events))

    def _process_arrival(self, arrival: Arrival, work: Work) -> None:
        submission = arrival.submission
        source = self._sources[submission.source]
        workspace = self._workspaces[submission.workspace]
        desk = Desk(
            source=source,
            ip_mode=workspace.ip_mode,
            ip_key=workspace.hash_key,
            visitor_salt=self._find_salt(submission.received_at),
            profile_keys=self._people.keys_of(workspace),
            blocked_identifiers=self._people.guards.blocked,
            request_headers=submission.headers,
            knowledge=self._knowledge,
            firsts=work.firsts,
            policy=self._policies.get(submission.workspace, DEFAULT_POLICY),
            consents=work.consents,
            tombstones=work.tombstones,
            pii_rules=self._pii_rules.get(submission.workspace, {}),
            plan=self._plans.get(submission.workspace, EMPTY_PLAN),
            # What a replaced event breaks of the plan was counted when it came.
            watch=PlanWatch() if submission.replaces else work.watch,
        )
        before = len(work.rows)
        for event in arrival.events:
            place = LogPlace(arrival.record.segment, arrival.record.ordinal, read_event_index(event.event_id))
            if submission.replay and work.replays.are_known(event, place, submission.replaces):
                work.note_known(event, place)
            else:
                work.take(event, place, process_event(event, desk))
        if not submission.replaces:
            work.note_visit(submission, [row.event for row in work.rows[before:]], desk.profile_keys)

    def _leave_out_what_is_stored(self, work: Work, batch: Batch) -> bool:
        """Whether places beyond the batch are known too: an earlier attempt was cut larger (other settings)."""
        first = batch.records[0]
        stored = self._store.places_present("events", first.segment, first.ordinal)
        told = self._store.places_present("outcomes", first.segment, first.ordinal)
        known = stored | told
        self._correct([row for row in work.rows if row.place in stored])
        # A row whose outcome is told became a dead letter.
        work.replays.failed |= {row.event.event_id for row in work.rows if row.place in told}
        work.rows = [row for row in work.rows if row.place not in known]
        work.outcomes = [row for row in work.outcomes if row.place not in known]
        work.held = [held for held in work.held if held.place not in known]
        # A public event may have been stored before the secret one of the same key that is in the index now.
        work.repeats = [repeat for repeat in work.repeats if repeat.place not in stored]
        return any(place.record > batch.records[-1].ordinal for place in known)

    def _correct(self, stored: Sequence[Row]) -> None:
        """Rows that an attempt before this one has stored belong to whom this one says."""
        for segment in {row.place.segment for row in stored}:
            with self._state.read() as connection:
                version = self._people.next_version(connection, self._stamp())
            correct_profiles(self._store, [row for row in stored if row.place.segment == segment], version)

    def _find_source(self, source_id: str) -> Source | None:
        return self._sources.get(source_id) or self._renew_source(source_id)

    def _renew_source(self, source_id: str) -> Source | None:
        self._version_at = 0.0
        self._renew_configuration()
        return self._sources.get(source_id)

    def _renew_configuration(self) -> None:
        """Sources, workspaces, policies and plans are read again when their version changed, looked at twice a second."""
        now = time.monotonic()
        if now - self._version_at < LOOK_AT_VERSION_S:
            return
        self._version_at = now
        try:
            self._knowledge.locations.refresh()
        except LocationFileError as error:
            LOG.error("the location file is not used: %s", error)
        version = read_version(self._state)
        if version == self._version:
            return
        self._version = version
        self._sources = {source.id: source for source in list_sources(self._state)}
        self._workspaces = {workspace.id: workspace for workspace in list_workspaces(self._state)}
        self._policies = read_policies(self._state)
        self._pii_rules = read_pii_rules(self._state)
        self._plans = read_plans(self._state)

    def _find_salt(self, received_at: int) -> bytes:
        day = received_at // DAY_MS
        if day not in self._salts:
            self._salts = {day: read_salt(self._state, received_at), **dict(list(self._salts.items())[:3])}
        return self._salts[day]

    def _stamp(self) -> int:
        """Now, but never earlier than before: live pages read on from the newest `stored_at`."""
        if self._stamped == 0:
            self._stamped = read_newest_commit(self._state) + 1
        self._stamped = max(self._stamped, self._clock())
        return self._stamped

    def _window_start(self) -> int:
        return self._clock() - self._settings.dedupe_window_days * DAY_MS

    def _tidy(self) -> None:
        """Once a minute: trim the log, forget old keys and letters, write changed profiles into the rows."""
        now = time.monotonic()
        if now - self._tidied_at < TIDY_EVERY_S:
            return
        self._tidied_at = now
        keep_since = self._clock() - self._settings.log_keep_hours * 3_600_000
        for stream, position in self._positions.items():
            self._log.trim(stream, position, keep_since)
        self._keys.expire(self._window_start())
        squash_profiles(self._state, self._store)
        forget_old_visits(self._state, self._clock())
        forget_old_letters(self._state, self._clock() - self._settings.dead_letter_days * DAY_MS)
