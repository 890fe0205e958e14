"""From a verdict to the log: what was taken, and word of what was refused, durable before the answer."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import msgspec

from trackway.collect.limits import Limits
from trackway.collect.protocol import Parsed, Verdict
from trackway.collect.verdicts import KeyMemory
from trackway.event import LogPlace, Submission
from trackway.eventlog.interface import DiskFull, EventLogWriter, NotDurable
from trackway.ids import make_submission_id
from trackway.metrics import METRICS
from trackway.outcome import Outcome, Reason, Refused, Rejection, refuse
from trackway.records import Refusal, encode_record

# Of one refused request so many items are described; of the others it is known which they are.
DESCRIBED_ITEMS = 100


class Recorder:
    """Writes what the door decides into the log of its process. Refused where the log does not take it."""

    def __init__(self, log: EventLogWriter, memory: KeyMemory, limits: Limits) -> None:
        self._log, self._memory, self._limits = log, memory, limits
        # Finding a counter by its labels takes four times as long as counting.
        self._count_events = lru_cache(4096)(METRICS.events.labels)

    async def make_durable(self, submission: Submission, verdicts: Sequence[Verdict]) -> LogPlace | None:
        """Duplicates go into the log too: what is stored is decided there, and the books count them.

        The place of the first event; None when there is none.
        """
        rejections = [v.rejection for v in verdicts if v.rejection]
        if rejections:
            await self.log_refusals(submission, rejections)
        if not submission.events:
            return None
        held = self._memory.remember(verdicts)
        try:
            place = await self._log.append(encode_record(submission))
        except NotDurable as error:
            self._memory.forget(verdicts)
            raise _word_log_error(error) from error
        for remembered in held:
            remembered.place = LogPlace(place.segment, place.ordinal, 0)
        self._count(submission, verdicts)
        return LogPlace(place.segment, place.ordinal, 0)

    async def log_refusals(
        self, submission: Submission, rejections: Sequence[Rejection], *, whole: bool = False
    ) -> None:
        """Word of a refusal is kept for the books and the operator; the sender is told in any case.

        Where one event refuses the `whole` request, all of it may be tried again.
        """
        by_reason: dict[Reason, list[Rejection]] = {}
        for rejection in rejections:
            by_reason.setdefault(rejection.reason, []).append(rejection)
        most = self._limits.kept_refusal_bytes
        kept = msgspec.structs.replace(submission, events=0, refused=(), body=submission.body[:most])
        refusals = []
        for reason, alike in by_reason.items():
            self.count_rejected(submission.source, len(alike))
            refusal = Refusal(
                refusal_id=make_submission_id(submission.received_at),
                received_at=submission.received_at,
                workspace=submission.workspace,
                source=submission.source,
                reason=reason.value,
                message=alike[0].message[:500],
                field=alike[0].field[:200],
                events=len(alike),
                submission=kept,
                cut=len(submission.body) > most or reason is Reason.BODY_TOO_LARGE,
                indexes=() if whole else tuple(each.index for each in alike if each.index is not None),
                items=tuple(
                    (-1 if each.index is None else each.index, each.field[:200], each.message[:500])
                    for each in alike[:DESCRIBED_ITEMS]
                ),
            )
            refusals.append(encode_record(refusal))
        try:
            await asyncio.gather(*(self._log.append(refusal) for refusal in refusals))
        except NotDurable as error:
            raise _word_log_error(error) from error

    async def log_counts(self, refusals: Iterable[Refusal]) -> None:
        """Put on the log how many were refused without keeping them; if it takes nothing now, the metrics know."""
        for refusal in refusals:
            with contextlib.suppress(NotDurable):
                await self._log.append(encode_record(refusal))

    def count_rejected(self, source: str, events: int = 1) -> None:
        self._count_events(source, Outcome.REJECTED.value).inc(events)

    def _count(self, submission: Submission, verdicts: Sequence[Verdict]) -> None:
        duplicates = sum(v.outcome is Outcome.DUPLICATE for v in verdicts)
        self._count_events(submission.source, "accepted").inc(submission.events - duplicates)
        if duplicates:
            self._count_events(submission.source, Outcome.DUPLICATE.value).inc(duplicates)


def count_items(submission: Submission, parsed: Parsed) -> Submission:
    left_out = tuple(index for index, item in enumerate(parsed.items) if isinstance(item, Rejection))
    return msgspec.structs.replace(submission, events=len(parsed.items) - len(left_out), refused=left_out)


def _word_log_error(error: NotDurable) -> Refused:
    if isinstance(error, DiskFull):
        return refuse(Reason.DISK_FULL, "the disk is full up to its reserve; nothing was stored, send it again later")
    return refuse(Reason.NOT_DURABLE, "the event could not be made durable now; nothing was stored, send it again")
