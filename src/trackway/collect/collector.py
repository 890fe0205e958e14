"""The collect routes, raw ASGI: request in, Submission into the log, answer when it is durable.

No framework stands between the socket and the protocol: it would cost more than everything else
here (docs/decisions/0001). What is refused is answered in the dialect's own words, with CORS
headers, and never as HTML.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import msgspec

from trackway.clock import Clock
from trackway.collect.addresses import Proxies
from trackway.collect.body import PACKED, ClientGone, Receive, pack_body, read_body, unpack_body
from trackway.collect.bulk import check_values
from trackway.collect.consent import foretell_storing
from trackway.collect.cors import allows_origin, answer_preflight, echo_origin
from trackway.collect.credentials import KeyRing
from trackway.collect.door_people import DoorPeople
from trackway.collect.http import Scope, Send, read_path, refusal_headers, send_reply
from trackway.collect.key_masks import KeyMask
from trackway.collect.limits import Limits
from trackway.collect.paths import Match, Paths
from trackway.collect.plan import check_plan
from trackway.collect.protocol import Answering, Parsed, Protocol, Reply, Request, Verdict
from trackway.collect.rates import Rate, Rates
from trackway.collect.recorder import Recorder, count_items
from trackway.collect.verdicts import KeyMemory
from trackway.collect.visitor_cookie import add_visitor_cookie
from trackway.control.sources import KeyHolder
from trackway.event import Event, LogPlace, Source, Submission
from trackway.eventlog.interface import EventLogWriter
from trackway.ids import make_submission_id
from trackway.metrics import METRICS
from trackway.outcome import Reason, Refused, Rejection, refuse
from trackway.profiles.policies import DEFAULT_POLICY

LOG = logging.getLogger(__name__)

NO_HEADERS: Mapping[str, str] = {}
# Paths that a dialect shares with Trackway's own API, told apart by the method.
SHARED_PATHS = frozenset({"/api/v1/events"})
# A larger body is read in a thread: one of 20 MB would hold up everyone else's for a tenth of a second and more.
LARGE_BODY = 100_000

Made = TypeVar("Made")


class Asking(msgspec.Struct):
    """Who is asked for an answer, as far as it is known: filled while a request is looked at."""

    protocol: Protocol
    source: Source | None = None
    request: Request | None = None
    rate: Rate | None = None
    mask: KeyMask | None = None


class Collector:
    """All collect routes of one process. It owns its stream of the log."""

    def __init__(
        self,
        protocols: Sequence[Protocol],
        limits: Limits,
        keys: KeyRing,
        memory: KeyMemory,
        people: DoorPeople,
        log: EventLogWriter,
        proxies: Proxies,
        clock: Clock,
    ) -> None:
        self._paths = Paths(protocols)
        self._limits = limits
        self._keys = keys
        self._memory = memory
        self._people = people
        self._recorder = Recorder(log, memory, limits)
        self._proxies = proxies
        self._clock = clock
        self.rates = Rates(clock)
        # One, so that many large bodies take no more memory and processor time than one after the other.
        self._reading = ThreadPoolExecutor(1, "large-bodies")
        # Set by whoever watches the log: the pipeline is further behind than the operator allows.
        self.overloaded = False

    def owns(self, method: str, path: str) -> bool:
        """Tracify posts to a path of which our API answers GET: other methods than ours are left to it."""
        claims = self._paths.find(path)
        return bool(claims) and (
            path not in SHARED_PATHS or any(method in (*claim.route.methods, "OPTIONS") for claim in claims)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = read_path(scope)
        claims = self._paths.find(path)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        methods = tuple(dict.fromkeys(method for claim in claims for method in claim.route.methods))
        if scope["method"] == "OPTIONS":
            await send_reply(send, Reply(204, b""), answer_preflight(headers, methods))
            return
        cors = echo_origin(headers.get("origin", ""))
        asking = Asking(claims[0].protocol)
        try:
            reply, further = await self._answer(claims, methods, scope, path, headers, receive, asking)
        except ClientGone:
            return
        except Exception:
            # The request boundary: a fault of ours. The sender keeps the event and tries again.
            LOG.exception("%s could not be answered", scope["path"])
            rejection = Rejection(
                reason=Reason.INTERNAL_ERROR, message="a fault of this server; nothing was stored, send it again"
            )
            reply, further = self._word_refusal(asking, rejection), refusal_headers(rejection, methods)
        await send_reply(send, reply, [*cors, *further, *(asking.rate.headers if asking.rate else ())])

    async def _answer(
        self,
        claims: Sequence[Match],
        methods: tuple[str, ...],
        scope: Scope,
        path: str,
        headers: Mapping[str, str],
        receive: Receive,
        asking: "Asking",
    ) -> tuple[Reply, Sequence[tuple[bytes, bytes]]]:
        """The answer and headers of a refusal."""
        try:
            if scope["method"] not in methods:
                raise refuse(
                    Reason.METHOD_NOT_ALLOWED,
                    f"{scope['path']} takes {', '.join(methods)}, not {scope['method'][:20]}",
                )
            claims = [claim for claim in claims if scope["method"] in claim.route.methods]
            asking.protocol = claims[0].protocol
            return await self._collect(claims, scope, path, headers, receive, asking), ()
        except Refused as refused:
            return self._word_refusal(asking, refused.rejection), refusal_headers(refused.rejection, methods)

    def _word_refusal(self, asking: "Asking", rejection: Rejection) -> Reply:
        METRICS.rejected.labels(asking.protocol.name, rejection.reason.value).inc()
        return asking.protocol.refuse(rejection, asking.source, asking.request)

    async def _collect(
        self,
        claims: Sequence[Match],
        scope: Scope,
        path: str,
        headers: Mapping[str, str],
        receive: Receive,
        asking: "Asking",
    ) -> Reply:
        packed = body = b""
        unread: Refused | None = None
        try:
            packed = await read_body(receive, headers.get("content-length"), self._limits)
            packing = headers.get("content-encoding", "")
            body = await self._aside(len(packed), unpack_body, packed, packing, self._limits)
            await self._aside(len(body), check_values, body, self._limits)
        except Refused as refused:
            unread = refused
        request = asking.request = Request(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=headers,
            body=body,
        )
        if self.overloaded:
            raise refuse(
                Reason.NOT_DURABLE, "too much waits to be processed (limit log_backlog_bytes); send it again later"
            )
        try:
            holder = await self._find_holder(claims, asking)
        except Refused as refused:
            if unread is None:
                raise
            # The key may only seem to be missing.
            asking.request = None
            raise unread from refused
        request, protocol, source = asking.request, asking.protocol, holder.source
        asking.rate = self.rates.take(source)
        if asking.rate and not asking.rate.allowed:
            self._recorder.count_rejected(source.id)
            raise asking.rate.refused()
        packed = await self._aside(len(body), self._mask_keys, asking, packed)
        request, body = asking.request, asking.request.body
        noted = protocol.note(request, source, self._people) if protocol.note and not unread else {}
        submission = self._make_submission(scope, request, packed, protocol, holder, noted, asking.mask)
        place = None
        really = request.query_value("validate") not in ("1", "true")
        try:
            parsed = await self._parse_or_log(protocol, submission, body, source, unread, really)
            policy = self._keys.policies.get(submission.workspace, DEFAULT_POLICY)
            verdicts = foretell_storing(self._memory.judge(parsed), policy, submission.headers)
            if really:
                place = await self._recorder.make_durable(count_items(submission, parsed), verdicts)
        finally:
            if noted and place is None:
                self._people.forget(noted)
        answering = Answering(submission, source, parsed, verdicts)
        if protocol.learn is not None:
            learnt = await protocol.learn(answering, place, self._people)
            answering = msgspec.structs.replace(answering, learnt=learnt)
        return add_visitor_cookie(protocol.reply(answering), request, answering, policy)

    async def _aside(self, size: int, work: Callable[..., Made], *arguments: Any) -> Made:
        """Call `work`, which reads `size` bytes: in the thread where that takes long."""
        if size <= LARGE_BODY:
            return work(*arguments)
        return await asyncio.get_running_loop().run_in_executor(self._reading, partial(work, *arguments))

    def _mask_keys(self, asking: Asking, packed: bytes) -> bytes:
        """The body as it is kept; `asking` then has the request as it is parsed, without keys in body and address."""
        request, mask = asking.request, asking.mask
        assert request is not None
        assert mask is not None
        if request.query and (query := mask.mask_text(request.query)) != request.query:
            request = asking.request = msgspec.structs.replace(request, query=query)
        if not request.body:
            # Empty, or it could not be unpacked.
            return mask.mask_body(packed)
        body = mask.mask_body(request.body)
        if body == request.body:
            return packed
        headers = request.headers
        if packed != request.body:
            packed, headers = pack_body(body), {**headers, "content-encoding": PACKED}
        else:
            packed = body
        asking.request = msgspec.structs.replace(request, body=body, headers=headers)
        return packed

    async def _parse_or_log(
        self,
        protocol: Protocol,
        submission: Submission,
        body: bytes,
        source: Source,
        unread: Refused | None,
        really: bool,
    ) -> Parsed:
        """What the submission holds. Word of a refusal is put on the log, unless the sender only asked."""
        try:
            if unread:
                raise unread
            return await self._aside(len(body), self._parse, protocol, submission, body, source)
        except Refused as refused:
            # At once: who comes while it is written down must not take its session for a known one.
            self._people.forget(submission.noted)
            if really:
                await self._recorder.log_refusals(submission, [refused.rejection], whole=True)
            raise

    def parse(self, protocol: Protocol, submission: Submission, body: bytes, source: Source) -> Parsed:
        """What the door makes of a submission that is looked at again, `body` being its body unpacked.

        Refused where nothing of it can be taken.
        """
        check_values(body, self._limits)
        return self._parse(protocol, submission, body, source)

    def _parse(self, protocol: Protocol, submission: Submission, body: bytes, source: Source) -> Parsed:
        if not source.enabled:
            raise refuse(Reason.SOURCE_DISABLED, f"the source {source.name!r} is switched off")
        origin = submission.headers.get("origin", "")
        if not allows_origin(source, origin):
            raise refuse(Reason.ORIGIN_NOT_ALLOWED, f"the origin {origin[:200]!r} is not in the source's list origins")
        parsed = protocol.parse(submission, body, source, self._limits)
        return check_plan(parsed, self._keys.find_plan(source.workspace))

    async def take_again(self, submission: Submission, parsed: Parsed, *, really: bool) -> list[Verdict]:
        """Put a submission into the log once more, for the items of `parsed` that are events. Refused as `record`.

        Unless `really` it only says what would be the verdicts.
        """
        again = msgspec.structs.replace(count_items(submission, parsed), replay=True)
        verdicts = self._memory.judge(parsed)
        taken = [verdict for verdict in verdicts if verdict.rejection is None]
        if really:
            await self._recorder.make_durable(again, taken)
        return taken

    async def record(
        self,
        protocol: Protocol,
        source: Source,
        body: bytes,
        *,
        scope: Scope | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Reply:
        """Events of our own, in the dialect `protocol`: parsed, judged and made durable like everyone's.

        They are trusted, unless `scope` and `headers` say who sent the request that they come from.
        Refused when the log does not take them, or the body holds none.
        """
        request = Request(method="POST", path=protocol.routes[0].path, query="", headers=headers, body=body)
        holder = KeyHolder(source, trusted=scope is None)
        submission = self._make_submission(scope or {"client": None}, request, body, protocol, holder, {})
        parsed = protocol.parse(submission, body, source, self._limits)
        verdicts = self._memory.judge(parsed)
        await self._recorder.make_durable(count_items(submission, parsed), verdicts)
        return protocol.reply(Answering(submission, source, parsed, verdicts))

    async def _find_holder(self, claims: Sequence[Match], asking: "Asking") -> KeyHolder:
        """Whose key it is, by the first claim whose key is known; `asking` then says which that was.

        Where none is, the first claim words the refusal.
        """
        plain = asking.request
        assert plain is not None
        asked = []
        for claim in claims:
            request = msgspec.structs.replace(plain, params=claim.params) if claim.params else plain
            asked.append((claim.protocol, request, claim.protocol.find_key(request)))
        for protocol, request, key in asked:
            holder = await self._keys.find(protocol.name, key) if key else None
            if holder is not None:
                asking.protocol, asking.request, asking.source = protocol, request, holder.source
                secret = key if self._keys.is_secret(key) else ""
                asking.mask = KeyMask(protocol.name, secret, self._keys.is_secret)
                return holder
        asking.protocol, asking.request, key = asked[0]
        if not key:
            raise refuse(Reason.MISSING_KEY, "the request carries no key; see trackway sources list for where it goes")
        raise refuse(Reason.UNKNOWN_KEY, "no source of this protocol has this key")

    def _make_submission(
        self,
        scope: Scope,
        request: Request,
        packed: bytes,
        protocol: Protocol,
        holder: KeyHolder,
        noted: dict[str, str],
        mask: KeyMask | None = None,
    ) -> Submission:
        peer = scope["client"][0] if scope.get("client") else ""
        now = self._clock()
        masks = mask is not None and mask.concerns(request.headers.get("referer", ""))
        return Submission(
            submission_id=make_submission_id(now),
            received_at=now,
            workspace=holder.source.workspace,
            source=holder.source.id,
            protocol=protocol.name,
            trusted=holder.trusted,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=self._proxies.keep_headers(request.headers, peer, mask.mask_text if mask and masks else None),
            address=self._proxies.find_address(peer, request.headers.get("x-forwarded-for", "")),
            body=packed,
            events=0,
            noted=noted,
        )

    async def tell_limited(self, *, all: bool = False) -> None:
        """Put on the log how many requests were over their source's limit."""
        await self._recorder.log_counts(self.rates.take_ended(all=all))


def remember_unsettled(memory: KeyMemory, events: Sequence[Event], segment: int, record: int) -> None:
    """After a restart: hold the keys of events that are in the log and that the pipeline has not settled.

    A repeat among them holds none, so that the answer to the next one names the first.
    """
    for remembered in memory.remember(memory.judge(Parsed(events))):
        remembered.place = LogPlace(segment, record, 0)
