"""Sources: who sends, how alive each is, its key, and a form to add one."""

from collections.abc import Mapping
from typing import Any

from trackway.control.sources import (
    CREDENTIAL_FORMS,
    SourceError,
    SourceKey,
    add_source,
    list_keys,
    list_sources,
)
from trackway.dashboard.first_steps import make_curl, make_snippet
from trackway.dashboard.page import Answer, Page, Question
from trackway.event import CHANNELS
from trackway.query.sources import describe_sources

FORM_FIELDS = ("name", "protocol", "channel", "environment")
EMPTY_FORM = {"name": "", "protocol": "native", "channel": "web", "environment": ""}


class SourceRefused(Exception):
    """A source could not be added as the form says; the page shows the form again with the reason."""

    def __init__(self, problem: str, form: Mapping[str, str]) -> None:
        super().__init__(problem)
        self.problem, self.form = problem, form


def ask_sources(question: Question) -> Answer:
    desk = question.desk
    return describe_sources(desk.store, desk.state, desk.workspace, desk.clock())


def show_sources(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk = question.desk
    keys: dict[str, list[SourceKey]] = {}
    for key in list_keys(desk.state, desk.workspace):
        keys.setdefault(key.source, []).append(key)
    return {
        "keys": keys,
        "origins": {s.id: s.settings.get("origins", "") for s in list_sources(desk.state, desk.workspace)},
        "protocols": list(CREDENTIAL_FORMS),
        "channels": list(CHANNELS),
        "form": EMPTY_FORM,
        "problem": "",
    }


def add_from_form(question: Question, form: Mapping[str, str]) -> Mapping[str, Any]:
    """Add a source and say its credentials, for the one page that ever shows them. SourceRefused.

    That page asks the store nothing: a store that is away must not cost anybody a key.
    """
    given = {name: form.get(name, "") for name in FORM_FIELDS}
    desk = question.desk
    settings = {"environment": "test"} if given["environment"] == "test" else {}
    try:
        added = add_source(desk.state, given["name"], given["protocol"], given["channel"], settings, desk.workspace)
    except SourceError as error:
        raise SourceRefused(str(error), given) from None
    key = next(iter(added.credentials.values()))
    return {
        "added": added.source,
        "credentials": added.credentials,
        "secret": added.secret,
        "snippet_tag": make_snippet(question.site, added.source, key),
        "curl": make_curl(question.site, desk.show_example(added.source, key)),
    }


PAGE = Page("/sources", "sources.html", ask_sources, show_sources)
