"""Tracardi's management routes, as far as programs written for it need them: sources, and one profile, session or event.

Thin: each asks what the routes under /api/v1 ask, and words the answer as Tracardi does. What is not
there is 404 with the body `null`, every other refusal `{"detail": …}`.
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from starlette.responses import Response

from trackway.api.desk import ServerDesk
from trackway.api.replies import ApiError, ApiRefusal, reply_json, reply_refusal
from trackway.api.route import Answer, ApiRoute, Values
from trackway.api.sources import check_own, demand_source
from trackway.control.privacy_requests import About, ask_request, describe_request
from trackway.control.source_changes import change_source, find_source, is_removed, remove_source, restore_source
from trackway.control.sources import SourceError, add_source, set_enabled
from trackway.control.workspaces import TEST_WORKSPACE
from trackway.query.books import balance_books
from trackway.query.tracardi import PROTOCOL, find_living, show_event, show_profile, show_session

BRIDGES = ("rest", "webhook", "redirect")
# Fields of Tracardi's source, or of its `config`, that are settings of ours.
SWITCHES = ("returns_profile", "requires_consent", "static_profile_id")
REFRESH_SECONDS = 5.0
LOOK_EVERY_S = 0.05
CHANNEL = "web"


def save_source(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    source_id, bridges = _read_id(body), _read_bridges(body)
    check_own(source_id)
    name = body.get("name")
    name = name.strip() if isinstance(name, str) and name.strip() else source_id
    enabled = body.get("enabled") is not False
    settings = {"bridge": ",".join(bridges), **_read_switches(body)}
    try:
        known = find_source(desk.state, source_id)
        if known is None:
            _add(desk, source_id, name, settings)
        elif known.workspace != desk.workspace or known.protocol != PROTOCOL:
            raise _wrong("id", "another source has this id")
        else:
            change_source(desk.state, source_id, settings, name if name != source_id else "")
            if is_removed(desk.state, source_id):
                restore_source(desk.state, source_id)
        set_enabled(desk.state, source_id, enabled)
    except SourceError as error:
        raise _wrong("id", str(error)) from None
    return {"errors": [], "ids": [source_id], "saved": 1}


def _add(desk: ServerDesk, source_id: str, name: str, settings: dict[str, str]) -> None:
    """Names need not differ there; here they do."""
    given = {**settings, "source_id": source_id}
    if desk.workspace == TEST_WORKSPACE:
        given["environment"] = "test"
    try:
        add_source(desk.state, name, PROTOCOL, CHANNEL, given, desk.workspace)
    except SourceError:
        add_source(desk.state, f"{name} ({source_id})", PROTOCOL, CHANNEL, given, desk.workspace)


def _read_id(body: dict[str, Any]) -> str:
    value = body.get("id")
    if value is None:
        return str(uuid4())
    if not isinstance(value, str) or not value.strip():
        raise _wrong("id", "must be a text")
    return value.strip()


def _read_bridges(body: dict[str, Any]) -> list[str]:
    """`type` is a list, in older versions a text."""
    value = body.get("type")
    listed = value if isinstance(value, list) else [value]
    wrong = [each for each in listed if each not in BRIDGES]
    if wrong or not listed:
        raise _wrong("type", f"must be of {', '.join(BRIDGES)}, not {str(wrong[0] if wrong else value)[:60]!r}")
    return list(dict.fromkeys(listed))


def _read_switches(body: dict[str, Any]) -> dict[str, str]:
    config = body.get("config")
    said = {**(config if isinstance(config, dict) else {}), **body}
    return {name: "yes" if said[name] else "no" for name in SWITCHES if isinstance(said.get(name), bool)}


def _wrong(field: str, message: str) -> ApiRefusal:
    return ApiRefusal(ApiError.WRONG_BODY, message, field)


def show_source(desk: ServerDesk, values: Values) -> Answer:
    source = _demand(desk, values["source_id"])
    settings = source["settings"]
    bridges = settings.get("bridge", "rest,webhook").split(",")
    return {
        **{name: source[name] for name in ("id", "name", "channel", "enabled")},
        "type": bridges,
        "bridge": {"id": bridges[0], "name": bridges[0]},
        "description": "",
        "transitional": False,
        "tags": [],
        "groups": [],
        "config": settings,
        **{name: settings.get(name) == "yes" for name in SWITCHES},
    }


def drop_source(desk: ServerDesk, values: Values) -> Answer:
    source_id = _demand(desk, values["source_id"])["id"]
    remove_source(desk.state, source_id)
    return {"deleted": 1, "errors": [], "ids": [source_id]}


def _demand(desk: ServerDesk, source_id: str) -> dict[str, Any]:
    source = demand_source(desk, source_id)
    if source["protocol"] != PROTOCOL:
        raise ApiRefusal(ApiError.UNKNOWN_SOURCE, f"no Tracardi source has the id {source_id[:60]!r}", "source_id")
    return source


def find(ask: Callable[..., dict[str, Any] | None], name: str, error: ApiError, wrap: str = "") -> Any:
    """The answer of one thing by its id."""

    def answer(desk: ServerDesk, values: Values) -> Answer:
        found = ask(desk.store, desk.state, desk.workspace, values[name])
        if found is None:
            raise ApiRefusal(error, f"nothing has the id {values[name][:60]!r}", name)
        return {wrap: found} if wrap else found

    return answer


def erase_profile(desk: ServerDesk, values: Values) -> Answer:
    person = find_living(desk.state, desk.workspace, values["profile_id"])
    if person is None or show_profile(desk.store, desk.state, desk.workspace, person.id) is None:
        raise ApiRefusal(ApiError.UNKNOWN_PERSON, f"nobody has the id {values['profile_id'][:60]!r}", "profile_id")
    about = About("profile_id", person.id)
    made = ask_request(
        desk.state, desk.workspace, "erase", person.profile, about, values["by"], desk.clock(), "DELETE /profile"
    )
    says = "the erasure is carried out in the background, in some two minutes; GET /api/v1/privacy/requests/{id} follows it"
    return {"deleted": 1, "errors": [], "ids": [person.id], "request": describe_request(made), "says": says}


def refuse_removal(desk: ServerDesk, values: Values) -> Answer:
    raise ApiRefusal(
        ApiError.NOT_OFFERED,
        "one session or event is not removed by itself here: what happened stays counted. DELETE /profile/{id} erases"
        " a person with all their sessions and events, retention removes old ones",
    )


def refresh(desk: ServerDesk, values: Values) -> Answer:
    """Wait until what was received is stored and can be asked for."""
    deadline = time.monotonic() + REFRESH_SECONDS
    while True:
        books = balance_books(desk.store, desk.state, desk.log, desk.workspace, desk.clock())
        waiting = sum(source["in_flight"] for source in books["sources"])
        if not waiting or time.monotonic() > deadline:
            return {"refreshed": not waiting, "in_flight": waiting}
        time.sleep(LOOK_EVERY_S)


def word_refusal(refusal: ApiRefusal) -> Response:
    """In Tracardi's words."""
    status = refusal.error.value.status
    headers = {name: value for name, value in reply_refusal(refusal).headers.items() if name in KEPT_HEADERS}
    if status == 404:
        return reply_json(None, 404, headers)
    if refusal.error in (ApiError.WRONG_BODY, ApiError.INVALID_JSON):
        loc = ["body", refusal.field] if refusal.field != "body" else ["body"]
        return reply_json({"detail": [{"loc": loc, "msg": refusal.message, "type": "value_error"}]}, 422, headers)
    return reply_json({"detail": refusal.message}, status, headers)


KEPT_HEADERS = ("allow", "www-authenticate", "retry-after")
EVENT_SOURCE, PROFILE = "/event-source/{source_id}", "/profile/{profile_id}"
SESSION, EVENT = "/session/{session_id}", "/event/{event_id}"
REFRESHED = ("profiles", "sessions", "events", "event-sources")

TRACARDI_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute("/event-source", "Add or change a Tracardi source", (), save_source, "POST", takes_body=True),
    ApiRoute(EVENT_SOURCE, "A Tracardi source", (), show_source),
    ApiRoute(EVENT_SOURCE, "Remove a Tracardi source", (), drop_source, "DELETE"),
    ApiRoute(PROFILE, "A profile in Tracardi's schema", (), find(show_profile, "profile_id", ApiError.UNKNOWN_PERSON)),
    ApiRoute(PROFILE, "Erase a person", (), erase_profile, "DELETE"),
    ApiRoute(SESSION, "A session", (), find(show_session, "session_id", ApiError.UNKNOWN_EVENT)),
    ApiRoute(SESSION, "Not offered", (), refuse_removal, "DELETE"),
    ApiRoute(EVENT, "An event", (), find(show_event, "event_id", ApiError.UNKNOWN_EVENT, "event")),
    ApiRoute(EVENT, "Not offered", (), refuse_removal, "DELETE"),
    *(ApiRoute(f"/{kind}/refresh", "Wait until what was received is stored", (), refresh) for kind in REFRESHED),
)
