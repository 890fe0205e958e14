"""Install: what to paste into a site for one of its sources, and whether its first event has arrived."""

from collections.abc import Mapping, Sequence
from typing import Any

from trackway.control.sources import SourceError, add_source, list_keys, list_sources
from trackway.dashboard.install_snippets import NAMES, VARIANTS, Tag, write_policy
from trackway.dashboard.page import Answer, NotThere, Page, Question, ShownAgain
from trackway.event import Source
from trackway.query.events import find_events
from trackway.query.questions import QuestionError
from trackway.query.rejections import Wanted, list_rejections

DEFAULT_VARIANT = "html"
EMPTY_FORM = {"name": "", "origin": ""}


def ask_install(question: Question) -> Answer:
    """{"source", "sources", "script", "event", "rejection"}: the source asked for or the first one, its newest event, and
    while there is none its newest rejection."""
    desk = question.desk
    keys = {key.source: key.shown for key in list_keys(desk.state, desk.workspace) if not key.trusted}
    sources = [s for s in list_sources(desk.state, desk.workspace) if s.id in keys and is_tracked_by_script(s)]
    chosen = choose_source(question, sources)
    return {
        "source": chosen and describe_source(chosen, keys[chosen.id]),
        "sources": [{"id": each.id, "name": each.name} for each in sources],
        "script": describe_script(question),
        **find_arrival(question, chosen),
    }


def is_tracked_by_script(source: Source) -> bool:
    return source.protocol == "native" and source.channel == "web"


def choose_source(question: Question, sources: Sequence[Source]) -> Source | None:
    wanted = question.text("source")
    if not wanted:
        return sources[0] if sources else None
    chosen = next((source for source in sources if source.id == wanted), None)
    if chosen is None:
        raise NotThere(f"No web source of the native protocol has the id {wanted[:60]}.", "source")
    return chosen


def describe_source(source: Source, key: str) -> dict[str, Any]:
    own = {name: getattr(source, name) for name in ("id", "name", "enabled")}
    return {**own, "key": key, "origins": source.settings.get("origins", "")}


def describe_script(question: Question) -> dict[str, str]:
    places, site = question.desk.script, question.site
    return {
        "version": places.version,
        "src": site + places.pinned,
        "integrity": places.integrity,
        "stable": site + places.stable,
        "module": site + places.module,
        "endpoint": site + places.collect,
        "pixel": site + places.pixel,
    }


def find_arrival(question: Question, source: Source | None) -> dict[str, Any]:
    desk = question.desk
    newest = find_events(desk.store, desk.workspace, source=source.id, limit=1)["items"] if source else []
    if newest or source is None:
        return {"event": newest[0] if newest else None, "rejection": None}
    refused = list_rejections(desk.state, desk.workspace, Wanted(source=source.id), limit=1)["items"]
    return {"event": None, "rejection": refused[0] if refused else None}


def show_install(question: Question, answer: Answer) -> Mapping[str, Any]:
    chosen, source = read_variant(question), answer["source"]
    shown = {"variants": NAMES, "chosen": chosen, "form": EMPTY_FORM, "problem": "", "variant": None}
    if source is None:
        return shown
    tag = Tag(question.site, question.desk.script, source["key"])
    return {**shown, "variant": VARIANTS[chosen](tag), "policy": write_policy(tag)}


def read_variant(question: Question) -> str:
    chosen = question.text("for") or DEFAULT_VARIANT
    if chosen not in VARIANTS:
        raise QuestionError(f"for must be one of {', '.join(VARIANTS)}, not {chosen[:40]!r}", "for")
    return chosen


def add_from_form(question: Question, form: Mapping[str, str]) -> str:
    """A new web source; where to go then. ShownAgain with the reason otherwise."""
    given = {name: form.get(name, "").strip() for name in EMPTY_FORM}
    settings = {"origins": given["origin"].rstrip("/")} if given["origin"] else {}
    desk = question.desk
    try:
        added = add_source(desk.state, given["name"], "native", "web", settings, desk.workspace)
    except SourceError as error:
        raise ShownAgain({"problem": str(error), "form": given}) from None
    return f"/app/install?source={added.source.id}"


PAGE = Page("/install", "install.html", ask_install, show_install)
