"""Routes about the tracking plan: what is observed, what must be, what breaks it, and what a schema would say."""

from typing import Any

import msgspec

from trackway.api.bodies import refuse_unknown
from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.control.plan_schemas import PlanError, compile_schema
from trackway.control.plans import Change, change_plan, end_entry, list_versions, read_change
from trackway.control.sources import list_sources
from trackway.query.catalogue import MOST_TYPES, TYPES_PER_PAGE, describe_catalogue, infer_plan
from trackway.query.plans import describe_entry, describe_plan, try_schema
from trackway.query.questions import QuestionError


def show_plan(desk: ServerDesk, values: Values) -> Answer:
    return describe_plan(desk.state, desk.workspace)


def show_catalogue(desk: ServerDesk, values: Values) -> Answer:
    return describe_catalogue(desk.store, desk.state, desk.workspace, desk.clock(), **values)


def show_inferred(desk: ServerDesk, values: Values) -> Answer:
    return infer_plan(desk.store, desk.state, desk.workspace, desk.clock(), **values)


def show_entry(desk: ServerDesk, values: Values) -> Answer:
    versions = list_versions(desk.state, desk.workspace, values["event_type"], values["source"])
    if not versions:
        raise _refuse_unknown_entry(values)
    told = [describe_entry(version) for version in versions]
    return {"entry": told[0] if told[0]["mode"] != "off" else None, "versions": told}


def put_plan(desk: ServerDesk, values: Values) -> Answer:
    """All of the body's entries, or none."""
    body = values["body"]
    refuse_unknown(body, ("entries",))
    entries = body.get("entries")
    if not isinstance(entries, list) or not entries:
        raise ApiRefusal(ApiError.WRONG_BODY, "entries must be a list of entries, as /api/v1/plan has it", "entries")
    return _change(desk, [_read(desk, entry, f"entries[{number}].") for number, entry in enumerate(entries)], values)


def put_entry(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("schema", "mode", "source"))
    return _change(desk, [_read(desk, {**body, "event_type": values["event_type"]})], values)


# What an answer says of an entry that nobody sets.
_TOLD = ("version", "changed_by", "changed_at")


def _read(desk: ServerDesk, said: Any, at: str = "") -> Change:
    if isinstance(said, dict):
        # So that what was shown, or downloaded, can be sent again.
        said = {name: value for name, value in said.items() if name not in _TOLD}
    try:
        return read_change(said, [source.id for source in list_sources(desk.state, desk.workspace)], at)
    except PlanError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None


def _change(desk: ServerDesk, changes: list[Change], values: Values) -> Answer:
    try:
        made = change_plan(desk.state, desk.workspace, changes, values["by"], desk.clock())
    except PlanError as error:
        raise ApiRefusal(ApiError.REFUSED, str(error), error.field) from None
    return {"changed": [describe_entry(entry) for entry in made], "unchanged": len(changes) - len(made)}


def delete_entry(desk: ServerDesk, values: Values) -> Answer:
    asked = values["event_type"], values["source"]
    if not end_entry(desk.state, desk.workspace, *asked, values["by"], desk.clock()):
        raise _refuse_unknown_entry(values)
    return {"event_type": asked[0], "source": asked[1], "ended": True}


def _refuse_unknown_entry(values: Values) -> ApiRefusal:
    of = f"source {values['source'][:60]!r}" if values["source"] else "all sources"
    return ApiRefusal(
        ApiError.UNKNOWN_ENTRY, f"the plan has no entry for {values['event_type'][:200]!r} of {of}", "event_type"
    )


def check_draft(desk: ServerDesk, values: Values) -> Answer:
    """What a schema would say of the events that are stored."""
    body = values["body"]
    refuse_unknown(body, ("event_type", "source", "schema", "days"))
    days = body.get("days", 7)
    if type(days) is not int:
        raise ApiRefusal(ApiError.WRONG_BODY, "days must be a whole number", "days")
    change = _read(desk, {name: body.get(name) for name in ("event_type", "source", "schema")})
    compiled = compile_schema(msgspec.json.encode(change.schema).decode())
    now = desk.clock()
    try:
        return try_schema(
            desk.store, desk.workspace, now, compiled, days=days, event_type=change.event_type, source=change.source
        )
    except QuestionError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None


DAYS = Parameter("days", 7, "How far back events were received, 1 to 366")
EVENT_TYPE = Parameter("event_type", "", "Only this type")
OF_SOURCE = Parameter("source", "", "Only events of the source with this id")
ENTRY_SOURCE = Parameter("source", "", "Id of the source whose own entry it is; nothing for that of all sources")

PLAN_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        f"{PREFIX}/catalogue",
        "Event types and properties as they were observed",
        (
            DAYS,
            EVENT_TYPE,
            OF_SOURCE,
            Parameter("search", "", "Only types with this in their name, however it is cased"),
            Parameter("limit", TYPES_PER_PAGE, f"How many types, 1 to {MOST_TYPES}"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        show_catalogue,
    ),
    ApiRoute(f"{PREFIX}/plan", "The tracking plan in force, and what events break of it", (), show_plan),
    ApiRoute(f"{PREFIX}/plan", "Put entries of the plan in force", (), put_plan, method="PUT", takes_body=True),
    ApiRoute(
        f"{PREFIX}/plan/inferred",
        "A plan that the traffic of the last days keeps",
        (DAYS, EVENT_TYPE, OF_SOURCE),
        show_inferred,
    ),
    ApiRoute(
        f"{PREFIX}/plan/check",
        "What a schema would say of stored events",
        (),
        check_draft,
        method="POST",
        takes_body=True,
    ),
    ApiRoute(f"{PREFIX}/plan/{{event_type}}", "An entry of the plan with its history", (ENTRY_SOURCE,), show_entry),
    ApiRoute(
        f"{PREFIX}/plan/{{event_type}}",
        "Put one entry of the plan in force",
        (),
        put_entry,
        method="PUT",
        takes_body=True,
    ),
    ApiRoute(
        f"{PREFIX}/plan/{{event_type}}",
        "Check events of a type no more",
        (ENTRY_SOURCE,),
        delete_entry,
        method="DELETE",
    ),
)
