"""Every kind of event log, opened the same way: `any_log` runs each contract test on each of them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from trackway.eventlog.embedded import LogReader, LogWriter
from trackway.eventlog.interface import EventLogReader, EventLogWriter


@dataclass
class LogUnderTest:
    """A fresh, empty log: `open_writer(stream)` as an async context manager, `open_reader()`."""

    open_writer: Callable[..., AbstractAsyncContextManager[EventLogWriter]]
    open_reader: Callable[[], EventLogReader]


def make_embedded(folder: Path) -> LogUnderTest:
    @asynccontextmanager
    async def open_writer(stream: str, **limits: Any):
        writer = LogWriter(folder, stream, **{"reserve_bytes": 0, **limits})
        try:
            yield writer
        finally:
            await writer.close()

    return LogUnderTest(open_writer, lambda: LogReader(folder))


# A distributed log joins here.
BACKENDS = {"embedded": make_embedded}


@pytest.fixture(params=sorted(BACKENDS))
def any_log(request: pytest.FixtureRequest, tmp_path: Path) -> LogUnderTest:
    return BACKENDS[request.param](tmp_path / "log")
