"""What a protocol file offers: the shape that all siblings in `protocols/` share.

A protocol finds the key in a request, turns a `Submission` into events, and words the answer.
It never touches the log, the store or a clock. What it must know of people it asks before the
submission is made (`note`) or before it answers (`learn`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct, field

from trackway.collect.door_people import DoorPeople
from trackway.collect.limits import Limits
from trackway.event import Event, LogPlace, Source, Submission
from trackway.outcome import Outcome, Reason, Rejection, refuse

MOST_PARAMETERS = 100


class Route(Struct, frozen=True):
    """A path that a protocol owns, and the methods it answers there.

    `/collect/{event_type}/{source_id}` has two parameters; each takes one segment that is not empty.
    """

    path: str
    methods: tuple[str, ...] = ("POST",)


class Request(Struct, frozen=True, kw_only=True):
    """One HTTP request, its body unpacked. Header names are lower case; `path` is as it was sent,
    `params` are the decoded parameters of the route."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    params: Mapping[str, str] = {}

    def query_value(self, name: str) -> str:
        """The first value, "" where there is none; refused when there are too many parameters to read."""
        if name not in self.query:
            return ""
        try:
            return parse_qs(self.query, max_num_fields=MOST_PARAMETERS).get(name, [""])[0]
        except ValueError:
            raise refuse(
                Reason.OUT_OF_RANGE, f"the address has more than {MOST_PARAMETERS} parameters; leave some out"
            ) from None

    def bearer(self) -> str:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class Parsed(Struct, frozen=True):
    """What a request holds: each event or the reason why it is none, in the order sent.

    `single` says that one bare event was sent, which some dialects answer differently. Where `all_or_nothing`, one
    event that the tracking plan refuses refuses the whole request.
    """

    items: Sequence[Event | Rejection]
    single: bool = False
    warnings: Mapping[int, Sequence[str]] = field(default_factory=dict)
    all_or_nothing: bool = False

    @property
    def events(self) -> list[Event]:
        return [item for item in self.items if isinstance(item, Event)]


Foretold = Literal["", "anonymous", "held", "nothing"]


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """What the answer says of one event. `first_event_id` is set for a duplicate, `keys` are its digests.

    `stored` is what the consent policy will leave of it, where that is certain at the door.
    """

    index: int
    outcome: Outcome
    event: Event | None = None
    first_event_id: str = ""
    rejection: Rejection | None = None
    warnings: Sequence[str] = ()
    keys: tuple[bytes, ...] = ()
    stored: Foretold = ""

    @property
    def stored_as_said(self) -> dict[str, object]:
        """The field `stored` of an answer, in the words that all dialects share; empty when nothing is certain."""
        if not self.stored:
            return {}
        return {"stored": False if self.stored == "nothing" else self.stored}


class Reply(Struct, frozen=True):
    """An answer; `headers` beside the content type and length."""

    status: int
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()
    content_type: bytes = b"application/json"


class Answering(Struct, frozen=True):
    """All that an answer is made of. `learnt` is what `learn` found."""

    submission: Submission
    source: Source
    parsed: Parsed
    verdicts: Sequence[Verdict]
    learnt: Mapping[str, Any] = {}


class Example(Struct, frozen=True):
    """A first request to try: `headers` beside those that every client sends."""

    path: str
    body: str
    headers: Mapping[str, str] = {}
    method: str = "POST"


class Protocol(Struct, frozen=True, kw_only=True):
    """One dialect. `find_key`, `parse`, `reply` and `refuse` are pure; `parse` gives the same events
    for the same submission.

    `refuse` is given the source when its key was known, and the request when its body could be read.
    `note` is called for every request, on the event loop: it answers from memory or by one small
    read. `learn` is called when the events are durable; the place is None when nothing was logged.
    `example` sends one event with a key of the source; pages and commands show it.
    """

    name: str
    routes: tuple[Route, ...]
    find_key: Callable[[Request], str]
    parse: Callable[[Submission, bytes, Source, Limits], Parsed]
    reply: Callable[[Answering], Reply]
    refuse: Callable[[Rejection, Source | None, Request | None], Reply]
    example: Callable[[Source, str], Example]
    note: Callable[[Request, Source, DoorPeople], dict[str, str]] | None = None
    learn: Callable[[Answering, LogPlace | None, DoorPeople], Awaitable[Mapping[str, Any]]] | None = None


def json_reply(status: int, content: object) -> Reply:
    return Reply(status, msgspec.json.encode(content))
