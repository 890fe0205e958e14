"""Routes about what was refused or set aside: the list, one letter, and replaying them."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from trackway.api.bodies import read_text, refuse_unknown
from trackway.api.desk import NotRecorded, ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.query.rejections import Wanted, find_rejection, list_rejections, read_page

MOST_REPLAYED = 100
MOST_RECORDS = 500
FILTERS = Wanted.__struct_fields__

_Place = Annotated[int, Meta(ge=0, le=65_535)]


class SaidRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """The segment as the name of its file, as everywhere in the API."""

    segment: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    record: Annotated[int, Meta(ge=0, le=2**32)]
    events: Annotated[tuple[_Place, ...], Meta(min_length=1)]
    replace: bool = False


def show_rejections(desk: ServerDesk, values: Values) -> Answer:
    wanted = Wanted(**{name: values[name] for name in FILTERS})
    return list_rejections(desk.state, desk.workspace, wanted, limit=values["limit"], cursor=values["cursor"])


def show_rejection(desk: ServerDesk, values: Values) -> Answer:
    found = find_rejection(desk.state, desk.workspace, values["rejection_id"])
    if found is None:
        raise ApiRefusal(
            ApiError.UNKNOWN_REJECTION,
            f"no rejection or dead letter has the id {values['rejection_id'][:60]}, or it was forgotten",
            "rejection_id",
        )
    return found


def replay_rejections(desk: ServerDesk, values: Values) -> Answer:
    """Up to 100 letters at once: those named, or a page of those that the filters mean and that still wait."""
    body = values["body"]
    refuse_unknown(body, ("apply", "ids", "cursor", *FILTERS))
    apply, ids, following = _read_apply(body), _read_ids(body), None
    if not ids:
        wanted = Wanted(**{name: read_text(body, name) for name in FILTERS} | {"replayed": "no"})
        page = read_page(desk.state, desk.workspace, wanted, limit=MOST_REPLAYED, cursor=read_text(body, "cursor"))
        ids, following = [row.id for row in page.rows], page.next
    try:
        items = desk.replay(desk.workspace, ids, apply)
    except NotRecorded as error:
        raise ApiRefusal(ApiError.NOT_DURABLE, str(error)) from None
    return {"applied": apply, "items": items, "next": following}


class LoggedEvents(Struct, frozen=True):
    """A record of the log, and the places of the events in it that are meant; with `replace`, those that are stored."""

    segment: int
    record: int
    events: tuple[int, ...]
    replace: bool


def replay_records(desk: ServerDesk, values: Values) -> Answer:
    """Events of submissions that the log holds: to be stored, or to take the place of their rows."""
    body = values["body"]
    refuse_unknown(body, ("apply", "records"))
    apply, records = _read_apply(body), body.get("records")
    if not isinstance(records, list) or not 0 < len(records) <= MOST_RECORDS:
        raise ApiRefusal(ApiError.WRONG_BODY, f"records must be a list of 1 to {MOST_RECORDS} objects", "records")
    wanted = [_read_record(record, number) for number, record in enumerate(records)]
    try:
        items = desk.replay_records(desk.workspace, wanted, apply)
    except NotRecorded as error:
        raise ApiRefusal(ApiError.NOT_DURABLE, str(error)) from None
    return {"applied": apply, "items": items}


def _read_record(record: Any, number: int) -> LoggedEvents:
    try:
        said = msgspec.convert(record, SaidRecord)
        return LoggedEvents(int(said.segment, 16), said.record, said.events, said.replace)
    except (msgspec.ValidationError, ValueError):
        raise ApiRefusal(
            ApiError.WRONG_BODY,
            'a record must read {"segment": "019aa3b24c5d7e6f", "record": 7, "events": [0]}',
            f"records[{number}]",
        ) from None


def _read_apply(body: dict[str, Any]) -> bool:
    if type(apply := body.get("apply", False)) is not bool:
        raise ApiRefusal(ApiError.WRONG_BODY, "apply must be true or false", "apply")
    return apply


def _read_ids(body: dict[str, Any]) -> list[str]:
    ids = body.get("ids", [])
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids) or len(ids) > MOST_REPLAYED:
        raise ApiRefusal(ApiError.WRONG_BODY, f"ids must be a list of at most {MOST_REPLAYED} texts", "ids")
    if ids and any(body.get(name) for name in (*FILTERS, "cursor")):
        raise ApiRefusal(ApiError.WRONG_BODY, "send ids, or filters, not both", "ids")
    return ids


REJECTIONS = f"{PREFIX}/rejections"

REJECTION_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        REJECTIONS,
        "What was rejected, dead-lettered or in conflict, newest first",
        (
            Parameter("limit", 50, "How many, 1 to 200"),
            Parameter("source", "", "Only of the source with this id"),
            Parameter("protocol", "", "Only of this protocol"),
            Parameter("reason", "", "Only for this reason"),
            Parameter("kind", "", "Only `rejected`, `dead_letter` or `conflict`"),
            Parameter("field", "", "Only where this field is wrong, such as `events[0].event_type`"),
            Parameter("since", "", "Only received at this time or later"),
            Parameter("until", "", "Only received before this time"),
            Parameter("replayed", "", "`yes`: only what was replayed; `no`: only what still waits"),
            Parameter("cursor", "", "The field `next` of the page before"),
        ),
        show_rejections,
    ),
    ApiRoute(
        f"{REJECTIONS}/replay",
        "Try letters again, or say what would come of it",
        (),
        replay_rejections,
        "POST",
        takes_body=True,
    ),
    ApiRoute(
        f"{PREFIX}/replay",
        "Store events of the log that were never stored, or anew, or say what would come of it",
        (),
        replay_records,
        "POST",
        takes_body=True,
    ),
    ApiRoute(f"{REJECTIONS}/{{rejection_id}}", "One letter, with what was sent", (), show_rejection),
)
