"""What the dashboard needs of the running server; `app` makes it and puts it on `app.state.desk`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.privacy_requests import Request
from trackway.event import Source
from trackway.eventlog.interface import EventLogReader
from trackway.settings import Settings
from trackway.store.client import EventStore


class TrustedProxies(Protocol):
    def find_address(self, peer: str, forwarded: str) -> str:
        """The visitor's address behind the proxies that are believed."""


class Example(Protocol):
    """A first request in the words of a source's dialect."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> str: ...


class ScriptPlaces(Protocol):
    """Where a page finds the browser script, and where it sends: paths of ours."""

    @property
    def version(self) -> str: ...
    @property
    def stable(self) -> str: ...
    @property
    def pinned(self) -> str: ...
    @property
    def integrity(self) -> str: ...
    @property
    def module(self) -> str: ...
    @property
    def collect(self) -> str: ...
    @property
    def pixel(self) -> str: ...
    @property
    def stub(self) -> str: ...


class ServerDesk(Protocol):
    """`show_example` gives it for a source and a key. `stages` are (name, says, fills, …) of the pipeline's STAGES.

    `test` is the same desk for the test space; it has no other.
    `export` makes the file of a privacy request, piece by piece; None when the person was erased since.
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
    def stages(self) -> Sequence[tuple[Any, ...]]: ...
    @property
    def show_example(self) -> Callable[[Source, str], Example]: ...
    @property
    def script(self) -> ScriptPlaces: ...
    @property
    def export(self) -> Callable[[Request], Iterator[bytes] | None]: ...
    @property
    def test(self) -> "ServerDesk | None": ...
    @property
    def proxies(self) -> TrustedProxies: ...
