"""Wires the work that the pipeline's process does between two batches: erasures, retention, replaced rows."""

from collections.abc import Mapping, Sequence

from trackway.app.folder import Folder
from trackway.clock import now_ms
from trackway.collect.body import unpack_body
from trackway.collect.limits import read_limits
from trackway.control.database import State
from trackway.control.privacy_requests import is_anything_open
from trackway.control.sources import list_sources
from trackway.event import Event, Source, Submission
from trackway.eventlog.interface import EventLogReader
from trackway.outcome import Refused
from trackway.pipeline.adapters import Adapter, AdapterFailed, find_missing, parse_as_counted
from trackway.pipeline.runner import Errands
from trackway.privacy.erasure import Erasures, Reading
from trackway.privacy.replaced import ReplacedRows
from trackway.privacy.retention import Retention
from trackway.profiles.people import People
from trackway.settings import Settings
from trackway.store.client import EventStore


class Rereading:
    """Submissions of the log read once more, for whoever must know whose they are."""

    def __init__(self, state: State, adapters: Mapping[str, Adapter], settings: Settings) -> None:
        self._state, self._adapters, self._limits = state, adapters, read_limits(settings)
        self._sources: dict[str, Source] = {}

    def parse(self, submission: Submission) -> Sequence[Event] | None:
        """Its events as the door parsed them; None when that cannot be done any more."""
        source = self._sources.get(submission.source) or self._renew(submission.source)
        adapter = self._adapters.get(submission.protocol)
        if source is None or adapter is None:
            return None
        try:
            events = parse_as_counted(adapter, submission, source, self._renew)
        except (Refused, AdapterFailed):
            return None
        return None if find_missing(events, submission) else events

    def _renew(self, source_id: str) -> Source | None:
        self._sources = {source.id: source for source in list_sources(self._state)}
        return self._sources.get(source_id)

    def unpack(self, submission: Submission) -> bytes:
        """Its body without packing, or as it is."""
        try:
            return unpack_body(submission.body, submission.headers.get("content-encoding", ""), self._limits)
        except Refused:
            return submission.body


def make_errands(
    folder: Folder,
    state: State,
    store: EventStore,
    log: EventLogReader,
    adapters: Mapping[str, Adapter],
    settings: Settings,
) -> Errands:
    rereading = Rereading(state, adapters, settings)
    erasures = Erasures(
        state=state,
        store=store,
        log=log,
        reading=Reading(rereading.parse, rereading.unpack),
        seed=folder.read_signing_key,
        clock=now_ms,
    )

    retention = Retention(state, store, now_ms)
    replaced = ReplacedRows(state, store, now_ms)

    def run(people: People, stamp: int) -> None:
        # Asked after each batch and whenever anybody has changed the state, nearly always for nothing.
        if is_anything_open(state):
            erasures.run(people, stamp)
            retention.run()
            replaced.run()
        elif retention.is_due():
            retention.run()

    return run
