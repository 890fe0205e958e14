"""What a page is: a question to the query layer, and a template that shows the answer.

`ask` gives exactly what the API gives, so the `.json` twin of a page needs nothing else; `show` adds
what only people need. Both are synchronous and run together in one thread.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from trackway.dashboard.access import Viewer
from trackway.dashboard.desk import ServerDesk
from trackway.query.questions import QuestionError

Answer = Mapping[str, Any]


class Question(Struct, frozen=True):
    """What a request asks of a page. `site` is our own address as the browser wrote it, without a slash."""

    desk: ServerDesk
    viewer: Viewer
    site: str
    path: Mapping[str, str]
    query: Mapping[str, str]

    def text(self, name: str) -> str:
        return self.query.get(name, "").strip()

    def number(self, name: str, default: int) -> int:
        """QuestionError when it is given and not a whole number; bounds are checked by who is asked."""
        given = self.text(name)
        if not given:
            return default
        if len(given) > 18 or not given.removeprefix("-").isdecimal() or not given.isascii():
            raise QuestionError(f"{name} must be a whole number, not {given[:60]!r}", name)
        return int(given)


class NotThere(Exception):
    """What the address names does not exist; the text says what was looked for, `what` that it is an event, a profile…"""

    def __init__(self, message: str, what: str = "event") -> None:
        super().__init__(message)
        self.what = what


class ShownAgain(Exception):
    """A form was not carried out; its page is shown again, with `shown` over what it shows of itself.

    `status` 422 says that something was wrong with it, 200 that it only asked for a preview.
    """

    def __init__(self, shown: Mapping[str, Any], status: int = 422) -> None:
        super().__init__("the page is shown again")
        self.shown, self.status = shown, status


class Page(Struct, frozen=True):
    """`path` is below /app. `fragments` are parts of it that scripts ask for again."""

    path: str
    template: str
    ask: Callable[[Question], Answer]
    show: Callable[[Question, Answer], Mapping[str, Any]] = lambda question, answer: {}
    fragments: "tuple[Page, ...]" = ()
