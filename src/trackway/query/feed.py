"""One live feed for all who listen: asks the store once, hands the answer to everyone.

Station 5, inside the server process; lives on its event loop. While nobody listens nothing is asked.
Every listener has a cursor of its own. One that is too slow, or comes back with the cursor of an
earlier connection, reads what it missed from the store and joins again: nothing comes twice, a slow
listener holds nobody up, and one that missed too much is told so instead of flooded.
"""

import asyncio
from collections.abc import AsyncGenerator

from anyio import to_thread
from msgspec import Struct

from trackway.query.cursors import LiveCursor
from trackway.query.live import StoredEvent, read_newest_cursor, read_store_size, read_stored_after
from trackway.store.client import EventStore, StoreUnavailable

POLL_SECONDS = 0.2
REST_SECONDS = 1.0
PAGE_EVENTS = 1000
# What a listener may have missed before it is told of a gap and goes on with the present.
MOST_MISSED_EVENTS = 10_000
QUEUE_EVENTS = 2000
MOST_LISTENERS = 500


class TooManyListeners(Exception):
    """The process serves as many listeners as it can; try again later."""


class Joined(Struct, frozen=True):
    """The listener is connected; what comes is what is stored after `cursor`."""

    cursor: LiveCursor


class Heard(Struct, frozen=True):
    """An event, and the cursor with which to ask for what comes after it."""

    event: StoredEvent
    cursor: LiveCursor


class Idle(Struct, frozen=True):
    """Nothing was stored for a while."""


class Gap(Struct, frozen=True):
    """More was stored than the listener can be sent; it goes on from `cursor`."""

    cursor: LiveCursor


class Listener:
    """A cursor, and a bounded queue of what came up since."""

    def __init__(self, cursor: LiveCursor) -> None:
        self.cursor = cursor
        self.queue: asyncio.Queue[StoredEvent | None] = asyncio.Queue(QUEUE_EVENTS)
        # True when the queue does not have all: the rest is to be read from the store.
        self.missed = True

    def offer(self, event: StoredEvent | None) -> None:
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.missed = True

    def empty(self) -> None:
        while not self.queue.empty():
            self.queue.get_nowait()

    def take(self, event: StoredEvent) -> Heard | None:
        """None when the listener has the event already."""
        if self.cursor.covers(event.stored_at, event.place):
            return None
        self.cursor = self.cursor.advance(event.stored_at, event.place)
        return Heard(event, self.cursor)


News = Joined | Heard | Idle | Gap


class LiveFeed:
    """The feed of one workspace in one process. May be made anywhere; used on one event loop."""

    def __init__(self, store: EventStore, workspace: str) -> None:
        self._store, self._workspace = store, workspace
        self._listeners: set[Listener] = set()
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def close(self) -> None:
        """End all listening, now and later. Any thread may call it, also a signal handler."""
        self._closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end_listening)

    async def listen(self, cursor: LiveCursor | None, idle_seconds: float) -> AsyncGenerator[News]:
        """What is stored after `cursor` (None: from now on), until the feed is closed.

        `Joined` comes first and at once, `Idle` each `idle_seconds` in which there was nothing.
        TooManyListeners, or StoreUnavailable when the store does not answer at the beginning; later
        it is waited for.
        """
        self._loop = asyncio.get_running_loop()
        if self._closed:
            return
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListeners(f"{MOST_LISTENERS} listeners are connected already; try again later")
        end = await self._read_end()
        listener = Listener(cursor or end)
        # First registered, then caught up: what is stored between the two comes both ways, once.
        self._listeners.add(listener)
        self._start_polling(end)
        try:
            yield Joined(listener.cursor)
            while not self._closed:
                if listener.missed:
                    async for heard in self._catch_up(listener):
                        yield heard
                    continue
                try:
                    async with asyncio.timeout(idle_seconds):
                        event = await listener.queue.get()
                except TimeoutError:
                    yield Idle()
                    continue
                if event is None:
                    return
                if (heard_now := listener.take(event)) is not None:
                    yield heard_now
        finally:
            self._listeners.discard(listener)

    async def _catch_up(self, listener: Listener) -> AsyncGenerator[News]:
        """Read from the store what is behind the listener's cursor, to the end."""
        listener.missed = False
        listener.empty()
        for _ in range(MOST_MISSED_EVENTS // PAGE_EVENTS):
            try:
                page = await self._read_after(listener.cursor)
            except StoreUnavailable:
                listener.missed = True
                await asyncio.sleep(REST_SECONDS)
                yield Idle()
                return
            for event in page:
                if (heard := listener.take(event)) is not None:
                    yield heard
            if len(page) < PAGE_EVENTS or self._closed:
                return
        listener.cursor = await self._read_end()
        yield Gap(listener.cursor)

    def _start_polling(self, cursor: LiveCursor) -> None:
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(cursor), name="live feed")

    async def _poll(self, cursor: LiveCursor) -> None:
        size: tuple[int, int] | None = None
        try:
            while self._listeners and not self._closed:
                try:
                    now = await to_thread.run_sync(read_store_size, self._store, abandon_on_cancel=True)
                    if now != size:
                        cursor = await self._hand_out(cursor)
                    size = now
                except StoreUnavailable:
                    await asyncio.sleep(REST_SECONDS)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            # Whatever ended it: who listens still is to come back rather than wait for ever.
            self._end_listening()

    async def _hand_out(self, cursor: LiveCursor) -> LiveCursor:
        """Offer everyone what was stored after `cursor`; returns the cursor behind it."""
        for _ in range(MOST_MISSED_EVENTS // PAGE_EVENTS):
            page = await self._read_after(cursor)
            for event in page:
                cursor = cursor.advance(event.stored_at, event.place)
                for listener in self._listeners:
                    listener.offer(event)
            if len(page) < PAGE_EVENTS:
                return cursor
        end = await self._read_end()
        for listener in self._listeners:
            listener.missed = True
        return end

    async def _read_end(self) -> LiveCursor:
        return await to_thread.run_sync(read_newest_cursor, self._store, abandon_on_cancel=True)

    async def _read_after(self, cursor: LiveCursor) -> list[StoredEvent]:
        return await to_thread.run_sync(
            read_stored_after, self._store, self._workspace, cursor, PAGE_EVENTS, abandon_on_cancel=True
        )

    def _end_listening(self) -> None:
        for listener in self._listeners:
            listener.missed = False
            listener.empty()
            listener.offer(None)
