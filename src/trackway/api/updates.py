"""Records what the API is told of contacts and accounts, and words what the native parser refuses."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trackway.api.bodies import refuse_unknown
from trackway.api.desk import NotRecorded, ServerDesk
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import Answer, Values
from trackway.profiles.people import read_guards
from trackway.profiles.updates import UpdateRefused, check_id

MOST_ROWS = 1000

Wording = Callable[[Any, Mapping[str, Any], frozenset[str]], dict[str, Any]]


def read_path_id(desk: ServerDesk, name: str, value: str) -> str:
    """The id in a path. ApiRefusal when nobody can have it."""
    try:
        return check_id(name, value, read_guards(desk.settings).blocked)
    except UpdateRefused as refused:
        raise ApiRefusal(ApiError.OUT_OF_RANGE, str(refused), refused.field) from None


def record_one(desk: ServerDesk, event: Mapping[str, Any]) -> dict[str, Any]:
    """{"event_id", "status"}. ApiRefusal that names the field when the event is refused."""
    (result,) = record_all(desk, [event])
    if result["status"] == "rejected":
        field, message = _name_field(result)
        raise ApiRefusal(ApiError.WRONG_BODY, message, field)
    return {"event_id": result["event_id"], "status": result["status"]}


def record_all(desk: ServerDesk, events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A verdict per event. ApiRefusal when the log does not take them now."""
    at_once = max(1, desk.settings.events_per_call)
    results: list[Mapping[str, Any]] = []
    try:
        for start in range(0, len(events), at_once):
            results += desk.record(events[start : start + at_once])
    except NotRecorded as error:
        raise ApiRefusal(ApiError.NOT_DURABLE, f"nothing more was recorded: {error}; send it again") from None
    return results


def record_rows(desk: ServerDesk, values: Values, plural: str, id_name: str, word: Wording) -> Answer:
    """Many contacts or accounts, each with a result of its own: a bad row keeps no good one out."""
    body, by = values["body"], {"properties": {"by": values["by"]}}
    refuse_unknown(body, (plural,))
    rows = body.get(plural)
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
        raise ApiRefusal(ApiError.WRONG_BODY, f"{plural} must be a list of 1 to {MOST_ROWS} objects", plural)
    blocked = read_guards(desk.settings).blocked
    results: list[dict[str, Any]] = []
    events: dict[int, dict[str, Any]] = {}
    for index, row in enumerate(rows):
        results.append({"index": index})
        try:
            events[index] = _word_row(row, id_name, word, blocked) | by
        except UpdateRefused as refused:
            results[index] |= {"status": "rejected", "field": refused.field, "message": str(refused)}
    for (index, event), verdict in zip(events.items(), record_all(desk, list(events.values())), strict=True):
        if verdict["status"] == "rejected":
            field, message = _name_field(verdict)
            results[index] |= {"status": "rejected", "field": field, "message": message}
        else:
            results[index] |= {
                id_name: event[id_name],
                "event_id": verdict["event_id"],
                "status": verdict["status"],
            }
    rejected = sum(result["status"] == "rejected" for result in results)
    return {"accepted": len(results) - rejected, "rejected": rejected, "results": results}


def _word_row(row: Any, id_name: str, word: Wording, blocked: frozenset[str]) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise UpdateRefused("row", "must be an object")
    return word(row.get(id_name), {name: value for name, value in row.items() if name != id_name}, blocked)


def _name_field(result: Mapping[str, Any]) -> tuple[str, str]:
    """Field and message of a refused event in the words of the API's body."""
    field = str(result["field"]).rpartition("].")[2].replace("account_traits", "traits")
    return field, str(result["message"]).replace("account_traits", "traits")
