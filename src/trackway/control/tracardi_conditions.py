"""Tracardi's condition language, as far as the door can answer it. Pure.

    event@properties.price > 10 AND (event@properties.brand = "nike" OR session@id EXISTS)

An operand is an accessor, a text in quotes, a number, true, false or null. AND and OR do not mix
without parentheses. Functions (`now()`, `datetime()`) are not known here: what a condition says
must be the same whenever the event is read again. docs/reference/protocols/tracardi-templates.md
lists the operators.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

MOST_CHARACTERS = 4000
DEEPEST = 30

# The whole object that an accessor may begin with -> what can be asked of it, or why nothing can.
OBJECTS = ("event", "payload", "session")
NOT_AT_THE_DOOR = {
    "profile": "who it is comes out after the answer, when the event is linked; a template sees event@, payload@ and session@",
    "flow": "there are no workflows here",
    "memory": "there are no workflows here",
}

ACCESSOR = re.compile(r"([a-z]+)@(\.\.\.|[^\s()=!<>,@]+)")
_TOKEN = re.compile(
    r"""\s*(?: (?P<accessor>[a-z]+@(?:\.\.\.|[^\s()=!<>,@]+)) | (?P<text>"[^"]*"|'[^']*')
    | (?P<number>-?\d+(?:\.\d+)?) | (?P<sign>==|!=|<=|>=|[=<>()]) | (?P<word>[A-Za-z]+) )""",
    re.VERBOSE,
)
_LITERALS = {"TRUE": True, "FALSE": False, "NULL": None}

Objects = Mapping[str, Any]
Test = Callable[[Objects], bool]
Operand = Callable[[Objects], Any]


class WrongCondition(ValueError):
    """The text is no condition; the message says where and why."""


class Accessor(Struct, frozen=True):
    """`event@properties.price`; `path` is "" for the whole object (`event@...`)."""

    object: str
    path: str

    def find(self, objects: Objects) -> Any:
        """What stands there; None when nothing does."""
        found: Any = objects.get(self.object)
        for step in self.path.split(".") if self.path else ():
            if isinstance(found, Mapping):
                found = found.get(step)
            elif isinstance(found, list) and step.isdecimal() and len(step) < 5 and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found


def read_accessor(text: str) -> Accessor | None:
    """None when the text is no accessor. WrongCondition when it asks what is not known at the door."""
    found = ACCESSOR.fullmatch(text)
    if not found or found[1] not in (*OBJECTS, *NOT_AT_THE_DOOR):
        return None
    if why := NOT_AT_THE_DOOR.get(found[1]):
        raise WrongCondition(f"{found[1]}@ is not known when an event arrives: {why}")
    path = found[2].removesuffix("...").rstrip(".")
    return Accessor(found[1], path)


def read_condition(text: str) -> Test:
    """The condition as a test of the objects that accessors name. WrongCondition when it is none."""
    if len(text) > MOST_CHARACTERS:
        raise WrongCondition(f"a condition has at most {MOST_CHARACTERS:,} characters")
    parser = _Parser(list(_split(text)))
    test = parser.read_any(0)
    if parser.rest:
        raise WrongCondition(f"{parser.rest[0][:40]!r} is more than a condition; join conditions by AND or OR")
    return test


def _split(text: str) -> Iterator[str]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if not found:
            raise WrongCondition(f"{text[at:].strip()[:40]!r} is no part of a condition")
        at = found.end()
        yield found[0].strip()


class _Parser:
    """Reads tokens from the left; `rest` are those not yet read."""

    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens

    def _peek(self) -> str:
        return self.rest[0].upper() if self.rest else ""

    def _take(self, *words: str) -> bool:
        """Are these the next words? Then they are read."""
        if [token.upper() for token in self.rest[: len(words)]] == list(words):
            del self.rest[: len(words)]
            return True
        return False

    def read_any(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise WrongCondition(f"more than {DEEPEST} parentheses in one another")
        tests = [self._read_one(depth)]
        joined = self._peek()
        while self._peek() in ("AND", "OR"):
            if self._peek() != joined:
                raise WrongCondition("AND and OR do not mix; put parentheses around what belongs together")
            self._take(joined)
            tests.append(self._read_one(depth))
        join = any if joined == "OR" else all
        return tests[0] if len(tests) == 1 else lambda objects: join(test(objects) for test in tests)

    def _read_one(self, depth: int) -> Test:
        if self._take("("):
            test = self.read_any(depth + 1)
            if not self._take(")"):
                raise WrongCondition("a parenthesis is not closed")
            return test
        return self._read_comparison(self._read_operand())

    def _read_operand(self) -> Operand:
        if not self.rest:
            raise WrongCondition("something is missing at the end")
        token = self.rest.pop(0)
        accessor = read_accessor(token)
        if accessor:
            return accessor.find
        if token[0] in "\"'":
            return _always(token[1:-1])
        if token.upper() in _LITERALS:
            return _always(_LITERALS[token.upper()])
        try:
            return _always(float(token) if "." in token else int(token))
        except ValueError:
            says = "functions are not known here" if self._peek() == "(" else "write texts in quotes"
            raise WrongCondition(f"{token[:40]!r} is neither an accessor nor a value; {says}") from None

    def _read_comparison(self, left: Operand) -> Test:
        for words, test in _UNARY:
            if self._take(*words):
                return lambda objects: test(left(objects))
        if self._take("BETWEEN"):
            low = self._read_operand()
            if not self._take("AND"):
                raise WrongCondition("BETWEEN needs two values: x BETWEEN 1 AND 2")
            high = self._read_operand()
            return lambda objects: (
                _is_ordered(low(objects), left(objects)) and _is_ordered(left(objects), high(objects))
            )
        for words, compare in _BINARY:
            if self._take(*words):
                right = self._read_operand()
                return lambda objects: compare(left(objects), right(objects))
        said = self.rest[0][:40] if self.rest else "nothing"
        raise WrongCondition(f"an operator is expected (=, !=, <, EXISTS, CONTAINS, …), not {said!r}")


def _always(value: Any) -> Operand:
    return lambda _: value


def _is_ordered(a: Any, b: Any) -> bool:
    """a <= b; numbers with numbers, texts with texts, anything else is not ordered."""
    both_numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (a, b))
    return bool(a <= b) if both_numbers or (isinstance(a, str) and isinstance(b, str)) else False


def _is_equal(a: Any, b: Any) -> bool:
    """True is not 1, as in JSON."""
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _contains(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return isinstance(b, str) and b in a
    return isinstance(a, list | Mapping) and b in list(a)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


_UNARY: tuple[tuple[tuple[str, ...], Callable[[Any], bool]], ...] = (
    (("IS", "NOT", "NULL"), lambda value: value is not None),
    (("IS", "NULL"), lambda value: value is None),
    (("NOT", "EXISTS"), lambda value: value is None),
    (("EXISTS",), lambda value: value is not None),
    (("NOT", "EMPTY"), lambda value: not _is_empty(value)),
    (("EMPTY",), _is_empty),
)
_BINARY: tuple[tuple[tuple[str, ...], Callable[[Any, Any], bool]], ...] = (
    (("==",), _is_equal),
    (("=",), _is_equal),
    (("!=",), lambda a, b: not _is_equal(a, b)),
    (("<=",), _is_ordered),
    ((">=",), lambda a, b: _is_ordered(b, a)),
    (("<",), lambda a, b: _is_ordered(a, b) and not _is_equal(a, b)),
    ((">",), lambda a, b: _is_ordered(b, a) and not _is_equal(a, b)),
    (("CONTAINS",), _contains),
    (("STARTS", "WITH"), lambda a, b: isinstance(a, str) and isinstance(b, str) and a.startswith(b)),
    (("ENDS", "WITH"), lambda a, b: isinstance(a, str) and isinstance(b, str) and a.endswith(b)),
)
