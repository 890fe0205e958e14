"""A process that runs the real pipeline and is hurt at a step that it is told.

Reads orders from standard input, one JSON object per line, and answers each with one. A warm process
forks for every order, so that a case costs milliseconds. Steps are numbered as they come: before and
after every call that leaves the process. At the step of the order it kills itself (`kill`) or the call
fails (`fail`): before, as if it had never arrived, or after, as if its answer had been lost.

The store is real; it refuses events whose properties hold `refused`, as it would refuse what its JSON type
cannot hold if the door let it through.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trackway.app.pipeline_process import make_adapters
from trackway.clock import now_ms
from trackway.control.database import State, make_url
from trackway.event import Row
from trackway.eventlog.embedded import LogReader
from trackway.pipeline import progress, runner
from trackway.pipeline.desk import load_knowledge
from trackway.pipeline.progress import read_position
from trackway.privacy import replaced
from trackway.profiles.people import People
from trackway.query.progress import look_whether_removing
from trackway.settings import Settings
from trackway.store.client import EventStore, OutcomeRow, StoreRefused, StoreUnavailable
from trackway.store.keys import KeyEntry, KeyIndexFailed, KeyWriter
from trackway.store.rows import OverrideRow

INCORRECT_DATA = 117
# Held events are looked at, then those of whom that look has made one person.
ROUNDS = 3


class Steps:
    """Counts the steps and carries out the order at one of them."""

    def __init__(self, hurt_at: int, how: str) -> None:
        self.names: list[str] = []
        self._hurt_at, self._how = hurt_at, how

    def take(self, name: str, failure: Callable[[str], Exception]) -> None:
        self.names.append(name)
        if len(self.names) - 1 != self._hurt_at:
            return
        if self._how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise failure(f"{name}: this is the fault that was ordered")


class HurtStore(EventStore):
    def __init__(self, url: str, steps: Steps) -> None:
        super().__init__(url)
        self._steps = steps

    def insert_events(self, rows: Sequence[Row], stored_at: int) -> None:
        self._steps.take("before insert_events", StoreUnavailable)
        if any("refused" in row.event.properties for row in rows):
            raise StoreRefused("Cannot parse JSON object: ordered by the test", INCORRECT_DATA)
        super().insert_events(rows, stored_at)
        self._steps.take("after insert_events", StoreUnavailable)

    def insert_outcomes(self, rows: Sequence[OutcomeRow], stored_at: int) -> None:
        self._steps.take("before insert_outcomes", StoreUnavailable)
        super().insert_outcomes(rows, stored_at)
        self._steps.take("after insert_outcomes", StoreUnavailable)

    def execute(self, sql: str, settings: Mapping[str, Any] | None = None) -> None:
        """What rows that were replaced get before they go, and the mutation that takes them away."""
        self._steps.take(f"before {sql.split()[0]}", StoreUnavailable)
        super().execute(sql, settings)
        self._steps.take(f"after {sql.split()[0]}", StoreUnavailable)

    def insert_overrides(self, rows: Sequence[OverrideRow]) -> None:
        self._steps.take("before insert_overrides", StoreUnavailable)
        super().insert_overrides(rows)
        self._steps.take("after insert_overrides", StoreUnavailable)


class HurtKeys(KeyWriter):
    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(path)
        self._steps = steps

    def put_many(self, items: Sequence[tuple[bytes, KeyEntry]], since_ms: int = 0) -> None:
        self._steps.take("before put_many", KeyIndexFailed)
        super().put_many(items, since_ms)
        self._steps.take("after put_many", KeyIndexFailed)


def hurt_commits(steps: Steps) -> None:
    """Before the transaction, in it with people written, with everything written, and after it."""
    commit, set_aside, write, forget = runner.commit_batch, progress._set_aside, People.write, replaced.forget_replaced

    def commit_batch(*arguments: Any) -> None:
        steps.take("before commit_batch", OSError)
        commit(*arguments)
        steps.take("after commit_batch", OSError)

    def set_all_aside(*arguments: Any) -> None:
        set_aside(*arguments)
        steps.take("inside commit_batch", OSError)

    def write_people(*arguments: Any) -> None:
        write(*arguments)
        steps.take("inside commit_batch, people written", OSError)

    def forget_replaced(*arguments: Any) -> None:
        steps.take("before forget_replaced", OSError)
        forget(*arguments)
        steps.take("after forget_replaced", OSError)

    runner.commit_batch, progress._set_aside, replaced.forget_replaced = commit_batch, set_all_aside, forget_replaced
    People.write = write_people  # type: ignore[method-assign]


def run_order(order: dict[str, Any]) -> list[str]:
    """Run the pipeline until it has settled everything; the steps it took."""
    data, steps = Path(order["data"]), Steps(order["hurt_at"], order["how"])
    settings = Settings(pipeline_batch_submissions=order["batch"], pipeline_linger_ms=0)
    hurt_commits(steps)
    state, store = State(make_url(data, "")), HurtStore(order["url"], steps)
    log, keys = LogReader(data / "log"), HurtKeys(data / "keys", steps)
    replaced_rows = replaced.ReplacedRows(state, store, now_ms)
    pipeline = runner.Pipeline(
        state=state,
        store=store,
        log=log,
        keys=keys,
        adapters=make_adapters(settings),
        knowledge=KNOWLEDGE,
        settings=settings,
        clock=now_ms,
        errands=lambda people, stamp: replaced_rows.run(),
    )

    def is_settled() -> bool:
        ends = ((stream, read_position(state, stream)) for stream in log.streams())
        return all(log.read(stream, position, 1).next == position for stream, position in ends)

    pipeline.run_for_ever(is_settled)
    # The loop goes on for ever in life: what it does between batches is done until nothing is left to do.
    rounds = 0
    while rounds < ROUNDS or look_whether_removing(state):
        rounds += 1
        pipeline._decided_at = 0.0
        pipeline.run_for_ever(iter([False, True]).__next__)
    keys.close()
    store.close()
    state.close()
    return steps.names


def answer_order(order: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(run_order(order)).encode())
        except KeyIndexFailed:
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        names = answer.read()
    _, status = os.waitpid(child, 0)
    return {"killed": os.WIFSIGNALED(status), "status": status, "steps": json.loads(names or b"[]")}


if __name__ == "__main__":
    logging.basicConfig(filename=sys.argv[1], level=logging.WARNING)
    runner.REST_AFTER_ERROR_S = 0.01
    KNOWLEDGE = load_knowledge("")
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer_order(json.loads(line))) + "\n")
        sys.stdout.flush()
