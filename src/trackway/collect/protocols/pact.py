"""Pact Tracking: `POST /v1/tracking/events`, Bearer key.

Source of the rules: Pact's page on tracking, and docs/reference/protocols/pact.md for what that
page leaves open (batch form, answer, name of the time field).
"""

from collections.abc import Mapping
from typing import Any

from trackway.collect.fields import Item, parse_items, split_body, time_fields
from trackway.collect.limits import LONGEST_TYPE, LONGEST_URL, Limits
from trackway.collect.protocol import Answering, Example, Parsed, Protocol, Reply, Request, Route, Verdict, json_reply
from trackway.event import CHANNELS, Source, Submission
from trackway.outcome import Outcome, Reason, Rejection, refuse

# Pact says "when it happened" and does not name the field.
TIME_FIELDS = ("occurred_at", "timestamp", "event_time", "ts")
KNOWN = frozenset(
    {
        "event_type",
        "distinct_id",
        "session_id",
        "url",
        "referrer",
        "properties",
        "source",
        "contact_id",
        "account_id",
        "dedupe_key",
        *TIME_FIELDS,
    }
)


def find_key(request: Request) -> str:
    """The bearer key; in the query as `api_key` for a beacon, which can set no header."""
    return request.bearer() or request.query_value("api_key")


def parse(submission: Submission, body: bytes, source: Source, limits: Limits) -> Parsed:
    """One event, a list, or `{"events": [...]}`."""
    split = split_body(body, limits)
    return parse_items(submission, source, limits, body, split, lambda item: _read_item(item, submission, source))


def _read_item(item: Item, submission: Submission, source: Source) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "event_type": item.text("event_type", LONGEST_TYPE, required=True),
        "anonymous_id": item.text("distinct_id"),
        **{name: item.text(name) for name in ("session_id", "contact_id", "account_id", "dedupe_key")},
        "dedupe_scope": "workspace",
        "url": item.cut_text("url", LONGEST_URL),
        "referrer": item.cut_text("referrer", LONGEST_URL),
        "properties": item.object("properties"),
        **time_fields(item.time(*TIME_FIELDS), None, submission.received_at, f"{item.at}occurred_at"),
    }
    if not (fields["anonymous_id"] or fields["contact_id"] or fields["account_id"]):
        raise refuse(
            Reason.MISSING_FIELD,
            "distinct_id is required unless contact_id or account_id is given",
            field=f"{item.at}distinct_id",
        )
    unknown = item.unknown(KNOWN)
    if unknown:
        fields["context"] = {"unknown": unknown}
    channel = item.text("source")
    if channel:
        if channel not in CHANNELS:
            raise refuse(Reason.OUT_OF_RANGE, f"source must be one of {', '.join(CHANNELS)}", field=f"{item.at}source")
        if submission.trusted:
            fields["channel"] = channel
        elif channel != source.channel:
            # Whoever reads a page's key could else pass for the back end.
            item.warnings.append(f"source {channel} is believed with a secret key only; it counts as {source.channel}")
    return fields


def reply(answering: Answering) -> Reply:
    """202 when something new was accepted, 200 when all were duplicates, 422 when all were rejected."""
    verdicts = answering.verdicts
    accepted = sum(v.outcome is Outcome.STORED for v in verdicts)
    duplicates = sum(v.outcome is Outcome.DUPLICATE for v in verdicts)
    rejected = [v.rejection for v in verdicts if v.rejection]
    if len(rejected) == len(verdicts):
        return json_reply(rejected[0].status, {"detail": [_word_rejection(r) for r in rejected]})
    status = 202 if accepted else 200
    results = [_word_verdict(v) for v in verdicts]
    if answering.parsed.single:
        return json_reply(status, results[0])
    return json_reply(
        status, {"accepted": accepted, "duplicates": duplicates, "rejected": len(rejected), "results": results}
    )


def _word_verdict(verdict: Verdict) -> dict[str, object]:
    if verdict.rejection:
        return {
            "index": verdict.index,
            "status": "rejected",
            "duplicate": False,
            "detail": [_word_rejection(verdict.rejection)],
        }
    event_id = verdict.first_event_id or (verdict.event.event_id if verdict.event else "")
    said: dict[str, object] = {
        "id": event_id,
        "public_id": event_id,
        "status": "accepted",
        "duplicate": verdict.outcome is Outcome.DUPLICATE,
        **verdict.stored_as_said,
    }
    if verdict.warnings:
        said["warnings"] = list(verdict.warnings)
    return said


def _word_rejection(rejection: Rejection) -> Mapping[str, object]:
    loc = ["body", *(part for part in rejection.field.replace("[", ".").replace("]", "").split(".") if part)]
    return {"loc": loc, "msg": rejection.message, "type": rejection.reason.value}


def refuse_all(rejection: Rejection, source: Source | None, request: Request | None) -> Reply:
    if rejection.status in (401, 403, 405, 413, 415, 429, 503, 507):
        return json_reply(rejection.status, {"detail": rejection.message})
    return json_reply(rejection.status, {"detail": [_word_rejection(rejection)]})


def show_example(source: Source, key: str) -> Example:
    body = '{"event_type": "hello", "distinct_id": "visitor-1"}'
    return Example("/v1/tracking/events", body, {"Authorization": f"Bearer {key}"})


PACT = Protocol(
    name="pact",
    routes=(Route("/v1/tracking/events"),),
    find_key=find_key,
    parse=parse,
    reply=reply,
    refuse=refuse_all,
    example=show_example,
)
