"""The visitor's cookie comes back with the answer, for a page of our own site alone, and for nobody who does not want it."""

import re
import time
from typing import Any

import pytest

from trackway.collect.visitor_cookie import find_domain
from trackway.testing.server import Answer, TestServer

VISITOR = "019a0000-0000-7000-8000-000000000001"
PAGE = {"origin": "https://www.shop.example.co.uk", "sec-fetch-site": "same-site", "cookie": f"a=b; tw_aid={VISITOR}"}


@pytest.fixture(scope="module")
def web(server: TestServer) -> dict[str, Any]:
    return server.add_source(f"cookie {time.time_ns()}", channel="web")


def send(
    server: TestServer, source: dict[str, Any], headers: dict[str, str], *events: dict[str, Any], path: str = ""
) -> Answer:
    events = events or ({"event_type": "page_view", "anonymous_id": VISITOR},)
    body = {"write_key": source["credentials"]["write_key"], "events": list(events)}
    answer = server.post(path or "/v1/events", body, headers=headers)
    assert answer.status == 200, answer.body
    return answer


def test_the_cookie_comes_back_for_four_hundred_days(server: TestServer, web: dict[str, Any]) -> None:
    cookie = send(server, web, PAGE).headers["set-cookie"]
    assert cookie == (
        f"tw_aid={VISITOR}; Max-Age=34560000; Path=/; SameSite=Lax; Domain=example.co.uk; Secure"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec-fetch-site": "same-origin"}, "Domain=example.co.uk; Secure"),
        ({"origin": "http://www.shop.example"}, "Domain=shop.example"),
        ({"origin": "http://localhost:3000"}, ""),
        ({"origin": "http://192.0.2.7:3000"}, ""),
        ({"origin": "http://[2001:db8::1]:3000"}, ""),
        ({"origin": "https://me.github.io"}, "Domain=me.github.io; Secure"),
        ({"origin": "https://shop.intranet-name"}, "Domain=shop.intranet-name; Secure"),
    ],
    ids=["same origin", "plain http", "localhost", "IPv4", "IPv6", "a private suffix", "an unknown suffix"],
)
def test_the_domain_is_the_widest_that_the_page_may_have(
    server: TestServer, web: dict[str, Any], headers: dict[str, str], expected: str
) -> None:
    cookie = send(server, web, PAGE | headers).headers["set-cookie"]
    assert re.sub(r".*SameSite=Lax(; )?", "", cookie) == expected


@pytest.mark.parametrize(
    ("origin", "host", "comes"),
    [
        ("http://www.shop.example", "t.shop.example", True),
        ("http://localhost:3000", "localhost:8000", True),
        ("http://192.0.2.7", "192.0.2.7:8000", True),
        ("http://other.example", "t.shop.example", False),
        ("http://192.0.2.8", "192.0.2.7", False),
        ("null", "t.shop.example", False),
        ("http://[", "t.shop.example", False),
    ],
)
def test_without_the_browsers_judgement_page_and_host_must_be_of_one_site(
    server: TestServer, web: dict[str, Any], origin: str, host: str, comes: bool
) -> None:
    headers = {"origin": origin, "host": host, "cookie": PAGE["cookie"]}
    assert ("set-cookie" in send(server, web, headers).headers) is comes


@pytest.mark.parametrize(
    "changed",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
        {"cookie": ""},
        {"cookie": "other=1"},
        {"cookie": f"xtw_aid={VISITOR}"},
        {"cookie": "tw_aid=somebody-else"},
        {"cookie": "tw_aid=a b"},
        {"origin": ""},
        {"sec-gpc": "1"},
        {"x-country-code": "DE"},
    ],
    ids=lambda changed: " ".join(changed.items().__iter__().__next__()),
)
def test_it_does_not_come(server: TestServer, web: dict[str, Any], changed: dict[str, str]) -> None:
    assert "set-cookie" not in send(server, web, PAGE | changed).headers


@pytest.mark.parametrize(
    ("said", "comes"),
    [
        ({"tracking": "granted"}, True),
        ({"tracking": "withdrawn"}, False),
        ({"tracking": "denied"}, False),
        ({"tracking": "pending"}, False),
        ({"analytics": "granted", "marketing": "denied"}, True),
    ],
)
def test_the_visitors_word_decides(server: TestServer, web: dict[str, Any], said: dict[str, str], comes: bool) -> None:
    event = {"event_type": "page_view", "anonymous_id": VISITOR, "consent": said}
    for headers in (PAGE, PAGE | {"x-country-code": "DE"}):
        assert ("set-cookie" in send(server, web, headers, event).headers) is comes
    mixed = ({"event_type": "page_view", "anonymous_id": VISITOR}, event)
    assert ("set-cookie" in send(server, web, PAGE, *mixed).headers) is comes


def test_events_that_name_nobody_bring_nobody_back(server: TestServer, web: dict[str, Any]) -> None:
    assert "set-cookie" not in send(server, web, PAGE, {"event_type": "page_view"}).headers


def test_a_source_may_switch_it_off_and_a_back_end_never_gets_it(server: TestServer) -> None:
    off = server.add_source(f"no cookie {time.time_ns()}", channel="web", reissue_cookie="no")
    back = server.add_source(f"back end {time.time_ns()}")
    assert "set-cookie" not in send(server, off, PAGE).headers
    assert "set-cookie" not in send(server, back, PAGE).headers


def test_a_domain_is_found_as_browsers_find_it() -> None:
    hosts = {
        "example.com": "example.com",
        "a.b.example.com": "example.com",
        "a.example.co.uk": "example.co.uk",
        "co.uk": "",
        "me.github.io": "me.github.io",
        "github.io": "",
        "localhost": "",
        "127.0.0.1": "",
        "::1": "",
        "a..b": "",
        "example.com.": "",
        "": "",
        "shop.corp": "shop.corp",
        "xn--bcher-kva.example": "xn--bcher-kva.example",
    }
    assert {host: find_domain(host) for host in hosts} == hosts
