"""Plan: what events must look like, what breaks that, what is sent, and an editor that tries a schema before it counts."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from trackway.control.plan_schemas import PlanError, compile_schema
from trackway.control.plans import OFF, Change, change_plan, list_versions, read_change
from trackway.control.sources import OWN_SOURCES, list_sources
from trackway.dashboard.page import Answer, Page, Question, ShownAgain
from trackway.query.catalogue import MOST_TYPES, describe_catalogue, infer_plan
from trackway.query.plans import describe_entry, describe_plan, try_schema
from trackway.query.questions import QuestionError
from trackway.store.client import StoreUnavailable

RANGES = {"24h": 1, "7d": 7, "30d": 30}
DEFAULT_RANGE = "7d"
MODES = {
    "observe": ("Observe", "count what breaks it"),
    "mark": ("Mark", "store the event with what it breaks; it says nothing of its person"),
    "reject": ("Reject", "refuse the event at the door, and tell the sender why"),
}
SHOWN_ENTRIES = 100
SHOWN_PLACES = 40
SHOWN_VIOLATIONS = 60
BLANK_SCHEMA = '{\n  "type": "object",\n  "properties": {},\n  "required": []\n}'
UNAVAILABLE = "the event store does not answer at the moment"


class Editor(Struct, frozen=True, kw_only=True):
    """What stands in the form. `version` is that of the entry as it was shown, 0 for a new one."""

    event_type: str = ""
    source: str = ""
    mode: str = "observe"
    text: str = BLANK_SCHEMA
    version: int = 0


def ask_plan(question: Question) -> Answer:
    """{"plan", "catalogue"} as the API has them; the catalogue is null while the store is away."""
    desk, days = question.desk, RANGES[choose_range(question)]
    search, cursor = question.text("search"), question.text("cursor")
    try:
        catalogue = describe_catalogue(
            desk.store, desk.state, desk.workspace, desk.clock(), days=days, search=search, cursor=cursor
        )
    except StoreUnavailable:
        catalogue = None
    return {"plan": describe_plan(desk.state, desk.workspace), "catalogue": catalogue}


def choose_range(question: Question) -> str:
    """QuestionError for a range that there is not."""
    chosen = question.text("range") or DEFAULT_RANGE
    if chosen not in RANGES:
        raise QuestionError(f"range must be one of {', '.join(RANGES)}, not {chosen[:40]!r}", "range")
    return chosen


def show_plan(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    sources = [source for source in list_sources(desk.state, desk.workspace) if source.id not in OWN_SOURCES]
    broken: dict[tuple[str, str], int] = {}
    for each in answer["plan"]["violations"]:
        key = (each["event_type"], each["entry_source"])
        broken[key] = broken.get(key, 0) + each["events"]
    editor = fill_editor(question)
    filters = {"range": choose_range(question), "search": question.text("search")}
    filters = {name: value for name, value in filters.items() if value}
    following = (answer["catalogue"] or {}).get("next")
    return {
        "source_names": {source.id: source.name for source in sources},
        "modes": MODES,
        "ranges": list(RANGES),
        "chosen_range": choose_range(question),
        "days": RANGES[choose_range(question)],
        "broken": broken,
        "search": question.text("search"),
        "further": urlencode({**filters, "cursor": following}) if following else "",
        "first": urlencode(filters) if question.text("cursor") else None,
        "most_inferred": MOST_TYPES,
        "shown_entries": SHOWN_ENTRIES,
        "shown_places": SHOWN_PLACES,
        "shown_violations": SHOWN_VIOLATIONS,
        "editor": editor,
        "history": list_history(question, editor),
        "done": question.text("done"),
        "about": question.text("about"),
        "problem": "",
        "field": "",
        "tried": None,
        "inferred": False,
    }


def fill_editor(question: Question) -> Editor:
    """The entry that the address names, else an empty form."""
    event_type, source = question.text("edit"), question.text("of")
    if not event_type:
        return Editor()
    versions = list_versions(question.desk.state, question.desk.workspace, event_type, source)
    if not versions or versions[0].mode == OFF:
        return Editor(event_type=event_type, source=source, version=versions[0].version if versions else 0)
    entry = versions[0]
    return Editor(
        event_type=event_type,
        source=source,
        mode=entry.mode,
        text=write_schema(describe_entry(entry)["schema"]),
        version=entry.version,
    )


def list_history(question: Question, editor: Editor) -> list[dict[str, Any]]:
    if not editor.event_type:
        return []
    versions = list_versions(question.desk.state, question.desk.workspace, editor.event_type, editor.source)
    return [describe_entry(version) | {"text": write_schema(describe_entry(version)["schema"])} for version in versions]


def write_schema(schema: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()


def change_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Carry out the editor's button; where to go then. ShownAgain for a look first, and with what is wrong."""
    desk, action = question.desk, form.get("action", "")
    editor = Editor(
        event_type=form.get("event_type", "").strip(),
        source=form.get("source", ""),
        mode=form.get("mode", "observe"),
        text=form.get("schema", "").replace("\r\n", "\n"),
        version=int(version) if (version := form.get("version", "")).isdecimal() and len(version) < 10 else 0,
    )
    shown: dict[str, Any] = {"editor": editor, "history": list_history(question, editor), "done": ""}
    if action == "infer":
        found = infer(question, editor)
        raise ShownAgain(shown | found, 422 if "problem" in found else 200)
    try:
        change = read_editor(question, editor, OFF if action == "end" else editor.mode)
        if action in ("save", "end"):
            check_nobody_was_faster(question, editor)
            change_plan(desk.state, desk.workspace, [change], question.viewer.user, desk.clock())
            return f"/app/catalogue?{urlencode({'done': action, 'about': editor.event_type})}"
        tried = try_draft(question, change)
    except PlanError as error:
        raise ShownAgain(shown | {"problem": str(error), "field": error.field}) from None
    raise ShownAgain(shown | {"tried": tried}, 200)


def infer(question: Question, editor: Editor) -> dict[str, Any]:
    """What the form shows when a schema is to be made of what was sent."""
    if not editor.event_type:
        return {"problem": "say the event type whose traffic is looked at", "field": "event_type"}
    desk, days = question.desk, RANGES[choose_range(question)]
    asked = {"event_type": editor.event_type, "source": editor.source}
    try:
        found = infer_plan(desk.store, desk.state, desk.workspace, desk.clock(), days=days, **asked)
    except QuestionError as error:
        return {"problem": str(error), "field": "event_type"}
    except StoreUnavailable:
        return {"problem": UNAVAILABLE, "field": ""}
    text = write_schema(found["entries"][0]["schema"])
    return {"editor": msgspec.structs.replace(editor, text=text), "inferred": True}


def read_editor(question: Question, editor: Editor, mode: str) -> Change:
    """PlanError in words for whoever wrote it."""
    known = [source.id for source in list_sources(question.desk.state, question.desk.workspace)]
    said: dict[str, Any] = {"event_type": editor.event_type, "source": editor.source, "mode": mode}
    if mode != OFF:
        try:
            said["schema"] = msgspec.json.decode(editor.text)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise PlanError(f"the schema is not JSON: {error}") from None
    return read_change(said, known)


def check_nobody_was_faster(question: Question, editor: Editor) -> None:
    versions = list_versions(question.desk.state, question.desk.workspace, editor.event_type, editor.source)
    if versions and versions[0].version != editor.version:
        who = versions[0].changed_by or "somebody"
        raise PlanError(f"{who} changed this entry meanwhile, nothing was saved; open it again", "version")


def try_draft(question: Question, change: Change) -> dict[str, Any]:
    """What the schema would say of stored events; without figures while the store is away."""
    desk, days = question.desk, RANGES[choose_range(question)]
    compiled = compile_schema(msgspec.json.encode(change.schema).decode())
    asked = {"event_type": change.event_type, "source": change.source}
    try:
        return try_schema(desk.store, desk.workspace, desk.clock(), compiled, days=days, **asked)
    except StoreUnavailable:
        return {"events": None, "checked": 0, "failed": 0, "violations": []}


PAGE = Page("/catalogue", "plan.html", ask_plan, show_plan)
