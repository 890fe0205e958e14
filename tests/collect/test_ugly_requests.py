"""Ugly requests in every dialect: each is told what is wrong in the dialect's own shape, across origins too.

Never a 5xx, never HTML, and whatever was refused for its content stands in the books.
"""

import gzip
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from tests.collect.dialects import RECIPES, Recipe, Sent

from trackway.collect.protocols import PROTOCOLS
from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until

NAMES = [protocol.name for protocol in PROTOCOLS]
ORIGIN = "https://shop.example"
NUMBERS = itertools.count(1)
every_dialect = pytest.mark.parametrize("dialect", NAMES)

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]


def add_source(server: TestServer, dialect: str, **settings: str) -> Source:
    recipe = RECIPES[dialect]
    name = f"ugly {dialect} {next(NUMBERS)}"
    return server.add_source(name, dialect, recipe.channel, **{**recipe.settings, **settings})


def key_of(source: Source) -> str:
    [key] = source["credentials"].values()
    return str(key)


def ask(server: TestServer, sent: Sent, body: bytes | None = None, method: str = "POST", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.request(
        method, sent.path, sent.body if body is None else body, {"origin": ORIGIN, **sent.headers, **named}
    )


def check_shape(answer: Answer) -> None:
    """Never a fault of the server's, never HTML, readable for the page that asked."""
    assert answer.status < 500, answer.body
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    if answer.status == 204:
        assert answer.body == b""
    else:
        assert answer.headers["content-type"].startswith("application/json")
        json.loads(answer.body)


def check_refused(recipe: Recipe, answer: Answer, statuses: tuple[int, ...]) -> str:
    """Orbee's clients get a 204 whatever happens, with the reason in a header; all others one of `statuses`."""
    check_shape(answer)
    if answer.status != 204:
        assert answer.status in statuses, (answer.status, answer.body[:500])
    told = recipe.explains(answer)
    assert told
    return told


def with_event(recipe: Recipe, key: str, extra: str) -> bytes:
    """A request of one good event that holds `extra`, JSON text as it is."""
    sent = recipe.wrap(key, [recipe.with_extra("@@")])
    return sent.body.replace(b'"@@"', extra.encode())


BODIES: Mapping[str, tuple[Callable[[Recipe, str], bytes], tuple[int, ...]]] = {
    "half of a body": (lambda recipe, key: recipe.wrap(key, [recipe.events[0]]).body[:-9], (400, 422)),
    "an empty body": (lambda recipe, key: b"", (400, 401, 422)),
    "HTML": (lambda recipe, key: b"<html><body>hello</body></html>", (400, 401, 422)),
    "a byte order mark": (
        lambda recipe, key: b"\xef\xbb\xbf" + recipe.wrap(key, [recipe.events[0]]).body,
        (400, 401, 422),
    ),
    "UTF-16": (
        lambda recipe, key: recipe.wrap(key, [recipe.events[0]]).body.decode().encode("utf-16"),
        (400, 401, 422),
    ),
    "a number": (lambda recipe, key: b"5", (400, 401, 422)),
    "null": (lambda recipe, key: b"null", (400, 401, 422)),
    "10,000 levels": (lambda recipe, key: with_event(recipe, key, "[" * 10_000 + "]" * 10_000), (400, 401, 422)),
    "100 levels": (lambda recipe, key: with_event(recipe, key, "[" * 100 + "]" * 100), (400, 422)),
    "a lone surrogate": (lambda recipe, key: with_event(recipe, key, '"\\ud800"'), (400, 401, 422)),
    "bytes that are no UTF-8": (
        lambda recipe, key: recipe.wrap(key, [recipe.with_extra("@")]).body.replace(b'"@"', b'"\xff"'),
        (400, 401, 422),
    ),
    "1e400": (lambda recipe, key: with_event(recipe, key, "1e400"), (400, 401, 422)),
    "NaN": (lambda recipe, key: with_event(recipe, key, "NaN"), (400, 401, 422)),
    "a body over 5 MB": (lambda recipe, key: b" " * 5_000_001, (413,)),
    "an event over 1 MB": (lambda recipe, key: with_event(recipe, key, f'"{"x" * 1_000_000}"'), (413,)),
}


@every_dialect
@pytest.mark.parametrize("case", BODIES)
def test_an_ugly_body_is_explained_and_nothing_is_stored(
    server: TestServer, stored: Stored, dialect: str, case: str
) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    make, statuses = BODIES[case]
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    check_refused(recipe, ask(server, sent, make(recipe, key_of(source))), statuses)
    assert stored(source) == []


@every_dialect
def test_a_nul_is_kept_as_a_replacement_character(server: TestServer, stored: Stored, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    answer = ask(server, sent, with_event(recipe, key_of(source), '"x\\u0000y"'))
    check_shape(answer)
    assert answer.status < 300
    [event] = stored(source)
    assert "x\\ufffdy" in json.dumps(event)
    assert "\\u0000" not in json.dumps(event)


PACKED: Mapping[str, tuple[bytes, str, int]] = {
    "a gzip bomb": (gzip.compress(b"0" * 30_000_000), "gzip", 413),
    "an unknown packing": (b"{}", "lzma", 415),
    "half a gzip": (gzip.compress(b"{}")[:-5], "gzip", 415),
}


@every_dialect
@pytest.mark.parametrize("case", PACKED)
def test_a_body_that_does_not_unpack_is_explained(server: TestServer, dialect: str, case: str) -> None:
    recipe = RECIPES[dialect]
    body, encoding, status = PACKED[case]
    sent = recipe.wrap(key_of(add_source(server, dialect)), [recipe.events[0]])
    check_refused(recipe, ask(server, sent, body, content_encoding=encoding), (status,))


@every_dialect
def test_a_packed_body_is_unpacked(server: TestServer, stored: Stored, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    answer = ask(server, sent, gzip.compress(sent.body), content_encoding="gzip")
    check_shape(answer)
    assert answer.status < 300
    assert len(stored(source)) == 1


@every_dialect
def test_a_key_that_nobody_has_is_refused(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    for key in ("no-such/key", "%00/%ff"):
        check_refused(recipe, ask(server, recipe.wrap(key, [recipe.events[0]])), (401,))


@every_dialect
def test_a_request_without_a_key_is_refused(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    sent = recipe.wrap("", [recipe.events[0]])
    if "//" in sent.path:
        pytest.skip("this dialect's key is part of the path: without it there is no such path")
    check_refused(recipe, ask(server, sent), (401, 422))


@every_dialect
def test_a_source_that_is_switched_off_is_refused(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    server.run_cli("sources", "switch", source["id"], "off")
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    # The door looks for changes three times a second.
    answer = wait_until(
        lambda: ask(server, sent),
        lambda answer: answer.status >= 300 or answer.headers.get("x-event-status", "accepted") != "accepted",
    )
    check_refused(recipe, answer, (401, 403))


@every_dialect
def test_a_page_of_another_site_is_refused(server: TestServer, stored: Stored, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect, origins="https://ours.example")
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    check_refused(recipe, ask(server, sent), (401, 403))
    assert stored(source) == []
    ours = ask(server, sent, origin="https://ours.example")
    assert ours.status < 300
    assert ours.headers["access-control-allow-origin"] == "https://ours.example"
    assert len(stored(source)) == 1


@every_dialect
def test_a_wrong_method_is_405_and_names_the_right_one(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    sent = recipe.wrap(key_of(add_source(server, dialect)), [recipe.events[0]])
    for method in ("DELETE", "PATCH"):
        answer = ask(server, sent, method=method)
        assert answer.status < 500
        if answer.status != 204:
            assert answer.status == 405
            # Of Tracify's path Trackway's own API answers all methods but POST, and names its own.
            assert ("GET" if sent.path == "/api/v1/events" else "POST") in answer.headers["allow"]
            assert isinstance(answer.json, dict)


@every_dialect
def test_a_path_that_is_nearly_right_is_answered_in_json_with_the_right_one(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    sent = recipe.wrap("a/b", [recipe.events[0]])
    for path in (f"{sent.path}/", f"{sent.path}s", f"/x{sent.path}"):
        answer = server.request("POST", path, sent.body, {"origin": ORIGIN, **sent.headers})
        if path.startswith("/api/v1/"):
            # Below this prefix Trackway's own API answers, which no page of another site may read.
            assert (answer.status, answer.json["error"]["reason"]) == (404, "unknown_route")
            continue
        if answer.status == 401:
            continue
        assert (answer.status, set(answer.json)) == (404, {"detail"})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
    if dialect in ("native", "pact", "tracardi", "clarm"):
        near = server.request("POST", f"{sent.path}/", sent.body, {"origin": ORIGIN})
        assert near.json["detail"] == f"there is no {sent.path}/; is {sent.path} meant?"
        asked = {"origin": ORIGIN, "access-control-request-method": "POST"}
        preflight = server.request("OPTIONS", f"{sent.path}/", headers=asked)
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (200, ORIGIN)


@every_dialect
def test_a_preflight_is_answered_with_what_was_asked(server: TestServer, dialect: str) -> None:
    sent = RECIPES[dialect].wrap("a/b", [RECIPES[dialect].events[0]])
    asked = {
        "origin": ORIGIN,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, x-timestamp",
    }
    answer = server.request("OPTIONS", sent.path, headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-headers"] == "authorization, x-timestamp"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.headers["vary"] == "Origin"


@every_dialect
def test_a_beacon_without_a_content_type_is_read(server: TestServer, stored: Stored, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    sent = recipe.wrap(key_of(source), [recipe.events[0]])
    for content_type in ("", "text/plain;charset=UTF-8"):
        headers = {name: value for name, value in sent.headers.items() if name != "content-type"}
        if content_type:
            headers["content-type"] = content_type
        answer = server.request("POST", sent.path, sent.body, {"origin": ORIGIN, **headers})
        check_shape(answer)
        assert answer.status < 300, answer.body
    assert stored(source)


@every_dialect
def test_validate_answers_the_same_and_stores_nothing(server: TestServer, stored: Stored, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    good, wrong = ([event] for event in (recipe.events[0], recipe.wrong))
    checked = []
    for events in (good, wrong):
        sent = recipe.wrap(key_of(source), events)
        checked.append(server.request("POST", f"{sent.path}?validate=1", sent.body, {"origin": ORIGIN, **sent.headers}))
        check_shape(checked[-1])
    server.wait_until_settled()
    assert stored(source) == []
    [books] = [s for s in server.api("books")["sources"] if s["source"] == source["id"]]
    assert (books["received"], books["rejected"]) == (0, {})

    real = [ask(server, recipe.wrap(key_of(source), events)) for events in (good, wrong)]
    assert [answer.status for answer in real] == [answer.status for answer in checked]
    assert recipe.explains(real[1]) == recipe.explains(checked[1])
    assert set(real[0].json if real[0].body else {}) == set(checked[0].json if checked[0].body else {})
    assert len(stored(source)) == 1


@every_dialect
def test_what_was_refused_for_its_content_stands_in_the_books(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = add_source(server, dialect)
    check_refused(recipe, ask(server, recipe.wrap(key_of(source), [recipe.wrong])), (400, 422))
    server.wait_until_settled()
    [books] = [s for s in server.api("books")["sources"] if s["source"] == source["id"]]
    assert sum(books["rejected"].values()) == 1
    assert (books["received"], books["balanced"]) == (0, True)
