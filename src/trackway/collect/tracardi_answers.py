"""Tracardi's answers: what each of its generations of clients reads, in one body; and its refusals.

Seed and versions up to 0.7.3 read `profile`, `source` and `debugging`, 0.7.4 to 0.8.1 `event`, later
ones `events`, `session`, `errors` and `warnings`. `ux` and `response` are filled by workflows, of
which there are none here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from trackway.collect.door_people import DoorPeople
from trackway.collect.protocol import Answering, Example, Reply, Request, Verdict, json_reply
from trackway.collect.tracardi_ids import DEBUGGER, FULL, STATIC, fits_endpoint
from trackway.collect.tracardi_payload import TRACK, decode_loosely, find_value, split_field
from trackway.event import PROCESS_ONLY, LogPlace, Source
from trackway.outcome import Outcome, Reason, Refused, Rejection
from trackway.profiles.identifiers import read_profile_id
from trackway.profiles.visits import PROFILE, SESSION, VISIT
from trackway.query.tracardi_profile import render_profile

# How long an answer that shows what was stored waits for it.
PATIENCE_S = 2.0
NULL = json_reply(200, None)
DENIED = "Access denied. Invalid source: no enabled Tracardi source for this endpoint has this id."
# What may be shown again of a value that was refused.
LONGEST_INPUT = 200
# In a longer body it is not looked for.
LONGEST_SEARCHED = 1_000_000

_KINDS: Mapping[Reason, str] = {
    Reason.INVALID_JSON: "json_invalid",
    Reason.EMPTY_BODY: "missing",
    Reason.MISSING_FIELD: "missing",
    Reason.WRONG_TYPE: "type_error",
    Reason.OUT_OF_RANGE: "value_error",
    Reason.TOO_DEEP: "value_error",
}


async def learn(answering: Answering, place: LogPlace | None, people: DoorPeople) -> Mapping[str, Any]:
    """For who asked to see what became of it: wait until it is stored, and read the profile."""
    noted = answering.submission.noted
    if place is None or not (DEBUGGER in noted or FULL in noted):
        return {}
    learnt: dict[str, Any] = {"settled": await people.wait_for(place, PATIENCE_S)}
    if FULL in noted and PROFILE in noted:
        profile = read_profile_id(noted[PROFILE])
        learnt["profile"] = await asyncio.to_thread(render_profile, people.state, profile)
    return learnt


def reply(answering: Answering) -> Reply:
    """200 and the ids; `null` where no event was sent."""
    if not answering.verdicts:
        return NULL
    submission, noted = answering.submission, answering.submission.noted
    profile: dict[str, Any] = {"id": noted.get(STATIC) or noted.get(PROFILE)}
    session: dict[str, Any] = {"id": noted.get(SESSION)}
    said: dict[str, Any] = {
        "task": str(UUID(bytes=submission.submission_id)),
        "ux": [],
        "response": {},
        "events": [],
        "profile": profile,
        "session": session,
        "errors": [],
        "warnings": _list_warnings(answering),
        "source": {"consent": answering.source.settings.get("requires_consent") == "yes"},
    }
    if DEBUGGER in noted:
        _add_debugging(said, answering.verdicts, profile, session, VISIT in noted)
    if full := answering.learnt.get("profile"):
        said["profile"] = {**full, "id": profile["id"]}
    return json_reply(200, said)


def _list_warnings(answering: Answering) -> list[str]:
    warnings = [text for verdict in answering.verdicts for text in verdict.warnings]
    for verdict in answering.verdicts:
        if verdict.stored:
            warnings.append(f"events[{verdict.index}]: stored {verdict.stored}, as the consent policy says")
    if answering.learnt.get("settled") is False:
        warnings.append("the events are accepted and not stored yet; what is said of the profile is older")
    return warnings


def _add_debugging(
    said: dict[str, Any],
    verdicts: Sequence[Verdict],
    profile: dict[str, Any],
    session: dict[str, Any],
    session_saved: bool,
) -> None:
    """`events` and `debugging` as the seed prints them, and the words of 0.7.4 to 0.8.1 beside the ids."""
    ids = [_name_event(verdict) for verdict in verdicts]
    saved = [_name_event(v) for v in verdicts if v.outcome is Outcome.STORED and not _is_only_processed(v)]
    events = _word_saved(saved)
    saved_session = _word_saved([session["id"]] if session_saved else [])
    saved_profile = _word_saved([profile["id"]] if profile["id"] and saved else [])
    said["events"] = ids
    said["event"] = events
    session |= saved_session
    profile |= saved_profile
    said["debugging"] = {
        "session": saved_session,
        "events": events,
        "profile": saved_profile,
        "execution": {},
        "segmentation": {"errors": [], "ids": []},
        "logs": [],
    }


def _word_saved(ids: list[str]) -> dict[str, Any]:
    return {"saved": len(ids), "errors": [], "ids": ids, "types": []}


def _is_only_processed(verdict: Verdict) -> bool:
    return verdict.event is not None and PROCESS_ONLY in verdict.event.context


def _name_event(verdict: Verdict) -> str:
    """The client's own id of the event, else ours."""
    event = verdict.event
    if event is None:
        return ""
    added = event.dedupe_key.startswith(f"{event.event_type}:")
    return event.event_id if added or not event.dedupe_key else event.dedupe_key


def refuse_all(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    if request is not None and request.path.startswith("/redirect/"):
        return _refuse_redirect(rejection, source)
    if request is not None and request.path == TRACK and source is None:
        # What is wrong with the body is said first: a body that cannot be read names no source.
        try:
            decode_loosely(request.body)
        except Refused as refused:
            return _word_fault(refused.rejection, request)
        if rejection.reason is Reason.MISSING_KEY:
            return _word_fault(
                Rejection(reason=Reason.MISSING_FIELD, message="source.id is required", field="source.id"), request
            )
        if request.method == "PUT":
            return NULL
    if rejection.status == 401 or rejection.reason is Reason.SOURCE_DISABLED:
        return json_reply(401, {"detail": DENIED})
    if rejection.reason is Reason.PLAN_VIOLATION:
        where = f"{rejection.field}: " if rejection.field else ""
        return json_reply(406, {"detail": f"Validation failed. {where}{rejection.message}"})
    if rejection.reason in _KINDS:
        return _word_fault(rejection, request)
    return json_reply(rejection.status, {"detail": rejection.message})


def _refuse_redirect(rejection: Rejection, source: Source | None) -> Reply:
    """Whoever follows a link arrives, also when the click could not be written down; the header says that."""
    if source is None or not source.enabled or rejection.status == 401:
        return json_reply(404, {"detail": "There is no redirect with this id."})
    return redirect_to(source, rejection.reason.value)


def redirect_to(source: Source, refused: str = "") -> Reply:
    target = source.settings.get("redirect_to", "")
    if not target:
        return json_reply(404, {"detail": "This redirect leads nowhere; its source has no setting redirect_to."})
    headers = [(b"location", target.encode("ascii", "replace"))]
    if refused:
        headers.append((b"x-trackway-refused", refused.encode()))
    return Reply(307, b"", headers)


def _word_fault(rejection: Rejection, request: Request | None) -> Reply:
    """422 with the shape of the real server's validation errors."""
    fault: dict[str, Any] = {
        "type": _KINDS.get(rejection.reason, rejection.reason.value),
        "loc": ["body", *split_field(rejection.field)],
        "msg": rejection.message,
        "input": None,
    }
    if request is not None and len(request.body) <= LONGEST_SEARCHED and rejection.reason is not Reason.INVALID_JSON:
        value = find_value(request.body, rejection.field)
        if len(msgspec.json.encode(value)) <= LONGEST_INPUT:
            fault["input"] = value
    return json_reply(422, {"detail": [fault]})


def show_example(source: Source, key: str) -> Example:
    if not fits_endpoint(source, TRACK):
        if fits_endpoint(source, "/collect/"):
            return Example(f"/collect/hello/{key}", '{"voucher": "X1"}')
        return Example(f"/redirect/{key}", "", method="GET")
    body = {"source": {"id": key}, "session": {"id": "visit-1"}, "events": [{"type": "page-view"}]}
    return Example(TRACK, msgspec.json.encode(body).decode())
