"""Routes that add, change and remove sources; `GET /sources` with their health stands in `events`.

What cannot be used is refused in the words of `trackway sources`, which uses the same functions.
"""

from typing import Any

import msgspec

from trackway.api.bodies import read_object, read_text, refuse_unknown
from trackway.api.desk import ServerDesk
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.control.source_changes import change_source, remove_source
from trackway.control.sources import (
    LONGEST_NAME,
    OWN_SOURCES,
    SourceError,
    add_source,
    set_enabled,
)
from trackway.control.tracardi_templates import LONGEST_SETTING
from trackway.control.workspaces import TEST_WORKSPACE
from trackway.query.sources import describe_settings

ADDED_FIELDS = ("name", "protocol", "channel", "settings")
CHANGED_FIELDS = ("name", "enabled", "settings")


def put_source(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ADDED_FIELDS)
    name, protocol, channel = (
        read_text(body, field, required=True, longest=LONGEST_NAME) for field in ("name", "protocol", "channel")
    )
    settings = read_settings(body)
    check_own(settings.get("source_id", ""))
    if desk.workspace == TEST_WORKSPACE:
        settings["environment"] = "test"
    try:
        added = add_source(desk.state, name, protocol, channel, settings, desk.workspace)
    except SourceError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error)) from None
    return {**demand_source(desk, added.source.id), "credentials": added.credentials}


def show_source(desk: ServerDesk, values: Values) -> Answer:
    return demand_source(desk, values["source_id"])


def patch_source(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, CHANGED_FIELDS)
    source_id = demand_source(desk, values["source_id"])["id"]
    enabled = body.get("enabled")
    if enabled is not None and not isinstance(enabled, bool):
        raise ApiRefusal(ApiError.WRONG_BODY, "enabled must be true or false", "enabled")
    settings, name = read_settings(body), read_text(body, "name", longest=LONGEST_NAME)
    try:
        if settings or name:
            change_source(desk.state, source_id, settings, name)
        if enabled is not None:
            set_enabled(desk.state, source_id, enabled)
    except SourceError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), "settings" if settings else "name") from None
    return demand_source(desk, source_id)


def drop_source(desk: ServerDesk, values: Values) -> Answer:
    source_id = demand_source(desk, values["source_id"])["id"]
    try:
        remove_source(desk.state, source_id)
    except SourceError as error:
        raise ApiRefusal(ApiError.REFUSED, str(error), "source_id") from None
    return {"id": source_id, "removed": True}


def check_own(source_id: str) -> None:
    """ApiRefusal for the id of a source that Trackway makes for itself when it needs one."""
    if source_id in OWN_SOURCES:
        raise ApiRefusal(ApiError.WRONG_BODY, f"{source_id!r} is Trackway's own source; choose another id", "id")


def demand_source(desk: ServerDesk, source_id: str) -> dict[str, Any]:
    """A source of the workspace that was not removed."""
    found = describe_settings(desk.state, desk.workspace, source_id)
    if found is None:
        raise ApiRefusal(ApiError.UNKNOWN_SOURCE, f"no source has the id {source_id[:60]!r}", "source_id")
    return found


def read_settings(body: dict[str, Any]) -> dict[str, str]:
    """Settings as texts. A template may be sent as the JSON that it is the text of; true and false are yes and no."""
    settings: dict[str, str] = {}
    for name, value in read_object(body, "settings").items():
        if isinstance(value, bool):
            settings[name] = "yes" if value else "no"
        elif value is None:
            settings[name] = ""
        elif isinstance(value, dict | list):
            settings[name] = msgspec.json.encode(value).decode()
        else:
            settings[name] = read_text({name: value}, name, longest=LONGEST_SETTING)
    return settings


SOURCES = f"{PREFIX}/sources"
SOURCE = f"{SOURCES}/{{source_id}}"

SOURCE_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(SOURCES, "Add a source; its keys are said once", (), put_source, "POST", takes_body=True),
    ApiRoute(SOURCE, "A source, its settings and keys", (), show_source),
    ApiRoute(SOURCE, "Change a source's name or settings, switch it on or off", (), patch_source, "PATCH", True),
    ApiRoute(SOURCE, "Remove a source: its keys end, its events stay", (), drop_source, "DELETE"),
)
