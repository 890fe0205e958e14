"""Events that the engine's JSON type refuses, or nearly: none stops the pipeline or touches its neighbours.

One bad row fails a whole insert, so what cannot be stored must not come through the door, and what
comes through must be stored.
"""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.ledger import Ledger
from trackway.testing.server import TestServer

Audit = Callable[..., dict[str, Any]]

# plain words -> JSON members of `properties`, raw, because no encoder writes some of them
ODD: dict[str, str] = {
    "a path and a key with a dot": r'"a": {"b": 1}, "a.b": 2',
    "a key twice": r'"a": 1, "a": 2',
    "a key twice with different types": r'"a": {"b": 1}, "a": 2',
    "a lone surrogate": r'"a": "\ud800"',
    "a lone surrogate in a key": r'"\udfff": 1',
    "a number too large for any float": r'"a": 1e400',
    "a negative number too large": r'"a": -1e400',
    "an integer beyond 64 bits": r'"a": 18446744073709551616',
    "an integer beyond signed 64 bits": r'"a": 9223372036854775808',
    "an integer of 400 digits": '"a": ' + "9" * 400,
    "the smallest float": r'"a": 5e-324',
    "minus zero": r'"a": -0.0',
    "an empty key": r'"": 1',
    "a key that is a dot": r'".": 1, "..": 2, "a.": 3, ".a": 4',
    "a NUL in a value": r'"a": "x\u0000y"',
    "a NUL in a key": r'"x\u0000y": 1',
    "mixed arrays": r'"a": [1, "x", null, {"b": [true, {"c": 1}]}, [1, [2]]]',
    "an empty array and an empty object": r'"a": [], "b": {}, "c": [{}], "d": [[]]',
    "a type that changes": r'"padding": {"now": "an object"}',
    "a text that looks like a date": r'"a": "2026-02-30", "b": "2026-01-01 00:00:00.000"',
    "a thousand paths": ", ".join(f'"p{n}": {n}' for n in range(1000)),
    "a key of 20,000 characters": '"' + "k" * 20_000 + '": 1',
    "60 levels": '"a": ' + '{"a": ' * 58 + "1" + "}" * 58,
    "200 levels": '"a": ' + '{"a": ' * 200 + "1" + "}" * 200,
    "5,000 levels of arrays": '"a": ' + "[" * 5000 + "]" * 5000,
    "NaN": r'"a": NaN',
    "Infinity": r'"a": [Infinity]',
    "an engine's own names": r'"id.id": 1, "event_id": "x", "log_segment": -1',
    "backquotes and quotes": r"""'"`a`.`b`": 1, "c\"d": "'; DROP TABLE events --"'""".strip("'"),
    "emoji and right-to-left": r'"\u202e": "\ud83d\udc63"',
}


def word_event(name: str, members: str) -> str:
    return f'{{"event_type": "odd", "properties": {{"id": {json.dumps(name)}, {members}}}}}'


def note(ledger: Ledger, names: list[str], status: int, answer: Any) -> None:
    ledger.sent.update(names)
    if "results" in answer:
        for result in answer["results"]:
            (ledger.rejected if result["status"] == "rejected" else ledger.acked).add(names[result["index"]])
    else:
        assert 400 <= status < 500, (names, status, answer)
        assert answer["error"]["reason"]
        assert answer["error"]["message"]
        ledger.rejected.update(names)


@pytest.fixture
def post(battered: TestServer, source: dict[str, Any]) -> Callable[[str], tuple[int, Any]]:
    def send(body: str) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {source['credentials']['write_key']}", "content-type": "application/json"}
        answer = battered.request("POST", "/v1/events", body, headers)
        return answer.status, answer.json

    return send


def test_every_odd_event_alone_is_refused_at_the_door_or_stored(
    battered: TestServer, source: dict[str, Any], post: Callable[[str], tuple[int, Any]], audit: Audit
) -> None:
    ledger = Ledger()
    for name, members in ODD.items():
        note(ledger, [name], *post(word_event(name, members)))
    audit(battered, source["id"], ledger, "poison alone", rejected=len(ledger.rejected))
    assert ledger.rejected >= {"a number too large for any float", "200 levels", "5,000 levels of arrays", "NaN"}


def test_one_odd_event_in_a_hundred_leaves_the_others_untouched(
    battered: TestServer, source: dict[str, Any], post: Callable[[str], tuple[int, Any]], audit: Audit
) -> None:
    """Judged event by event; only what is too deep to be cut into events spoils its whole request."""
    ledger, chance = Ledger(), random.Random(31)
    odd = [(name, members) for name, members in ODD.items() if name != "5,000 levels of arrays"]
    good = set()
    for call in range(30):
        names, events = [], []
        for number in range(100):
            name, members = f"good {call} {number}", f'"padding": "{"x" * chance.randint(0, 100)}"'
            if number == chance.randint(0, 99):
                kind, members = chance.choice(odd)
                name = f"{kind}, {call} {number}"
            else:
                good.add(name)
            names.append(name)
            events.append(word_event(name, members))
        note(ledger, names, *post(f'{{"events": [{", ".join(events)}]}}'))
    audit(battered, source["id"], ledger, "1 % poison", rejected=len(ledger.rejected), odd=len(ledger.sent - good))
    assert good <= ledger.acked
