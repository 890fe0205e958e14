"""The client that programs make: checks and queues in the caller's thread, sends in another.

A call returns when the event is in the queue, or in the spool if there is one. Nothing that happens on the
way to the server is raised into the program; it is logged (`trackway.client`), counted (`stats`), and told
to `on_rejected`. A thread is started with the first event, not by the import.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from trackway.client.events import EventFields, Id, MoreFields, encode_event
from trackway.client.queue import LOG, Fsync, Queue, WhenFull
from trackway.client.reports import Rejected, Stats
from trackway.client.sender import Sender
from trackway.client.spool import Spool
from trackway.client.transport import Transport

LEAST_QUEUE_BYTES = 64 << 10
# In memory they are the program's own; on a disk there is room for the outage of a night.
MEMORY_BYTES, SPOOL_BYTES = 32 << 20, 256 << 20


class Client:
    """Sends events to one source. Safe for threads and forks; best made once per program.

    The arguments are those of docs/reference/python-client.md. ValueError when one is wrong, OSError when
    the spool's folder cannot be used.
    """

    def __init__(
        self,
        url: str,
        write_key: str,
        *,
        spool: str | os.PathLike[str] | None = None,
        spool_fsync: Fsync = "everysec",
        flush_at: int = 100,
        flush_every_s: float = 1.0,
        queue_bytes: int | None = None,
        when_full: WhenFull = "drop_oldest",
        request_timeout_s: float = 10.0,
        close_timeout_s: float = 10.0,
        background: bool = True,
        context: Mapping[str, Any] | None = None,
        on_rejected: Callable[[Rejected], object] | None = None,
    ) -> None:
        self._queue_bytes = queue_bytes if queue_bytes is not None else SPOOL_BYTES if spool else MEMORY_BYTES
        _check(
            {
                "flush_at must be at least 1": flush_at >= 1,
                "flush_every_s must not be negative": flush_every_s >= 0,
                f"queue_bytes must be at least {LEAST_QUEUE_BYTES}": self._queue_bytes >= LEAST_QUEUE_BYTES,
                "request_timeout_s and close_timeout_s must be above 0": min(request_timeout_s, close_timeout_s) > 0,
                "when_full must be drop_oldest, raise or wait": when_full in ("drop_oldest", "raise", "wait"),
                "spool_fsync must be always, everysec or no": spool_fsync in ("always", "everysec", "no"),
                "when_full='wait' needs background=True, else nobody makes room": background or when_full != "wait",
            }
        )
        self._context = dict(context or {})
        encode_event("check", {}, self._context)
        transport = Transport(url, write_key)
        folder = Spool(Path(spool), write_key) if spool else None
        self._queue = Queue(folder, self._queue_bytes, when_full, spool_fsync, flush_at)
        self._transport = transport
        self._sender = Sender(
            self._queue,
            transport,
            flush_at=flush_at,
            flush_every_s=flush_every_s,
            request_timeout_s=request_timeout_s,
            on_rejected=on_rejected,
        )
        self._background = background
        self._close_timeout_s = close_timeout_s
        self._started = self._closed = False
        _watch(self)
        if folder is not None:
            folder.warn_of_others()
            if folder.has_files():
                self._start()

    def track(self, event_type: str, **fields: Unpack[EventFields]) -> str:
        """Records an event; its dedupe key. ValueError or TypeError when it cannot be one."""
        return self._track(event_type, fields)

    def page(self, url: str, *, user_id: Id = None, account_id: Id = None, **more: Unpack[MoreFields]) -> str:
        """Records a `page_view` of `url`."""
        return self._track("page_view", {**more, "url": url, "user_id": user_id, "account_id": account_id})

    def identify(
        self,
        user_id: Id,
        traits: Mapping[str, Any] | None = None,
        *,
        account_id: Id = None,
        url: str | None = None,
        **more: Unpack[MoreFields],
    ) -> str:
        """Says who somebody is: ties `user_id` to the other ids of the call, and sets traits of the person."""
        return self._track(
            "identify", {**more, "user_id": user_id, "traits": traits, "account_id": account_id, "url": url}
        )

    def group(
        self,
        account_id: Id,
        traits: Mapping[str, Any] | None = None,
        *,
        user_id: Id = None,
        url: str | None = None,
        **more: Unpack[MoreFields],
    ) -> str:
        """Says which account somebody belongs to, and sets traits of the account."""
        return self._track(
            "group", {**more, "account_id": account_id, "account_traits": traits, "user_id": user_id, "url": url}
        )

    def consent(
        self,
        states: Mapping[str, Any],
        *,
        user_id: Id = None,
        account_id: Id = None,
        url: str | None = None,
        **more: Unpack[MoreFields],
    ) -> str:
        """Records what somebody answered when asked for consent."""
        return self._track(
            "consent_updated", {**more, "consent": states, "user_id": user_id, "account_id": account_id, "url": url}
        )

    def _track(self, event_type: str, fields: Mapping[str, object]) -> str:
        if self._closed:
            raise ValueError("this client is closed")
        encoded = encode_event(event_type, fields, self._context)
        if len(encoded.line) > self._queue_bytes // 2:
            raise ValueError(f"the event has {len(encoded.line)} bytes, more than half of queue_bytes")
        self._queue.add(encoded.line)
        if not self._started:
            self._start()
        return encoded.dedupe_key

    def flush(self, timeout: float = 30.0) -> bool:
        """Sends what waits and returns True when the server has judged all of it; False after `timeout` seconds."""
        return self._closed or self._sender.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Flushes and ends; as `flush`. What could not be sent stays in the spool for the next start.

        With a spool it does not wait for a server that is away; without, it tries until the time is over,
        and what is left then is lost, counted in `stats.dropped` and logged.
        """
        if self._closed:
            return True
        self._closed = True
        done = self._finish(self._close_timeout_s if timeout is None else timeout)
        self._sender.stop(1.0)
        self._queue.close()
        _OPEN.discard(self)
        return done

    def _finish(self, timeout: float) -> bool:
        has_spool = self._queue.spool is not None
        done = self._sender.flush(timeout, patient=not has_spool)
        if not done:
            what = "stay in the spool" if has_spool else "are lost"
            LOG.error("%d events could not be sent in time and %s", self._queue.waiting, what)
        return done

    @property
    def stats(self) -> Stats:
        """Figures of now."""
        queue, sender = self._queue, self._sender
        with queue.changed:
            return Stats(
                tracked=queue.counts.tracked,
                adopted=queue.counts.adopted,
                accepted=sender.accepted,
                duplicate=sender.duplicate,
                rejected=sender.rejected,
                dropped=queue.counts.dropped,
                damaged=queue.counts.damaged,
                waiting=queue.waiting,
                failed_calls=sender.failed_calls,
                last_error=sender.last_error,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        with self._queue.changed:
            if self._started:
                return
            self._started = True
            if self._background:
                self._sender.start()
        _watch_end_of_child()

    def _finish_at_exit(self) -> None:
        """Not closed: what other exit handlers track afterwards is still spooled."""
        if not self._closed and (self._queue.waiting or self._queue.spool is not None):
            self._finish(self._close_timeout_s)
            self._queue.tidy()

    def _hold(self) -> None:
        """Before a fork: waits until no other thread is in the middle of a change, which the child would inherit."""
        self._queue.changed.acquire()

    def _let_go(self) -> None:
        self._queue.changed.release()

    def _forget_parent(self) -> None:
        """In a forked child: the parent sends what the parent tracked; the child begins with nothing."""
        self._transport.close()
        self._queue.leave_to_parent()
        self._sender.reset()
        self._started = False


def _check(claims: Mapping[str, bool]) -> None:
    for mistake, holds in claims.items():
        if not holds:
            raise ValueError(mistake)


# Held until closed: a client that nobody refers to any more still has events to send.
_OPEN: set[Client] = set()
_HELD: list[Client] = []


class _Watch:
    """The hooks of this process, set with the first client."""

    is_set = False
    # Two threads that fork at once must not release what the other one holds.
    forking = threading.RLock()


def _watch(client: Client) -> None:
    if not _Watch.is_set:
        _Watch.is_set = True
        atexit.register(_finish_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_hold_all, after_in_parent=_let_all_go, after_in_child=_forget_parents)
    _OPEN.add(client)


def _finish_all() -> None:
    for client in list(_OPEN):
        client._finish_at_exit()


def _hold_all() -> None:
    _Watch.forking.acquire()
    _HELD.extend(_OPEN)
    for client in _HELD:
        client._hold()


def _let_all_go() -> None:
    while _HELD:
        _HELD.pop()._let_go()
    _Watch.forking.release()


def _forget_parents() -> None:
    _Watch.forking = threading.RLock()
    _HELD.clear()
    for client in _OPEN:
        client._forget_parent()


def _watch_end_of_child() -> None:
    """A child of `multiprocessing` ends without `atexit`; it has a list of its own."""
    process = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _finish_all, exitpriority=0)
