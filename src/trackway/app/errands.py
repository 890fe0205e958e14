"""Wires the work that the pipeline's process does between two batches: erasures and retention."""

from collections.abc import Mapping, Sequence

from trackway.app.folder import Folder
from trackway.clock import now_ms
from trackway.collect.body import unpack_body
from trackway.collect.limits import read_limits
from trackway.control.database import State
from trackway.control.sources import list_sources
from trackway.event import Event, Source, Submission
from trackway.eventlog.interface import EventLogReader
from trackway.outcome import Refused
from trackway.pipeline.runner import Adapter, AdapterFailed, Errands
from trackway.privacy.erasure import Erasures, Reading
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
        if submission.source not in self._sources:
            self._sources = {source.id: source for source in list_sources(self._state)}
        source, adapter = self._sources.get(submission.source), self._adapters.get(submission.protocol)
        if source is None or adapter is None:
            return None
        try:
            return adapter(submission, source)
        except (Refused, AdapterFailed):
            return None

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

    def run(people: People, stamp: int) -> None:
        erasures.run(people, stamp)
        retention.run()

    return run
