"""Consent in two dialects' own words: `POST /v1/consent/check` (Pact), `POST /customer/consent` (Tracardi).

Beside the road: a check reads the ledger and leaves nothing; a statement becomes an event on the
log. Sources of the rules: docs/reference/consent.md.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.exc import OperationalError

from trackway.clock import Clock
from trackway.collect.body import ClientGone, Receive, read_body, unpack_body
from trackway.collect.collector import Asking, Collector
from trackway.collect.cors import allows_origin, answer_preflight, echo_origin
from trackway.collect.credentials import KeyRing
from trackway.collect.door_people import DoorPeople
from trackway.collect.http import Scope, Send, refusal_headers, send_reply
from trackway.collect.limits import ANYTHING, LONGEST_ID, Limits
from trackway.collect.protocol import Reply, Request, json_reply
from trackway.collect.protocols.native import NATIVE
from trackway.collect.protocols.pact import PACT
from trackway.collect.protocols.tracardi import TRACARDI
from trackway.control.database import State
from trackway.control.sources import PUBLIC_CHANNELS, list_sources
from trackway.event import Source
from trackway.outcome import Reason, Refused, Rejection, refuse
from trackway.profiles.consent_check import NoIdentifier, check_consent, read_identifier
from trackway.profiles.consent_words import CHANNELS, CONSENT_UPDATED, Topic, read_statements
from trackway.profiles.identifiers import Identifier, is_blocked, normalise, read_profile_id

LOG = logging.getLogger(__name__)

CHECK = "/v1/consent/check"
TELL = "/customer/consent"
METHODS = ("POST",)

# Pact's names for who is asked about.
_WHO = {
    "contact_id": "contact_id",
    "distinct_id": "anonymous_id",
    "email": "email",
    "phone": "phone",
    "user_id": "user_id",
}
_CHECK_FIELDS = frozenset((*_WHO, "channel", "purpose", "jurisdiction"))
# What `?all=true` agrees to.
EVERYTHING = dict.fromkeys(CHANNELS, True)
DENIED = json_reply(403, {"detail": "Access denied"})


class ConsentRoutes:
    """Both routes of one process."""

    def __init__(
        self, state: State, keys: KeyRing, collector: Collector, people: DoorPeople, limits: Limits, clock: Clock
    ) -> None:
        self._state, self._keys, self._collector, self._people = state, keys, collector, people
        self._limits, self._clock = limits, clock

    def owns(self, path: str) -> bool:
        return path in (CHECK, TELL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] == "OPTIONS":
            await send_reply(send, Reply(204, b""), answer_preflight(headers, METHODS))
            return
        cors = echo_origin(headers.get("origin", ""))
        answer = self._answer_check if scope["path"] == CHECK else self._take_statement
        asking = Asking(PACT)
        try:
            if scope["method"] not in METHODS:
                raise refuse(Reason.METHOD_NOT_ALLOWED, f"{scope['path']} takes POST, not {scope['method'][:20]}")
            reply = await answer(scope, await self._read(scope, headers, receive), asking)
        except Refused as refused:
            reply = PACT.refuse(refused.rejection, None, None)
            cors += refusal_headers(refused.rejection, METHODS)
        except OperationalError as error:
            LOG.warning("%s: no answer: %s", scope["path"], error)
            rejection = Rejection(
                reason=Reason.INTERNAL_ERROR, message="the relational state does not answer now; send it again"
            )
            reply = PACT.refuse(rejection, None, None)
            cors += refusal_headers(rejection, METHODS)
        except ClientGone:
            return
        await send_reply(send, reply, [*cors, *asking.rate.headers] if asking.rate else cors)

    def _hold_to_rate(self, source: Source, asking: Asking) -> None:
        """These requests count with the events of their source."""
        asking.rate = self._collector.rates.take(source)
        if asking.rate and not asking.rate.allowed:
            raise asking.rate.refused()

    async def _read(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Request:
        packed = await read_body(receive, headers.get("content-length"), self._limits)
        body, most = unpack_body(packed, headers.get("content-encoding", ""), self._limits), self._limits.event_bytes
        if len(body) > most:
            raise refuse(Reason.EVENT_TOO_LARGE, f"the body is larger than {most} bytes (limit event_bytes)")
        query = scope["query_string"].decode("latin-1")
        return Request(method="POST", path=scope["path"], query=query, headers=headers, body=body)

    async def _answer_check(self, scope: Scope, request: Request, asking: Asking) -> Reply:
        key = request.bearer()
        if not key:
            raise refuse(Reason.MISSING_KEY, "send a Pact key as `Authorization: Bearer KEY`")
        holder = await self._keys.find(PACT.name, key)
        if holder is None:
            raise refuse(Reason.UNKNOWN_KEY, "no Pact source has this key")
        if not holder.trusted:
            # How a person stands is nothing for whoever can read a page's source.
            raise refuse(Reason.KEY_NOT_ALLOWED, "a browser key may not ask for consent; use a secret one")
        if not holder.source.enabled:
            raise refuse(Reason.SOURCE_DISABLED, f"the source {holder.source.name!r} is switched off")
        self._hold_to_rate(holder.source, asking)
        asked = read_question(request.body)
        return json_reply(200, await asyncio.to_thread(self._check, holder.source, asked))

    def _check(self, source: Source, asked: Mapping[str, str]) -> Mapping[str, object]:
        jurisdiction = asked.get("jurisdiction", "").upper()
        identifiers = []
        for name, kind in _WHO.items():
            if value := asked.get(name, ""):
                try:
                    identifiers.append(read_identifier(kind, value, jurisdiction[:2]))
                except NoIdentifier as error:
                    raise refuse(Reason.OUT_OF_RANGE, str(error), field=name) from None
        if not identifiers:
            raise refuse(Reason.MISSING_FIELD, f"one of {', '.join(_WHO)} is required", field="contact_id")
        channel = asked.get("channel", "").lower()
        if channel not in CHANNELS:
            raise refuse(Reason.OUT_OF_RANGE, f"channel must be one of {', '.join(CHANNELS)}", field="channel")
        topic = Topic(channel, asked.get("purpose", ""))
        checked = check_consent(
            self._state,
            source.workspace,
            identifiers,
            topic,
            jurisdiction=jurisdiction,
            source=source.id,
            now=self._clock(),
        )
        return msgspec.structs.asdict(checked)

    async def _take_statement(self, scope: Scope, request: Request, asking: Asking) -> Reply:
        body = read_json_object(request.body)
        source_id, session, profile = (_read_id(body, name) for name in ("source", "session", "profile"))
        consents = EVERYTHING if request.query_value("all") in ("true", "1") else body.get("consents")
        if not isinstance(consents, dict) or not consents or read_statements(consents)[1]:
            raise refuse(Reason.WRONG_TYPE, "consents must say true or false of each consent id", field="consents")
        source = await asyncio.to_thread(self._find_source, source_id, request.headers.get("origin", ""))
        if source is not None:
            self._hold_to_rate(source, asking)
        identifiers = self._identify(source, session, profile) if source else None
        if source is None or identifiers is None:
            return DENIED
        event = {
            "event_type": CONSENT_UPDATED,
            "session_id": session,
            "identifiers": identifiers,
            "traits": {"aux.consents.granted": True} if source.protocol == TRACARDI.name else {},
            "consent": consents,
        }
        # The event that is logged is ours, and not packed as the request was.
        headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
        body_of_ours = msgspec.json.encode(event)
        reply = await self._collector.record(NATIVE, source, body_of_ours, scope=scope, headers=headers)
        if reply.status != 200:
            return reply
        return json_reply(200, {"saved": 1, "errors": [], "ids": [profile]})

    def _find_source(self, source_id: str, origin: str) -> Source | None:
        """Nobody sends a key here, so only a Tracardi source, whose id is its key, or another page's is believed."""
        source = next((s for s in list_sources(self._state) if s.id == source_id), None)
        if source is None or not source.enabled or not allows_origin(source, origin):
            return None
        return source if source.protocol == TRACARDI.name or source.channel in PUBLIC_CHANNELS else None

    def _identify(self, source: Source, session: str, profile: str) -> Mapping[str, str] | None:
        """The profile as the event names it; None where it, or its session, cannot be."""
        keys = self._people.keys_of(source.workspace)
        if is_blocked(session):
            return None
        if source.protocol == TRACARDI.name and source.settings.get("static_profile_id") == "yes":
            known = self._people.find_visit(source.workspace, session)
            if known and known.profile == keys.make(Identifier("merge_key", profile)):
                return {"merge_key": profile}
        named = normalise("profile_id", profile)
        if not named or not keys.issued(read_profile_id(named)):
            return None
        if source.protocol == TRACARDI.name and not self._knows_session(source.workspace, session, named):
            return None
        return {"profile_id": named}

    def _knows_session(self, workspace: str, session: str, profile: str) -> bool:
        """A visitor who has not agreed to anything yet left no session, but a profile that was made of it."""
        if self._people.find_visit(workspace, session) is not None:
            return True
        return self._people.name_session(workspace, session) == read_profile_id(profile)


def read_question(body: bytes) -> dict[str, str]:
    """The fields of a check, all of them text."""
    found = read_json_object(body)
    unknown = sorted(set(found) - _CHECK_FIELDS)
    if unknown:
        known = ", ".join(sorted(_CHECK_FIELDS))
        raise refuse(
            Reason.OUT_OF_RANGE, f"there is no field {unknown[0][:60]!r}; known: {known}", field=unknown[0][:60]
        )
    asked = {}
    for name, value in found.items():
        if value is None:
            continue
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or len(text) > LONGEST_ID:
            raise refuse(Reason.WRONG_TYPE, f"{name} must be a text of at most {LONGEST_ID} characters", field=name)
        asked[name] = text.strip()
    return asked


def read_json_object(body: bytes) -> dict[str, Any]:
    try:
        found = ANYTHING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(Reason.INVALID_JSON, f"the body is not JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise refuse(Reason.WRONG_TYPE, "the body must be a JSON object")
    return found


def _read_id(body: Mapping[str, Any], name: str) -> str:
    part = body.get(name)
    value = part.get("id") if isinstance(part, dict) else None
    if not isinstance(value, str) or not value or len(value) > LONGEST_ID:
        raise refuse(Reason.MISSING_FIELD, f"{name} must be an object with an id", field=f"{name}.id")
    return value
