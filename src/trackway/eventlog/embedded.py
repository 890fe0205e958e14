"""The event log in plain files: checksummed segments, group commit, one writer per stream.

`LogWriter` serves the collector: while one group is being synced, what arrives waits and shares
the next sync. `LogReader` (in `reader`) serves the pipeline, in another process.
Why plain files: docs/decisions/0001. It does not compress, does not index, and does not replicate.
"""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue

from trackway.clock import Clock, now_ms
from trackway.eventlog.appender import SegmentAppender
from trackway.eventlog.interface import NotDurable, RecordPlace
from trackway.eventlog.lock import check_stream_name, lock_stream
from trackway.eventlog.reader import LogReader, check
from trackway.eventlog.segment import MAX_PAYLOAD
from trackway.eventlog.storage import Disk, Storage

__all__ = ["LogReader", "LogWriter", "check"]

GROUP_BYTES = 4_000_000

_Waiting = tuple[bytes, "asyncio.Future[RecordPlace]"]


class LogWriter:
    """Appends to one stream of the log in `directory`; made and used on one event loop."""

    def __init__(
        self,
        directory: Path,
        stream: str,
        *,
        segment_bytes: int = 64_000_000,
        reserve_bytes: int = 200_000_000,
        waiting_bytes: int = 64_000_000,
        storage: Storage | None = None,
        clock: Clock = now_ms,
        tell_written: Callable[[], None] = lambda: None,
    ) -> None:
        """StreamInUse when another process writes the stream; OSError when the folder cannot be made.

        `waiting_bytes` bounds what may wait for the disk; beyond it `append` raises NotDurable. `tell_written` is called
        in the writer's thread after each group that is durable; it must not fail or wait.
        """
        check_stream_name(stream)
        storage = storage or Disk()
        folder = directory / stream
        storage.make_directory(folder)
        self._lock = lock_stream(folder)
        self._appender = SegmentAppender(
            storage,
            folder,
            stream,
            clock=clock,
            monotonic=time.monotonic,
            segment_bytes=segment_bytes,
            reserve_bytes=reserve_bytes,
        )
        self._waiting_limit = waiting_bytes
        self._tell_written = tell_written
        self._waiting_bytes = 0
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Future[None] | None = None
        self._stopped = False
        self._finished = False
        self._thread = threading.Thread(target=self._run, name=f"log-{stream}", daemon=True)
        self._thread.start()

    def append(self, payload: bytes) -> "asyncio.Future[RecordPlace]":
        """A future that resolves when `payload` is on disk, or fails with NotDurable or DiskFull.

        Raises NotDurable at once when too much waits already or the writer is closed.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        size = len(payload)
        if self._waiting_bytes + size > self._waiting_limit:
            raise NotDurable(f"{self._waiting_bytes} bytes wait for the disk already: send it again later")
        if self._closing is not None or self._stopped:
            raise NotDurable("the log's writer has stopped: send it again later")
        if size > MAX_PAYLOAD:
            raise ValueError(f"a payload of {size} bytes is above the format's limit of {MAX_PAYLOAD}")
        self._waiting_bytes += size
        future: asyncio.Future[RecordPlace] = loop.create_future()
        self._queue.put((payload, future))
        return future

    async def close(self) -> None:
        """Write what waits, seal the segment, let go of the stream. Safe to call twice."""
        if not self._finished:
            if self._closing is None:
                self._loop = asyncio.get_running_loop()
                self._closing = self._loop.create_future()
                self._queue.put(None)
            await asyncio.shield(self._closing)
        self._thread.join()

    @property
    def stopped(self) -> bool:
        """True when nothing can be appended any more: closed, or ended by an error of our own (not of the disk)."""
        return self._stopped

    def _run(self) -> None:
        """The writer thread. Whatever ends it, nobody is left waiting."""
        try:
            self._write_groups()
            self._appender.seal()
        finally:
            self._stopped = True
            os.close(self._lock)
            self._tell_loop(self._finish)

    def _write_groups(self) -> None:
        """One write and one sync for everything that waits, until told to end."""
        get, get_nowait = self._queue.get, self._queue.get_nowait
        while (waiting := get()) is not None:
            group = [waiting]
            size = len(waiting[0])
            ended = False
            with contextlib.suppress(Empty):
                while size < GROUP_BYTES:
                    waiting = get_nowait()
                    if waiting is None:
                        ended = True
                        break
                    group.append(waiting)
                    size += len(waiting[0])
            self._commit(group)
            if ended:
                return

    def _commit(self, group: list[_Waiting]) -> None:
        outcome: list[RecordPlace] | NotDurable = NotDurable("the log's writer stopped by an error of its own")
        try:
            outcome = self._appender.commit([payload for payload, _ in group])
        except NotDurable as error:
            outcome = error
        finally:
            self._tell_loop(self._resolve, group, outcome)
        if not isinstance(outcome, NotDurable):
            self._tell_written()

    def _tell_loop(self, call: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None:
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(call, *arguments)

    def _resolve(self, group: list[_Waiting], outcome: list[RecordPlace] | NotDurable) -> None:
        """On the event loop: answer everyone in the group."""
        if isinstance(outcome, NotDurable):
            for payload, future in group:
                self._waiting_bytes -= len(payload)
                if not future.done():
                    future.set_exception(type(outcome)(str(outcome)))
            return
        for (payload, future), place in zip(group, outcome, strict=True):
            self._waiting_bytes -= len(payload)
            if not future.done():
                future.set_result(place)

    def _finish(self) -> None:
        """On the event loop, when the thread has ended: fail what came too late."""
        self._finished = True
        left: list[_Waiting] = []
        with contextlib.suppress(Empty):
            while True:
                waiting = self._queue.get_nowait()
                if waiting is not None:
                    left.append(waiting)
        self._resolve(left, NotDurable("the log's writer has stopped: send it again later"))
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(None)
