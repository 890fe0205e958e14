import msgspec
import pytest

from trackway.dashboard.formats import (
    find_link,
    format_age,
    format_compact,
    format_json,
    format_share,
    name_visitor,
    shorten,
    summarize_event,
)

NOW = 1_800_000_000_000

EVENT = dict.fromkeys(("title", "path", "url", "user_id", "contact_id", "anonymous_id", "visitor_key"), "") | {
    "properties": msgspec.Raw(b"{}")
}


@pytest.mark.parametrize("address", ["https://example.com/a?b=c#d", "http://127.0.0.1:8000/", "HTTPS://EXAMPLE.COM"])
def test_a_web_address_may_become_a_link(address: str) -> None:
    assert find_link(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        " https://example.com/",
        "https://example.com/\n",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:msgbox(1)",
        "file:///etc/passwd",
        "//example.com/",
        "/app/logout",
        "https:example.com",
        "https:///example.com",
        "https:\\\\example.com",
        "http://[::1",
        "",
        None,
        7,
    ],
)
def test_anything_else_stays_text(address: object) -> None:
    assert find_link(address) == ""


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999_999, "999,999"), (1_000_000, "1 m"), (1_236_000, "1.24 m"), (2_500_000_000, "2.5 bn")],
)
def test_large_numbers_are_shown_short(number: int, text: str) -> None:
    assert format_compact(number) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0 %"), (1, 1000, "< 1 %"), (999, 1000, "> 99 %"), (1, 3, "33 %"), (5, 5, "100 %")],
)
def test_a_share_never_claims_all_or_nothing(part: int, whole: int, text: str) -> None:
    assert format_share(part, whole) == text


@pytest.mark.parametrize(
    ("ago_s", "text"),
    [(0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (200_000, "2 d ago"), (-5, "0 s ago")],
)
def test_an_age_is_told_in_its_largest_unit(ago_s: int, text: str) -> None:
    from trackway.clock import format_time

    assert format_age(format_time(NOW - ago_s * 1000), NOW) == text


def test_a_cut_text_shows_that_it_was_cut() -> None:
    assert shorten("four words in it", 11) == "four words…"
    assert shorten("short", 5) == "short"


def test_an_event_is_summed_up_by_its_page_else_by_its_simple_properties() -> None:
    assert summarize_event(EVENT | {"title": "Cart", "path": "/cart"}) == "Cart"
    assert summarize_event(EVENT | {"path": "/cart"}) == "/cart"
    raw = msgspec.Raw(b'{"list": [1], "total": 19.5, "paid": true, "by": "card", "more": 1}')
    assert summarize_event(EVENT | {"properties": raw}) == "total: 19.5, paid: true, by: card"


def test_a_visitor_is_named_by_who_it_is_else_by_the_end_of_an_id() -> None:
    assert name_visitor(EVENT | {"user_id": "customer-7", "anonymous_id": "x"}) == "customer-7"
    assert name_visitor(EVENT | {"anonymous_id": "01890a5d-ac96-774b-bcce-b302099a8057"}) == "099a8057"
    assert name_visitor(EVENT | {"visitor_key": "d:0123456789abcdef"}) == "89abcdef"
    assert name_visitor(EVENT) == ""


def test_json_is_shown_with_its_numbers_as_they_were_sent() -> None:
    assert format_json(msgspec.Raw(b'{"price":1.50,"id":12345678901234567890}')) == (
        '{\n  "price": 1.50,\n  "id": 12345678901234567890\n}'
    )
    assert format_json(msgspec.Raw(b"{ }")) == ""
