"""The pipeline as a process: waits for the store, brings its schema up to date, then runs."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from trackway.app.bells import Bell
from trackway.app.children import start_child, stop_on_signal
from trackway.app.errands import make_errands
from trackway.app.folder import Folder
from trackway.app.parsing import parse_unpacked
from trackway.app.supervisor import find_store_url
from trackway.clock import now_ms
from trackway.collect.limits import Limits, read_limits
from trackway.collect.protocol import Parsed, Protocol
from trackway.collect.protocols import PROTOCOLS
from trackway.control.database import State, make_url
from trackway.event import Event, Source, Submission
from trackway.eventlog.embedded import LogReader
from trackway.ids import read_event_index
from trackway.pipeline.adapters import Adapter
from trackway.pipeline.desk import load_knowledge
from trackway.pipeline.runner import LOOK_EVERY_S, Pipeline
from trackway.settings import Settings
from trackway.store.client import EventStore, StoreUnavailable
from trackway.store.keys import KeyIndex
from trackway.store.migrate import migrate

LOG = logging.getLogger(__name__)

# Whoever writes to the log wakes the pipeline; what people decide, it looks for five times a second.
LOOK_ANYWAY_S = 0.2
# Collecting comes first: the pipeline takes the processor time that is left.
PIPELINE_NICE = 5


def make_adapter(protocol: Protocol, limits: Limits) -> Adapter:
    """A submission parsed again exactly as the door parsed it, without what the door refused."""

    def parse_body(protocol: Protocol, submission: Submission, body: bytes, source: Source) -> Parsed:
        return protocol.parse(submission, body, source, limits)

    def parse(submission: Submission, source: Source) -> Sequence[Event]:
        events = parse_unpacked(parse_body, protocol, submission, source, limits).events
        if submission.refused:
            return [event for event in events if read_event_index(event.event_id) not in submission.refused]
        return events

    return parse


def make_adapters(settings: Settings) -> dict[str, Adapter]:
    limits = read_limits(settings)
    return {protocol.name: make_adapter(protocol, limits) for protocol in PROTOCOLS}


def wait_for_store(store: EventStore, stopped: Callable[[], bool]) -> bool:
    """Bring the schema up to date as soon as the store answers. False when stopped meanwhile."""
    while not stopped():
        try:
            applied = migrate(store)
        except StoreUnavailable:
            time.sleep(0.1)
            continue
        if applied:
            LOG.info("event store brought up to date: %s", ", ".join(applied))
        return True
    return False


def make_rest(bell: int) -> Callable[[], object]:
    """What an idle pipeline does until it looks again: it waits for the bell, or a moment where it has none."""
    if bell < 0:
        return partial(time.sleep, LOOK_EVERY_S)
    return partial(Bell(bell, -1).wait, LOOK_ANYWAY_S)


def run_pipeline(data: Path, settings: Settings, bell: int = -1) -> None:
    start_child("pipeline", PIPELINE_NICE)
    stopped = stop_on_signal()
    folder = Folder(data)
    state = State(make_url(data, settings.state_url))
    store = EventStore(find_store_url(folder, settings))
    if not wait_for_store(store, stopped):
        return
    keys = KeyIndex.open_writer(folder.keys)
    log, adapters = LogReader(folder.log), make_adapters(settings)
    pipeline = Pipeline(
        state=state,
        store=store,
        log=log,
        keys=keys,
        adapters=adapters,
        knowledge=load_knowledge(settings.location_file),
        settings=settings,
        clock=now_ms,
        errands=make_errands(folder, state, store, log, adapters, settings),
        rest=make_rest(bell),
    )
    (folder.run / "pipeline-ready").touch()
    pipeline.run_for_ever(stopped)
    keys.close()
    store.close()
    state.close()
