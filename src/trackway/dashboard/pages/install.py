"""Install: what to paste into a site for one of its sources, and whether its first event has arrived."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from trackway.control.source_changes import change_source
from trackway.control.sources import SourceError, add_source, list_keys, list_sources
from trackway.dashboard.install_snippets import FROM_SERVER_ONLY, NAMES, VARIANTS, Tag, write_policy
from trackway.dashboard.install_trouble import NO_TROUBLE, describe_trouble, say_reach
from trackway.dashboard.page import Answer, NotThere, Page, Question, ShownAgain
from trackway.event import Source
from trackway.query.arrivals import NOTHING, describe_arrival
from trackway.query.questions import QuestionError

DEFAULT_VARIANT = "html"
EMPTY_FORM = {"name": "", "origin": ""}
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[^\s/?#@\[\]:,*]+|\[[0-9a-f:.]+\])(?P<port>:\d{1,5})?(?=[/?#]|$)")
# A browser leaves them out of an origin.
USUAL_PORTS = {"http": ":80", "https": ":443"}
# Whose host stands in the tag: this server's, or the site's own, whose proxy passes our paths on.
HOSTS = {"site": "the site's own domain", "server": "this server"}


def ask_install(question: Question) -> Answer:
    """{"source", "sources", "script", "event", "rejection", "unstored", "keyless", "trouble"}: the source asked for or the
    first one, its newest event, and while there is none what is known of why (`describe_arrival`, `describe_trouble`)."""
    desk = question.desk
    keys = {key.source: key.shown for key in list_keys(desk.state, desk.workspace) if not key.trusted}
    sources = [s for s in list_sources(desk.state, desk.workspace) if s.id in keys and is_tracked_by_script(s)]
    chosen = choose_source(question, sources)
    arrival = describe_arrival(desk.store, desk.state, desk.workspace, chosen.id) if chosen else NOTHING
    return {
        "source": chosen and describe_source(chosen, keys[chosen.id]),
        "sources": [{"id": each.id, "name": each.name} for each in sources],
        "script": describe_script(question),
        **arrival,
        "trouble": chosen and describe_trouble(chosen.id, arrival),
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


def show_install(question: Question, answer: Answer) -> Mapping[str, Any]:
    chosen, source = read_choice(question, "for", VARIANTS, DEFAULT_VARIANT), answer["source"]
    shown = {"variants": NAMES, "chosen": chosen, "form": EMPTY_FORM, "problem": "", "variant": None}
    if source is None:
        return shown
    server = question.site
    # Whoever renamed the paths did it for the site's own domain.
    renamed = Tag(server, server, question.desk.script, source["key"]).is_renamed and chosen not in FROM_SERVER_ONLY
    host = read_choice(question, "host", HOSTS, "site") if renamed else "server"
    tag = Tag("" if host == "site" else server, server, question.desk.script, source["key"])
    return {
        **shown,
        "variant": VARIANTS[chosen](tag),
        "policy": write_policy(tag),
        "hosts": HOSTS if renamed else {},
        "host": host,
        "trouble": answer["trouble"] or NO_TROUBLE,
        "reach": say_reach(server) if tag.site else "",
    }


def read_choice(question: Question, name: str, known: Mapping[str, Any], default: str) -> str:
    chosen = question.text(name) or default
    if chosen not in known:
        raise QuestionError(f"{name} must be one of {', '.join(known)}, not {chosen[:40]!r}", name)
    return chosen


def change_from_form(question: Question, form: Mapping[str, str]) -> str:
    """A new web source, or one more origin for one that is there; where to go then. ShownAgain with the reason otherwise."""
    given = {name: form.get(name, "").strip() for name in EMPTY_FORM}
    try:
        source = _allow(question, given["origin"]) if "allow" in form else _add(question, given)
    except SourceError as error:
        raise ShownAgain({"problem": str(error), "form": given}) from None
    return f"/app/install?source={quote(source.id)}"


def _add(question: Question, given: Mapping[str, str]) -> Source:
    settings = {"origins": read_origins(given["origin"])} if given["origin"] else {}
    desk = question.desk
    return add_source(desk.state, given["name"], "native", "web", settings, desk.workspace).source


def _allow(question: Question, origin: str) -> Source:
    source = ask_install(question)["source"]
    if source is None:
        raise SourceError("there is no web source yet")
    allowed = dict.fromkeys([*filter(None, source["origins"].split(",")), read_origins(origin)])
    return change_source(question.desk.state, source["id"], {"origins": ",".join(allowed)})


def read_origins(typed: str) -> str:
    """Origins as browsers tell them, of addresses as people write or copy them: `www.shop.example/start, münchen.de` too.

    SourceError for what is no address.
    """
    return ",".join(_read_origin(each.strip()) for each in typed.split(","))


def _read_origin(typed: str) -> str:
    found = _ORIGIN.match(typed.lower() if "://" in typed else f"https://{typed.lower()}")
    try:
        if found is None:
            raise UnicodeError
        scheme, host, port = found["scheme"], found["host"].encode("idna").decode(), found["port"] or ""
    except UnicodeError:
        raise SourceError(f"{typed[:80]!r} is no address of a site, such as https://www.example.com") from None
    return f"{scheme}://{host}" + (port if port != USUAL_PORTS[scheme] else "")


PAGE = Page("/install", "install.html", ask_install, show_install)
