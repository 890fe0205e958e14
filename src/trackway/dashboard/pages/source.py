"""Source: its keys, what is set of it, and forms to change that, to switch it off and to remove it."""

from collections.abc import Mapping
from typing import Any

from trackway.control.source_changes import FIXED_SETTINGS, change_source, remove_source
from trackway.control.sources import DIALECT_SETTINGS, OWN_SOURCES, SOURCE_SETTINGS, SourceError, set_enabled
from trackway.dashboard.page import Answer, NotThere, Page, Question, ShownAgain
from trackway.query.sources import describe_settings

# What has to be typed before a source is removed.
WORD = "REMOVE"

# In a line each; docs/reference/sources.md says more.
SAYS = {
    "origins": "Pages it listens to, https://a.example,https://b.example; empty: every page",
    "bots": "mark or drop; empty: mark",
    "environment": "live or test, for good",
    "reissue_cookie": "no: the visitor's cookie is not given again by the server",
    "rate_limit": "Requests per minute; empty: no limit",
    "trait_priority": "A whole number; of two traits told at the same moment the higher wins",
    "account_id": "aid of the path",
    "tracker_id": "tid of the path",
    "vendors": "Vendors whose events are taken, with commas; empty: all",
    "strict": "yes: a refused event is answered with what is wrong",
    "success_status": "200, 202 or 204; empty: 204",
    "customer_site_id": "Customer site ids it may send for, with commas; empty: any",
    "partial": "yes: good events of a batch are stored beside bad ones",
    "empty_identity": "yes: events without any hash are taken",
    "bridge": "Endpoints it takes events at: rest, webhook, redirect; empty: rest,webhook",
    "redirect_to": "Where /redirect leads, https://…",
    "redirect_event_type": "Type of the event that a redirect leaves; empty: redirect",
    "system_events": "no: adds no profile-created, session-opened and visit-started",
    "static_profile_id": "yes: profile ids that the client made itself are kept",
    "returns_profile": "yes: whoever asks gets the whole profile in the answer",
    "requires_consent": "yes: said in the answer as source.consent",
    "debugger": "yes: options.debugger is answered",
    "reshaping": "JSON: templates that make properties and context anew",
    "mapping": "JSON: which property is written to which path of the profile",
}


def ask_source(question: Question) -> Answer:
    source_id = question.path["source_id"]
    found = describe_settings(question.desk.state, question.desk.workspace, source_id)
    if found is None:
        raise NotThere(f"No source has the id {source_id[:60]}.", "source")
    return found


def show_source(question: Question, answer: Answer) -> Mapping[str, Any]:
    own = {name for protocol, names in DIALECT_SETTINGS.items() if protocol != answer["protocol"] for name in names}
    wanted = question.text("setting")
    return {
        "says": SAYS,
        "names": [name for name in SOURCE_SETTINGS if name not in own and name not in FIXED_SETTINGS],
        "fixed": FIXED_SETTINGS,
        "form": {"setting": wanted, "value": answer["settings"].get(wanted, "")},
        "problem": "",
        "removal": None,
        "word": WORD,
        "is_own": answer["id"] in OWN_SOURCES,
        "done": question.text("done"),
    }


def change_from_form(question: Question, form: Mapping[str, str]) -> str:
    """Change a setting, switch the source or remove it; where to go then. ShownAgain with the reason otherwise."""
    source_id = ask_source(question)["id"]
    state, action = question.desk.state, form.get("action", "")
    given = {name: form.get(name, "").strip() for name in ("setting", "value")}
    try:
        if action == "remove":
            return _remove(question, source_id, form)
        if action in ("on", "off"):
            set_enabled(state, source_id, action == "on")
        elif not given["setting"]:
            raise SourceError("choose a setting")
        else:
            change_source(state, source_id, {given["setting"]: given["value"]})
    except SourceError as error:
        raise ShownAgain({"problem": str(error), "form": given}) from None
    return f"/app/sources/{source_id}?done={action if action in ('on', 'off') else 'set'}"


def _remove(question: Question, source_id: str, form: Mapping[str, str]) -> str:
    typed = form.get("word", "").strip()
    if typed != WORD:
        problem = f"nothing was removed: type {WORD} to confirm" if typed else ""
        raise ShownAgain({"removal": {"problem": problem}}, 422 if typed else 200)
    remove_source(question.desk.state, source_id)
    return "/app/sources"


PAGE = Page("/sources/{source_id}", "source.html", ask_source, show_source)
