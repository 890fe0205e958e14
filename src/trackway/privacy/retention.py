"""Removes events that are older than their workspace's rules allow: once a day, between two batches.

A run is a row of `privacy_requests` of kind `expire`, so a crash in the middle continues, and who asks can see
what went when. Rows are accounted for as an erasure's are: dropped, reason `expired`.
"""

import logging
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.privacy_requests import (
    DONE,
    FAILED,
    Request,
    find_run,
    list_runs,
    start_run,
    update_request,
)
from trackway.control.retention import EVERY_TYPE, Rule, list_rules
from trackway.control.workspaces import list_workspaces
from trackway.outcome import Reason
from trackway.privacy.stored import account_for, count_rows, remove_rows
from trackway.store.client import EventStore, StoreRefused

LOG = logging.getLogger(__name__)

DAY_MS = 86_400_000
LOOK_EVERY_S = 30.0


class Run(Struct):
    """What a run removes, kept in its row."""

    condition: str
    mark: str
    events: int = 0


class Retention:
    """One per installation."""

    def __init__(self, state: State, store: EventStore, clock: Clock) -> None:
        self._state, self._store, self._clock = state, store, clock
        self._looked_at = float("-inf")

    def run(self) -> None:
        """One slice of work, if there is any. StoreUnavailable when the store does not answer."""
        with self._state.read() as connection:
            open_run = find_run(connection)
        if open_run is not None:
            try:
                self._take_step(open_run)
            except StoreRefused as error:
                LOG.error("retention failed in step %s: %s", open_run.step, error)
                with self._state.write() as connection:
                    update_request(connection, open_run.id, state=FAILED, finished_at=self._clock())
            return
        if self.is_due():
            self._looked_at = time.monotonic()
            self._begin()

    def is_due(self) -> bool:
        """Is it time to look for what has expired?"""
        return time.monotonic() - self._looked_at > LOOK_EVERY_S

    def _begin(self) -> None:
        """A run for the first workspace that is due: a day after its last one, or when its rules changed since."""
        now = self._clock()
        for workspace in list_workspaces(self._state):
            rules = list_rules(self._state, workspace.id)
            if not rules:
                continue
            last = next(iter(list_runs(self._state, workspace.id, 1)), None)
            if last and last.asked_at // DAY_MS == now // DAY_MS and all(r.changed_at <= last.asked_at for r in rules):
                continue
            condition, mark = select_expired(workspace.id, rules, now), f"retention {now}"
            run = Run(f"{condition} AND '{mark}' != ''", mark)
            run.events = count_rows(self._store, "events", run.condition)
            start_run(self._state, workspace.id, msgspec.json.encode(run).decode(), now)
            return

    def _take_step(self, request: Request) -> None:
        run = msgspec.json.decode(request.progress, type=Run)
        values: dict[str, Any] = {}
        if request.step == "books":
            account_for(self._store, run.condition, Reason.EXPIRED, self._clock())
            values = {"step": "events"}
        elif remove_rows(self._store, "events", run.condition, run.mark):
            answer = msgspec.json.encode({"events": run.events}).decode()
            values = {"state": DONE, "step": "", "progress": "{}", "answer": answer, "finished_at": self._clock()}
        if values:
            with self._state.write() as connection:
                update_request(connection, request.id, **values)


def select_expired(workspace: str, rules: Sequence[Rule], now: int) -> str:
    """The condition for all events beyond their rule. Whole days, so that a day's rows go with one mutation. Pure."""
    own = [rule for rule in rules if rule.event_type != EVERY_TYPE]
    parts = [f"event_type = {_quote(rule.event_type)} AND {_before(rule, now)}" for rule in own]
    for rule in rules:
        if rule.event_type == EVERY_TYPE:
            named = ", ".join(_quote(each.event_type) for each in own)
            parts.append((f"event_type NOT IN ({named}) AND " if named else "") + _before(rule, now))
    return f"workspace = {_quote(workspace)} AND ({' OR '.join(f'({part})' for part in parts)})"


def _before(rule: Rule, now: int) -> str:
    oldest = (now // DAY_MS - rule.days) * DAY_MS
    return f"received_at < fromUnixTimestamp64Milli({oldest}, 'UTC')"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
