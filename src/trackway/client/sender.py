"""Takes batches from the queue, posts them, tries again: by a thread of its own or in the caller's.

The waiting between two tries is our own and not tenacity's or stamina's: those repeat one call in a sleep,
while here the wait must end at once when somebody flushes, Retry-After changes it, and the batch is another
one after it. What is left to a library would be one line; and the client shall need nothing but Python.
"""

import json
import logging
import math
import random
import sys
import threading
import time
import zlib
from collections.abc import Callable

from trackway.client.events import format_now
from trackway.client.queue import Batch, Queue
from trackway.client.reports import Rejected
from trackway.client.transport import Transport, Unreachable
from trackway.client.verdicts import Judgement, Verdict, judge

LOG = logging.getLogger("trackway.client")
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 300.0
MOST_EVENTS = 500
BATCH_BYTES = 512 << 10
GZIP_FROM_BYTES = 1024
LOOK_EVERY_S = 30.0
SYNC_EVERY_S = 1.0


class Sender:
    """`step` and `tend` are for one thread at a time: whoever has `sending`."""

    def __init__(
        self,
        queue: Queue,
        transport: Transport,
        *,
        flush_at: int,
        flush_every_s: float,
        request_timeout_s: float,
        on_rejected: Callable[[Rejected], object] | None,
    ) -> None:
        self._queue = queue
        self._transport = transport
        self._flush_at = flush_at
        self._flush_every_s = flush_every_s
        self._request_timeout_s = request_timeout_s
        self._on_rejected = on_rejected
        self.reset()

    def reset(self) -> None:
        """As new, in a child process."""
        self.sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._flushing = 0
        self._most_events = MOST_EVENTS
        self._not_before = 0.0
        self._told_by_server = False
        self._failures = 0
        # Long ago: the clock of the machine may have begun a second ago.
        self._looked_at = self._synced_at = -math.inf
        self._look_asked = self._more_left = False
        self.accepted = self.duplicate = self.rejected = self.failed_calls = 0
        self.last_error = ""

    def start(self) -> bool:
        """Whether the thread runs. False where no thread can be started any more: the interpreter is ending."""
        if self._thread is not None and self._thread.is_alive():
            return True
        thread = threading.Thread(target=self._run, name="trackway-client", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        self._thread = thread
        return True

    @property
    def runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def stop(self, timeout_s: float) -> None:
        """The thread closes the connection when it ends, which may be after a call that takes longer than the time."""
        with self._queue.changed:
            self._stopping = True
            self._queue.changed.notify_all()
        if self._thread is None:
            self._transport.close()
        else:
            self._thread.join(timeout_s)

    def flush(self, timeout_s: float, patient: bool = True) -> bool:
        """Whether all that waited is settled within the time. `patient=False` gives up at the first failed call."""
        deadline = time.monotonic() + timeout_s
        most_failures = self.failed_calls if not patient else sys.maxsize
        with self._queue.changed:
            self._flushing += 1
            if not self._told_by_server:
                self._not_before = 0.0
        try:
            return (self._wait if self.runs else self._drain)(deadline, most_failures)
        finally:
            with self._queue.changed:
                self._flushing -= 1

    def _wait(self, deadline: float, most_failures: int) -> bool:
        """For the thread to do it."""

        def comes_true(claim: Callable[[], bool]) -> bool:
            while not claim():
                left = deadline - time.monotonic()
                is_put_off = self._told_by_server and self._not_before >= deadline
                if left <= 0 or is_put_off or not self.runs or self.failed_calls > most_failures:
                    return False
                self._queue.changed.wait(min(left, 1.0))
            return True

        with self._queue.changed:
            while True:
                self._look_asked = self._queue.spool is not None
                self._queue.changed.notify_all()
                if not comes_true(lambda: not self._look_asked):
                    return False
                mark, adopted = self._queue.mark(), self._queue.counts.adopted
                if not comes_true(lambda mark=mark: self._queue.is_settled(mark)):  # type: ignore[misc]
                    return False
                # The sender may have taken over more of its own accord, before this thread woke up.
                if not self._more_left and self._queue.counts.adopted == adopted:
                    return True

    def _drain(self, deadline: float, most_failures: int) -> bool:
        """Where there is no thread to do it."""
        if not self.sending.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return False
        try:
            while True:
                self._look_asked = True
                self.tend()
                mark = self._queue.mark()
                while not self._queue.is_settled(mark):
                    now = time.monotonic()
                    wait = max(0.0, self._not_before - now)
                    if now + wait >= deadline or self.failed_calls > most_failures:
                        return False
                    time.sleep(wait)
                    self.step(min(self._request_timeout_s, max(0.1, deadline - time.monotonic())))
                if not self._more_left:
                    return True
        finally:
            self.sending.release()

    def _run(self) -> None:
        while True:
            with self._queue.changed:
                while not self._stopping and (wait := self._find_wait()) != 0.0:
                    self._queue.changed.wait(wait)
                if self._stopping:
                    self._transport.close()
                    return
            with self.sending:
                try:
                    self.tend()
                    if self._find_send_wait() == 0.0:
                        self.step(self._request_timeout_s)
                except Exception:
                    LOG.exception("the sender goes on after a bug")
                    self._put_off("a bug in the client, see the log", None, LONGEST_WAIT_S)

    def _find_wait(self) -> float | None:
        """Seconds until something is to be done; None when nothing is until somebody calls."""
        waits = [wait] if (wait := self._find_send_wait()) is not None else []
        if self._queue.needs_sync():
            waits.append(max(0.0, self._synced_at + SYNC_EVERY_S - time.monotonic()))
        if self._queue.spool is not None:
            waits.append(self._find_look_wait())
        return min(waits, default=None)

    def _find_send_wait(self) -> float | None:
        waiting = self._queue.waiting
        if not waiting:
            return None
        ready = 0.0 if self._flushing or waiting >= self._flush_at else self._queue.since + self._flush_every_s
        return max(0.0, max(ready, self._not_before) - time.monotonic())

    def _find_look_wait(self) -> float:
        if self._look_asked or (self._more_left and not self._queue.waiting):
            return 0.0
        return max(0.0, self._looked_at + LOOK_EVERY_S - time.monotonic())

    def tend(self) -> None:
        """Brings the spool to the disk, and takes over what ended processes left, when it is time."""
        now = time.monotonic()
        if now >= self._synced_at + SYNC_EVERY_S or self._flushing:
            self._synced_at = now
            self._queue.sync()
        if self._queue.spool is not None and self._find_look_wait() == 0.0:
            self._more_left = self._queue.adopt()
            with self._queue.changed:
                self._looked_at, self._look_asked = now, False
                self._queue.changed.notify_all()

    def step(self, timeout_s: float) -> None:
        """Sends one batch. Afterwards it is settled, or `_not_before` says when it is sent again."""
        batch = self._queue.take(self._most_events, BATCH_BYTES)
        if batch is None:
            return
        judgement = self._post(batch.read.lines, timeout_s)
        count = len(batch.read.lines)
        if judgement.kind == "smaller" and count == 1:
            rejection = Verdict("rejected", judgement.reason, "", judgement.message)
            judgement = Judgement("settled", [rejection])
        if judgement.kind == "settled":
            self._settle(batch, judgement.verdicts)
            return
        self._queue.release(batch)
        if judgement.kind == "smaller":
            self._most_events = count // 2
            return
        longest = LONGEST_WAIT_S if judgement.kind == "wrong" else 0.0
        self._put_off(judgement.message, judgement.wait_s, longest)

    def _post(self, lines: list[bytes], timeout_s: float) -> Judgement:
        body = b'{"sent_at":"%b","events":[%b]}' % (format_now().encode(), b",".join(lines))
        gzipped = len(body) >= GZIP_FROM_BYTES
        if gzipped:
            packer = zlib.compressobj(6, zlib.DEFLATED, 31)
            body = packer.compress(body) + packer.flush()
        try:
            answer = self._transport.post(body, gzipped=gzipped, timeout_s=timeout_s)
        except Unreachable as error:
            return Judgement("later", [], str(error))
        return judge(answer, len(lines))

    def _settle(self, batch: Batch, verdicts: list[Verdict]) -> None:
        """Rejections are kept before the batch leaves the queue, and told after it: a callback may take its time."""
        rejected = [
            Rejected(json.loads(line), verdict.reason, verdict.field, verdict.message)
            for line, verdict in zip(batch.read.lines, verdicts, strict=True)
            if verdict.status == "rejected"
        ]
        for one in rejected:
            LOG.warning("%s rejected %s: %s", self._transport.address, one.event.get("dedupe_key"), one.message)
            if self._queue.spool is not None:
                self._queue.spool.keep_rejected(one, format_now())
        with self._queue.changed:
            self.rejected += len(rejected)
            self.duplicate += sum(verdict.status == "duplicate" for verdict in verdicts)
            self.accepted += sum(verdict.status == "accepted" for verdict in verdicts)
            self._queue.settle(batch)
        self._most_events = min(MOST_EVENTS, self._most_events * 2)
        if self._failures:
            LOG.warning("%s takes events again, after %d failed calls", self._transport.address, self._failures)
        self._failures, self._not_before, self._told_by_server = 0, 0.0, False
        for one in rejected:
            self._tell(one)

    def _tell(self, rejected: Rejected) -> None:
        if self._on_rejected is None:
            return
        try:
            self._on_rejected(rejected)
        except Exception:
            LOG.exception("on_rejected failed")

    def _put_off(self, message: str, wait_s: float | None, least_s: float) -> None:
        """Full jitter: programs that failed together do not come back together."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._failures, 16))
        wait = wait_s if wait_s is not None else max(least_s, random.uniform(0.0, longest))
        if not self._failures or message != self.last_error:
            log = LOG.error if least_s else LOG.warning
            log("%s: %s. Events wait, the next try is in %.1f s", self._transport.address, message, wait)
        with self._queue.changed:
            self._failures += 1
            self.failed_calls += 1
            self.last_error = message
            self._not_before = time.monotonic() + wait
            self._told_by_server = wait_s is not None
            self._queue.changed.notify_all()
