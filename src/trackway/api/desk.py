"""What the API needs of the running server; `app.py` makes it and puts it on `app.state.desk`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.privacy_requests import Request
from trackway.eventlog.interface import EventLogReader
from trackway.query.feed import LiveFeed
from trackway.settings import Settings
from trackway.store.client import EventStore


class Proxies(Protocol):
    def find_address(self, peer: str, forwarded: str) -> str: ...


class ServerDesk(Protocol):
    """`stages` are (name, says, fills, …) of the pipeline's STAGES; `feed` is closed when the server stops.

    `record` puts events of the native protocol on the log in our own name and returns the verdicts, as
    `POST /v1/events` words them: what the API is told of people takes the road of every event. NotRecorded
    when they cannot be made durable now.
    `proxies` say from which address a request came.
    `test` is the same desk for the test space; it has no other.
    `export` makes the file of a privacy request, piece by piece; None when the person was erased since.
    `replay` tries letters of a workspace again, by id, and says what came of each, or would where the last
    argument is false. `replay_records` does the same with events that stand in the log: each argument
    has `segment`, `record` and `events`, their places. NotRecorded as `record`.
    """

    @property
    def settings(self) -> Settings: ...
    @property
    def state(self) -> State: ...
    @property
    def store(self) -> EventStore: ...
    @property
    def log(self) -> EventLogReader: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def workspace(self) -> str: ...
    @property
    def secret(self) -> bytes: ...
    @property
    def admin_token(self) -> str: ...
    @property
    def local_token(self) -> str: ...
    @property
    def stages(self) -> Sequence[tuple[Any, ...]]: ...
    @property
    def feed(self) -> LiveFeed: ...
    @property
    def proxies(self) -> Proxies: ...
    @property
    def record(self) -> Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]]: ...
    @property
    def export(self) -> Callable[[Request], Iterator[bytes] | None]: ...
    @property
    def replay(self) -> Callable[[str, Sequence[str], bool], Sequence[Mapping[str, Any]]]: ...
    @property
    def replay_records(self) -> Callable[[str, Sequence[Any], bool], Sequence[Mapping[str, Any]]]: ...
    @property
    def test(self) -> "ServerDesk | None": ...


class NotRecorded(Exception):
    """The log does not take events now."""
