"""What a page's script saw is read by the server; what anybody else sends means what it says."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from trackway.testing.server import TestServer

Stored = Callable[[dict[str, Any]], list[dict[str, Any]]]
PAGE = "https://shop.example/prices?x=1"
_NUMBERS = itertools.count()


@pytest.fixture
def page(server: TestServer) -> dict[str, Any]:
    return server.add_source(f"page meaning {next(_NUMBERS)}", channel="web")


@pytest.fixture
def say(server: TestServer, page: dict[str, Any], stored: Stored) -> Callable[..., list[dict[str, Any]]]:
    """Sends events as the script does, and gives what is stored."""

    def send(*events: dict[str, Any], **around: Any) -> list[dict[str, Any]]:
        body = {
            "write_key": page["credentials"]["write_key"],
            "script": "0.1.0",
            "context": {"screen": "1280x720", "time_zone": "Asia/Tokyo"},
            "events": [{"url": PAGE, "session_id": "s-1", **event} for event in events],
            **around,
        }
        headers = {"accept-language": "de-CH,de;q=0.9"}
        answer = server.request("POST", "/v1/events", json.dumps(body), {"content-type": "text/plain", **headers})
        assert answer.status in (200, 207), answer.json
        return stored(page)

    return send


def click(href: Any = None, **properties: Any) -> dict[str, Any]:
    return {"event_type": "click", "properties": {"tag": "a", "href": href, **properties}}


@pytest.mark.parametrize(
    ("href", "event_type", "outbound"),
    [
        ("https://shop.example/guide", "click", None),
        ("https://SHOP.example/guide", "click", None),
        ("https://shop.example:8443/guide", "click", True),
        ("https://elsewhere.example/?f=a.pdf", "click", True),
        ("https://shop.example/files/Guide.PDF?v=2", "download_pdf", None),
        ("https://cdn.example/pictures.zip", "file_download", True),
        ("https://shop.example/talk.mp4#t=3", "file_download", None),
        ("mailto:shop@example.org", "click", None),
        ("http://[broken", "click", None),
    ],
)
def test_a_click_is_a_download_by_its_file_and_outbound_by_its_host(say, href, event_type, outbound) -> None:
    (event,) = say(click(href))
    assert (event["event_type"], event["properties"].get("outbound")) == (event_type, outbound)
    assert event["properties"]["href"] == href


def test_the_text_of_a_click_is_tidied_and_what_says_nothing_is_left_out(say) -> None:
    long, drawn = say(
        {"event_type": "click", "properties": {"tag": "button", "id": "", "text": "  Buy\n  now " + "x" * 90}},
        {"event_type": "click", "properties": {"tag": "a", "id": "drawn", "text": "", "href": {}}},
    )
    assert long["properties"] == {"tag": "button", "text": ("Buy now " + "x" * 90)[:80]}
    assert drawn["properties"] == {"tag": "a", "id": "drawn", "text": ""}


def test_a_form_says_each_field_once_and_a_path(say) -> None:
    fields = ["email", "email", "", 7, *(f"f{n}" for n in range(60))]
    (event,) = say({"event_type": "form_submit", "properties": {"fields": fields, "action": "../thanks"}})
    assert event["properties"]["action"] == "/thanks"
    assert event["properties"]["fields"] == ["email", *(f"f{n}" for n in range(49))]


def test_what_stands_beside_the_events_is_every_events(say) -> None:
    first, second = say(
        {"event_type": "a", "context": {"consent_state": "granted"}}, {"event_type": "b", "context": {"screen": "1x1"}}
    )
    assert first["context"] == {
        **{"screen": "1280x720", "time_zone": "Asia/Tokyo", "language": "de-CH", "consent_state": "granted"}
    }
    assert second["context"]["screen"] == "1x1"


@pytest.mark.parametrize(
    ("address", "guess"),
    [
        ("/checkout", "payment_page_view"),
        ("/shop/Cart/", "payment_page_view"),
        ("/thank-you", "payment_success"),
        ("/checkout/order-received/1001", "payment_success"),
        ("/done?status=success&order_id=1001", "payment_success"),
        ("/blog/cart-reviews", None),
        ("/stories/success", None),
        ("/login?next=/checkout", None),
        ("/recordings/1", None),
        ("/session/new?order_id=7&state=success", "payment_success"),
    ],
)
def test_a_page_on_which_one_pays_is_guessed(say, address, guess) -> None:
    view, *guesses = say({"event_type": "page_view", "url": f"https://shop.example{address}", "title": "T"})
    assert (view["event_type"], view["properties"]) == ("page_view", {})
    assert [event["event_type"] for event in guesses] == ([guess] if guess else [])
    for event in guesses:
        assert event["properties"] == {"auto": True, "heuristic": True}
        assert (event["url"], event["title"], event["session_id"]) == (view["url"], "T", "s-1")
        assert event["event_id"] != view["event_id"]


def test_a_guess_counts_once_for_each_session_and_order(say) -> None:
    thanks = "https://shop.example/order-received/"
    events = say(
        *({"event_type": "page_view", "url": thanks + order} for order in ("1001", "1001", "1002")),
        *(
            {"event_type": "page_view", "url": "https://shop.example/cart", "session_id": s}
            for s in ("s-1", "s-1", "s-2")
        ),
        # Without a session each view stands for itself, and one that is sent again counts once.
        *({"event_type": "page_view", "url": thanks + "9", "session_id": "", "dedupe_key": "k-1"} for _ in range(2)),
    )
    counts = [event["event_type"] for event in events]
    assert counts.count("payment_success") == 3
    assert counts.count("payment_page_view") == 2


@pytest.mark.parametrize("off", ["off", "false", False])
def test_guesses_can_be_switched_off(say, off) -> None:
    events = say({"event_type": "page_view", "url": "https://shop.example/checkout"}, commerce=off)
    assert [event["event_type"] for event in events] == ["page_view"]


def test_the_books_count_a_guess_as_an_event_of_its_request(say, server, page) -> None:
    say({"event_type": "page_view", "url": "https://shop.example/checkout"}, {"properties": {}})
    books = server.api("books")
    own = next(each for each in books["sources"] if each["source"] == page["id"])
    assert books["balanced"]
    assert (own["received"], own["stored"], own["rejected"]) == (2, 2, {"missing_field": 1})


def test_what_others_send_means_what_it_says(server, native, stored) -> None:
    key = native["credentials"]["write_key"]
    events = [click("https://shop.example/a.pdf"), {"event_type": "page_view", "url": "https://shop.example/checkout"}]
    answer = server.post("/v1/events", {"events": events, "context": {"screen": "1x1"}}, key).json
    assert answer["results"][0]["warnings"] == ["not a field of this protocol, ignored beside events: context"]
    kept = stored(native)
    assert [event["event_type"] for event in kept] == ["click", "page_view"]
    assert not any("screen" in event["context"] for event in kept)


def test_a_word_of_ours_in_the_events_alone_changes_nothing(server, native, stored) -> None:
    event = {"event_type": "page_view", "url": "https://shop.example/checkout", "properties": {"script": "0.1.0"}}
    server.post("/v1/events", {"events": [event]}, native["credentials"]["write_key"])
    server.post("/v1/events", [event], native["credentials"]["write_key"])
    assert [event["event_type"] for event in stored(native)] == ["page_view", "page_view"]


def test_a_wrong_type_beside_the_events_is_told(server, page) -> None:
    body = {"write_key": page["credentials"]["write_key"], "script": 7, "events": [{"event_type": "a"}]}
    answer = server.post("/v1/events", body)
    assert (answer.status, answer.json["error"]["reason"]) == (422, "wrong_type")
    assert "$.script" in answer.json["error"]["message"]
