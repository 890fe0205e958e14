"""Tracardi: `/track`, webhooks at `/collect/…`, and `/redirect/…`; a source's id is its credential.

Source of the rules: Tracardi's page on event tracking, and for what it leaves open the behaviour of
its open versions; where these differ, the answer holds what each of them reads
(docs/reference/protocols/tracardi.md). The body is read in `tracardi_payload`, who it is about is
decided in `tracardi_ids`, an event is made in `tracardi_events`, the answer is worded in
`tracardi_answers`.
"""

from trackway.collect.limits import LONGEST_TYPE, Limits
from trackway.collect.paths import read_params
from trackway.collect.protocol import Answering, Parsed, Protocol, Reply, Request, Route
from trackway.collect.tracardi_answers import learn, redirect_to, refuse_all, reply, show_example
from trackway.collect.tracardi_bodies import read_properties
from trackway.collect.tracardi_events import build_events
from trackway.collect.tracardi_ids import MISFIT, WARNING, fits_endpoint, name_type, note
from trackway.collect.tracardi_payload import (
    TRACK,
    EventPayload,
    LoosePayload,
    Named,
    Payload,
    find_source,
    read_payload,
)
from trackway.event import Source, Submission
from trackway.outcome import Reason, refuse

REDIRECT_METHODS = ("GET", "POST", "PUT", "DELETE")
ROUTES = (
    Route(TRACK, ("POST", "PUT")),
    Route("/collect/{event_type}/{source_id}", ("GET", "POST")),
    Route("/collect/{event_type}/{source_id}/{session_id}", ("GET", "POST")),
    Route("/redirect/{redirect_id}", REDIRECT_METHODS),
    Route("/redirect/{redirect_id}/{session_id}", REDIRECT_METHODS),
)


def find_key(request: Request) -> str:
    """The source's id: in the path, or `source.id` of the body."""
    if request.path == TRACK:
        return find_source(request.body)
    return (request.params.get("source_id") or request.params.get("redirect_id", "")).strip()


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """The events of a request, the client's first and then those that the system adds; all or none."""
    if submission.path == TRACK:
        payload = read_payload(body, limits)
        if submission.method == "PUT":
            # The real server checks such a payload and does nothing with it.
            return Parsed([])
    else:
        payload = _wrap(submission, body, source, limits)
    if MISFIT in submission.noted and not fits_endpoint(source, submission.path):
        raise refuse(
            Reason.SOURCE_MISMATCH,
            "the source is not made for this endpoint; its setting bridge says for which it is",
        )
    warning = submission.noted.get(WARNING)
    events = build_events(submission, payload, source) if payload.events else []
    return Parsed(events, all_or_nothing=True, warnings={0: [warning]} if warning else {})


def _wrap(submission: Submission, body: bytes, source: Source, limits: Limits) -> LoosePayload:
    """A webhook's or redirect's request as a payload of one event."""
    params = read_params(ROUTES, submission.path)
    event_type = name_type(params.get("event_type") or source.settings.get("redirect_event_type", "redirect"))
    if not event_type:
        raise refuse(Reason.MISSING_FIELD, "the path names no event type", field="event_type")
    if len(event_type) > LONGEST_TYPE:
        raise refuse(Reason.OUT_OF_RANGE, f"the type is longer than {LONGEST_TYPE} characters", field="event_type")
    properties = read_properties(submission, body, limits)
    return Payload(source=Named(source.id), events=[EventPayload(type=event_type, properties=properties)])


def answer(answering: Answering) -> Reply:
    if answering.submission.path.startswith("/redirect/"):
        return redirect_to(answering.source)
    return reply(answering)


TRACARDI = Protocol(
    name="tracardi",
    routes=ROUTES,
    find_key=find_key,
    parse=parse,
    reply=answer,
    refuse=refuse_all,
    example=show_example,
    note=note,
    learn=learn,
)
