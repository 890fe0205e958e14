"""The ASGI application of one server process: collect routes straight, everything else by Starlette."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from trackway.api.access import check_access
from trackway.api.desk import NotRecorded
from trackway.api.replies import ApiRefusal, reply_refusal
from trackway.api.routes import make_api_routes
from trackway.app.aliases import Aliases, ScriptPlaces
from trackway.app.folder import Folder, RunningServer
from trackway.app.health import Health
from trackway.app.pipeline_process import make_adapters
from trackway.app.replaying import Replaying
from trackway.app.supervisor import find_store_url
from trackway.app.unknown_paths import answer_unknown
from trackway.clock import Clock, now_ms
from trackway.collect.addresses import Proxies
from trackway.collect.collector import Collector, remember_unsettled
from trackway.collect.consent_routes import ConsentRoutes
from trackway.collect.credentials import KeyRing
from trackway.collect.door_people import DoorPeople
from trackway.collect.dropin_files import make_dropin_routes
from trackway.collect.http import read_path
from trackway.collect.limits import read_limits
from trackway.collect.protocol import Example
from trackway.collect.protocols import PROTOCOLS, show_example
from trackway.collect.protocols.native import NATIVE
from trackway.collect.script_files import ScriptFiles
from trackway.collect.verdicts import KeyMemory
from trackway.control.database import State, make_url
from trackway.control.privacy_requests import Request as PrivacyRequest
from trackway.control.sources import ensure_own_source, list_sources
from trackway.control.workspaces import FIRST_WORKSPACE, TEST_WORKSPACE
from trackway.dashboard.routes import make_dashboard_routes
from trackway.event import Event, Source, Submission
from trackway.eventlog.embedded import LogReader, LogWriter
from trackway.eventlog.interface import Position, Record
from trackway.metrics import METRICS
from trackway.outcome import Refused
from trackway.pipeline.adapters import Adapter, AdapterFailed
from trackway.pipeline.pipeline import STAGES
from trackway.pipeline.progress import read_position
from trackway.privacy.export import write_export
from trackway.query.feed import LiveFeed
from trackway.records import decode_record
from trackway.settings import Settings
from trackway.store.client import EventStore
from trackway.store.keys import KeyIndex, KeyIndexFailed, KeyReader

LOG = logging.getLogger(__name__)

SETTLE_EVERY_S = 1.0
RECOVERY_RECORDS = 5000
MOST_RECOVERED = 500_000
RECORD_SECONDS = 10


class Desk(Struct, frozen=True):
    """What the handlers of API and dashboard work with; `test` is the same for the test space."""

    settings: Settings
    state: State
    store: EventStore
    log: LogReader
    clock: Clock
    workspace: str
    secret: bytes
    admin_token: str
    local_token: str
    feed: LiveFeed
    proxies: Proxies
    stages: Sequence[tuple[str, str, tuple[str, ...]]]
    show_example: Callable[[Source, str], Example]
    script: ScriptPlaces
    record: Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]]
    export: Callable[[PrivacyRequest], Iterator[bytes] | None]
    replay: Callable[[str, Sequence[str], bool], Sequence[Mapping[str, Any]]]
    replay_records: Callable[[str, Sequence[Any], bool], Sequence[Mapping[str, Any]]]
    test: "Desk | None" = None


class Front:
    """Everything of one server process. `lifespan` opens and closes it."""

    def __init__(self, data: Path, settings: Settings, stream: str, tell_written: Callable[[], None]) -> None:
        self._settings, self._stream, self._tell_written = settings, stream, tell_written
        self._aliases = Aliases(settings)
        self._folder = Folder(data)
        self._state = State(make_url(data, settings.state_url))
        self._changes, self._settled = self._state.watch(), Position.start()
        self._store = EventStore(find_store_url(self._folder, settings))
        self._reader = LogReader(self._folder.log)
        self.feed = LiveFeed(self._store, FIRST_WORKSPACE)
        self.test_feed = LiveFeed(self._store, TEST_WORKSPACE)
        self.health = Health(self._folder, self._store)
        self._collector: Collector | None = None
        self._consents: ConsentRoutes | None = None
        self._writer: LogWriter | None = None
        routes: list[BaseRoute] = [
            Route("/", lambda _: RedirectResponse("/app/")),
            Route("/health", self.health.describe),
            Route("/health/ready", self.health.answer_ready),
            Route("/health/live", lambda _: JSONResponse({"live": True})),
            Route("/metrics", self._expose_metrics),
            Mount("/js", ScriptFiles()),
            *make_dropin_routes(),
            *make_api_routes(),
            *make_dashboard_routes(),
        ]
        unknown = {404: answer_unknown, 405: answer_unknown}
        self.pages = Starlette(routes=routes, exception_handlers=unknown, lifespan=self._lifespan)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        collector = self._collector
        consents = self._consents
        if scope["type"] == "http" and (usual := self._aliases.find(scope["path"])):
            scope = {**scope, "path": usual, "raw_path": usual.encode()}
        if scope["type"] == "http" and collector is not None and collector.owns(scope["method"], read_path(scope)):
            await collector(scope, receive, send)
        elif scope["type"] == "http" and consents is not None and consents.owns(scope["path"]):
            await consents(scope, receive, send)
        else:
            await self.pages(scope, receive, send)

    @contextlib.asynccontextmanager
    async def _lifespan(self, application: Starlette) -> AsyncIterator[None]:
        proxies = Proxies(self._settings.trusted_proxies)
        application.state.desk = self._make_desk(proxies, asyncio.get_running_loop())
        keys = KeyRing(self._state)
        keys.load()
        index = await asyncio.to_thread(KeyIndex.open_reader, self._folder.keys)
        memory = KeyMemory(index, self._settings.dedupe_window_days * 86_400_000, now_ms)
        people = DoorPeople(self._state, now_ms, self._stream)
        await asyncio.to_thread(self._recover, memory, people)
        writer = self._writer = LogWriter(
            self._folder.log,
            self._stream,
            segment_bytes=self._settings.log_segment_bytes,
            reserve_bytes=self._settings.disk_reserve_bytes,
            tell_written=self._tell_written,
        )
        self.health.watch_collector(lambda: not writer.stopped)
        limits = read_limits(self._settings)
        collector = Collector(PROTOCOLS, limits, keys, memory, people, writer, proxies, now_ms)
        self._collector = collector
        self._consents = ConsentRoutes(self._state, keys, collector, people, limits, now_ms)
        tasks = [
            asyncio.create_task(t)
            for t in (
                keys.watch(),
                people.watch(),
                self._settle(memory, index, collector),
                self.health.watch(),
            )
        ]
        try:
            yield
        finally:
            self._collector = self._consents = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await collector.tell_limited(all=True)
            await writer.close()
            people.close()
            index.close()
            self._store.close()
            self._state.close()

    def _make_desk(self, proxies: Proxies, loop: asyncio.AbstractEventLoop) -> Desk:
        running = self._folder.read_server() or RunningServer("", 0, 0, "")
        record = partial(self._record, loop)
        replaying = self._make_replaying(loop)
        desk = Desk(
            settings=self._settings,
            state=self._state,
            store=self._store,
            log=self._reader,
            clock=now_ms,
            workspace=FIRST_WORKSPACE,
            secret=self._folder.read_secret(),
            admin_token=self._settings.admin_token,
            local_token=running.token,
            feed=self.feed,
            proxies=proxies,
            stages=[(stage.name, stage.says, stage.fills) for stage in STAGES],
            show_example=show_example,
            script=self._aliases.describe(),
            record=partial(record, FIRST_WORKSPACE),
            export=self._export,
            replay=replaying.replay,
            replay_records=replaying.replay_records,
        )
        test = replace(desk, workspace=TEST_WORKSPACE, feed=self.test_feed, record=partial(record, TEST_WORKSPACE))
        return replace(desk, test=test)

    def _record(
        self, loop: asyncio.AbstractEventLoop, workspace: str, events: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        """For handlers, which run in threads: the log belongs to the loop."""
        if self._collector is None:
            raise NotRecorded("the server is stopping")
        source = ensure_own_source(self._state, workspace)
        body = msgspec.json.encode({"events": events})
        waiting = asyncio.run_coroutine_threadsafe(self._collector.record(NATIVE, source, body), loop)
        try:
            reply = waiting.result(RECORD_SECONDS)
        except (Refused, TimeoutError) as error:
            raise NotRecorded(str(error)) from error
        results: Sequence[Mapping[str, Any]] = msgspec.json.decode(reply.body)["results"]
        return results

    def _make_replaying(self, loop: asyncio.AbstractEventLoop) -> Replaying:
        limits = read_limits(self._settings)
        return Replaying(self._state, self._store, self._reader, limits, lambda: self._collector, loop)

    def _export(self, request: PrivacyRequest) -> Iterator[bytes] | None:
        return write_export(self._store, self._state, request, now_ms(), self._settings.log_keep_hours)

    def _recover(self, memory: KeyMemory, people: DoorPeople) -> None:
        """After a restart: hold the keys and visits of what is in the log and not settled, of every stream."""
        sources = {source.id: source for source in list_sources(self._state)}
        adapters = make_adapters(self._settings)
        recovered = 0
        for stream in self._reader.streams():
            position = read_position(self._state, stream)
            while recovered < MOST_RECOVERED:
                batch = self._reader.read(stream, position, RECOVERY_RECORDS)
                if batch.next == position:
                    break
                position = batch.next
                for record in batch.records:
                    events = _recover_record(record, sources, adapters, people)
                    recovered += len(events)
                    remember_unsettled(memory, events, record.segment, record.ordinal)

    async def _settle(self, memory: KeyMemory, index: KeyReader, collector: Collector) -> None:
        """Once a second: forget what the pipeline has settled, and watch how far it is behind."""
        while True:
            await asyncio.sleep(SETTLE_EVERY_S)
            await collector.tell_limited()
            try:
                position, backlog = await asyncio.to_thread(self._look_at_pipeline, index)
            except (OperationalError, KeyIndexFailed, OSError) as error:
                LOG.warning("how far the pipeline is cannot be seen now: %s", error)
                continue
            memory.settle(position.segment, position.ordinal)
            METRICS.log_backlog_bytes.set(backlog)
            collector.overloaded = backlog > self._settings.log_backlog_bytes

    def _look_at_pipeline(self, index: KeyReader) -> tuple[Position, int]:
        """The position first: what lies before it is in the index by then."""
        if self._changes.has_changed():
            self._settled = read_position(self._state, self._stream)
            index.refresh()
            self._changes.note_seen()
        return self._settled, self._reader.backlog_bytes(self._stream, self._settled)

    async def _expose_metrics(self, request: Request) -> Response:
        """Metrics name the sources, so they are for whoever may read the API."""
        try:
            await asyncio.to_thread(check_access, request.app.state.desk, request)
        except ApiRefusal as refused:
            return reply_refusal(refused)
        return Response(generate_latest(METRICS.registry), media_type=CONTENT_TYPE_LATEST)


def _recover_record(
    record: Record, sources: Mapping[str, Source], adapters: Mapping[str, Adapter], people: DoorPeople
) -> Sequence[Event]:
    """The events of a record; none when it cannot be read, which the pipeline will say."""
    try:
        content = decode_record(record.payload)
        if not isinstance(content, Submission):
            return ()
        if content.source not in sources or content.protocol not in adapters:
            return ()
        people.recover(content)
        return adapters[content.protocol](content, sources[content.source])
    except (Refused, AdapterFailed, msgspec.MsgspecError):
        return ()
