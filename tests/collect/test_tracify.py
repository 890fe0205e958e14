"""Tracify through HTTP: the seed document's examples as printed, its clients' habits, and every refusal in words."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from trackway.client import calc_group
from trackway.control.database import State, make_url
from trackway.control.plans import change_plan, read_change
from trackway.testing.server import Answer, TestServer
from trackway.testing.waiting import wait_until

Source = dict[str, Any]
Stored = Callable[[Source], list[dict[str, Any]]]

SEED = Path(__file__).parents[3] / "shared" / "seeds" / "tracify-server-events.txt"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "protocols" / "tracify.md"
SITE = "11111111-2222-4333-8444-555555555555"
ADDRESS, BROWSER = calc_group("192.168.1.1"), calc_group("Mozilla/5.0")
BOTH, MAIL = calc_group("192.168.1.1|Mozilla/5.0"), calc_group("jane.doe@example.com")


def make(event_type: str = "pageview", **fields: Any) -> dict[str, Any]:
    """An event without a fault. Fields of None are left out; `data` is added to what every event must say."""
    event = {
        "url": "https://shop.example/boots",
        "customer_site_id": SITE,
        "identity_data": {ADDRESS: 3, BROWSER: 4},
        "type": event_type,
        **fields,
    }
    event["data"] = (
        {"origin": "https://shop.example", **fields["data"]} if "data" in fields else {"origin": "x.example"}
    )
    return {name: value for name, value in event.items() if value is not None}


def buy(**data: Any) -> dict[str, Any]:
    return make("purchase", data={"order_id": "A-1", "currency": "EUR", "amount": "100.00", **data})


def post(server: TestServer, source: Source, *events: Any, query: str = "") -> Answer:
    return send(server, source, json.dumps({"events": list(events)}), query)


def send(server: TestServer, source: Source, body: str | bytes, query: str = "") -> Answer:
    """As the server-side tag does it: without a Content-Type."""
    key = source["credentials"]["tracify-token"]
    return server.request("POST", "/api/v1/events" + query, body, {"tracify-token": key})


def accept(server: TestServer, source: Source, *events: Any) -> Answer:
    answer = post(server, source, *events)
    assert (answer.status, answer.json) == (200, {"status": True})
    return answer


@pytest.fixture
def tracify(server: TestServer, request: pytest.FixtureRequest) -> Source:
    return server.add_source(f"tracify {request.node.name}"[-200:], protocol="tracify")


def read_seed() -> list[str]:
    if not SEED.is_file():
        return []
    return re.findall(r'^\{\n    "events".*?^\}', SEED.read_text(), re.MULTILINE | re.DOTALL)


def test_the_documents_examples_as_printed(server: TestServer, tracify: Source, stored: Stored) -> None:
    examples = read_seed()
    if not examples:
        pytest.skip(f"{SEED} is missing: this test needs the document, which is no part of the project")
    assert len(examples) == 5
    answers = [send(server, tracify, example) for example in examples]
    assert [(answer.status, answer.json) for answer in answers[:4]] == [(200, {"status": True})] * 4
    # The conversion has a comma too many.
    assert answers[4].status == 400
    mistake = "the body is not JSON: trailing comma in object, line 19, column 13"
    assert answers[4].json == {"status": False, "error": mistake}
    assert examples[4].splitlines()[18].index("}") == 12
    events = stored(tracify)
    assert [e["event_type"] for e in events] == ["pageview", "productview", "addtocart", "purchase"]
    page, purchase = events[0], events[3]
    assert page["occurred_at"] == "2024-06-21T12:36:37.000Z"
    assert page["referrer"] == "https://www.referringwebsite.com"
    said = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "referrer_class")
    assert [page[name] for name in said] == [
        *("fb", "paid", "1111111111111111111", "2222222222222222222", "3333333333333333333", "paid"),
    ]
    assert (purchase["revenue"], purchase["currency"]) == (100.0, "EUR")
    assert purchase["properties"]["items"] == [
        {"name": "Name of Product 1", "price": 25, "quantity": 2},
        {"name": "Name of Product 2", "price": 50, "quantity": 1},
    ]


def test_the_documents_conversion_without_the_comma_is_taken(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    examples = read_seed()
    if not examples:
        pytest.skip(f"{SEED} is missing: this test needs the document, which is no part of the project")
    mended = examples[4].replace('"100.00", \n', '"100.00"\n')
    assert mended != examples[4]
    assert send(server, tracify, mended).json == {"status": True}
    [event] = stored(tracify)
    assert (event["event_type"], event["revenue"]) == ("conversion", 100.0)


@pytest.mark.parametrize(
    ("case", "key", "status"),
    [("no token", None, 401), ("a wrong token", "k-123", 401), ("an empty token", "", 401)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_without_its_token_nothing_is_taken(server: TestServer, case: str, key: str | None, status: int) -> None:
    headers = {} if key is None else {"tracify-token": key}
    answer = server.request("POST", "/api/v1/events", json.dumps({"events": [make()]}), headers)
    assert (answer.status, answer.json) == (status, {"status": False, "error": "missing or invalid tracify-token"})
    assert answer.headers["content-type"] == "application/json"


def test_the_key_of_another_dialect_is_no_token(server: TestServer, native: Source) -> None:
    key = native["credentials"]["write_key"]
    assert server.request("POST", "/api/v1/events", b'{"events":[]}', {"tracify-token": key}).status == 401


def test_a_get_of_the_same_path_is_the_api(server: TestServer) -> None:
    assert "items" in server.api("events")
    answer = server.request("GET", "/api/v1/events")
    assert answer.status == 401
    assert set(answer.json["error"]) >= {"reason", "message"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "text/html", "nonsense"])
def test_the_content_type_is_not_looked_at(server: TestServer, tracify: Source, content_type: str) -> None:
    headers = {"tracify-token": tracify["credentials"]["tracify-token"], "content-type": content_type}
    assert server.request("POST", "/api/v1/events", json.dumps({"events": [make()]}), headers).json == {"status": True}


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("", 400, "the body is not JSON: it is empty"),
        ("{", 400, "line 1, column 2"),
        ('{"events": [\n{"a": NaN}]}', 400, "line 2, column 7"),
        ('{"events":\n [{"a": "ü", "b": 1,}]}', 400, "trailing comma in object, line 2, column 21"),
        (b'\xef\xbb\xbf{"events": []}', 400, "line 1, column 1"),
        ('{"events": [{"a": "\\ud800"}]}', 400, "half of a surrogate pair"),
        ('{"events": ' + "[" * 100_000, 422, "nested deeper than"),
        ("[]", 422, 'the body must be {"events": [...]}'),
        ('"text"', 422, 'the body must be {"events": [...]}'),
        ("{}", 422, "events: required"),
        ('{"events": null}', 422, "events: must be a list of events"),
        ('{"events": {}}', 422, "events: must be a list of events"),
        ('{"events": []}', 422, "events: at least one event is required"),
        ('{"events": [1]}', 422, "events[0]: must be an object, not a number"),
        ('{"events": [{"url": "https://a.example/", "n": 1e999}]}', 422, "events[0]: holds a number that cannot"),
    ],
)
def test_a_body_that_is_no_batch_is_answered_with_where(
    server: TestServer, tracify: Source, body: str | bytes, status: int, error: str
) -> None:
    answer = send(server, tracify, body)
    assert answer.status == status
    assert answer.json["status"] is False
    assert error in answer.json["error"]


MISTAKES = [
    ("no url", make(url=None), "events[1].url: required"),
    ("an empty url", make(url=""), "events[1].url: required"),
    ("half a url", make(url="/boots"), "events[1].url: must be a whole address"),
    ("no site", make(customer_site_id=None), "events[1].customer_site_id: required"),
    ("a site that is no UUID", make(customer_site_id="shop"), "events[1].customer_site_id: must be a UUID"),
    ("no hashes", make(identity_data=None), "events[1].identity_data: required"),
    ("an empty map of hashes", make(identity_data={}), "events[1].identity_data: needs at least one hash"),
    ("an empty map of PHP", make(identity_data=[]), "events[1].identity_data: needs at least one hash"),
    ("a list of hashes", make(identity_data=[MAIL]), "events[1].identity_data: must be an object"),
    ("class 5", make(identity_data={MAIL: 5}), f"events[1].identity_data.{MAIL}: the class must be 1, 2, 3 or 4"),
    ("class true", make(identity_data={MAIL: True}), f"events[1].identity_data.{MAIL}: the class must be"),
    ("51 hashes", make(identity_data={f"{n:064x}": 1 for n in range(51)}), "holds more than 50 hashes"),
    ("no time", make(datetime="yesterday"), "events[1].datetime: 'yesterday' is not a time"),
    ("an impossible day", make(datetime="2026-02-30 10:00:00"), "events[1].datetime: "),
    ("next century", make(datetime="2126-01-01 00:00:00"), "events[1].datetime: lies more than 24 hours in the"),
    ("a type of 201 letters", make("t" * 201), "events[1].type: is longer than 200 characters"),
    ("a list as type", make([]), "events[1].type: must be a text, not a list"),  # type: ignore[arg-type]
    ("data as text", {**make(), "data": "x"}, "events[1].data: must be an object, not a text"),
    ("no data", {**make(), "data": None}, "events[1].data: required"),
    ("no origin", {**make(), "data": {}}, "events[1].data.origin: required"),
    ("an empty list as data", {**make(), "data": []}, "events[1].data.origin: required"),
    ("no order", buy(order_id=None), "events[1].data.order_id: required"),
    ("a list as order", buy(order_id=[1]), "events[1].data.order_id: must be a text, not a list"),
    ("an order of 401 letters", buy(order_id="o" * 401), "events[1].data.order_id: is longer than 400 characters"),
    ("no conversion", make("conversion", data={"amount": "1", "currency": "EUR"}), "data.conversion_id: required"),
    ("no currency", buy(currency=""), "events[1].data.currency: required"),
    ("a currency that does not exist", buy(currency="EURO"), "events[1].data.currency: must be a code of ISO 4217"),
    ("a code for no currency", buy(currency="XXX"), "events[1].data.currency: must be a code of ISO 4217"),
    ("no amount", buy(amount=None), "events[1].data.amount: required"),
    ("words as amount", buy(amount="a lot"), "events[1].data.amount: must be an amount of money"),
    ("an amount below nothing", buy(amount="-5"), "events[1].data.amount: must be an amount of money"),
    ("words as value", buy(amount=None, value="a lot"), "events[1].data.value: must be an amount of money"),
    ("a survey without an order", make("postpurchasesurvey", data={"source": "google"}), "data.order_id: required"),
    ("a survey without a source", make("postpurchasesurvey", data={"order_id": "1"}), "data.source: required"),
    ("a survey of a fax", make("postpurchasesurvey", data={"order_id": "1", "source": "fax"}), "source: must be one of"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "error"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_one_bad_event_refuses_all_and_says_where(
    server: TestServer, tracify: Source, event: dict[str, Any], error: str
) -> None:
    answer = post(server, tracify, make(), event, make())
    assert answer.status == 422
    assert set(answer.json) == {"status", "error"}
    assert answer.json["status"] is False
    assert error in answer.json["error"]


def test_of_a_refused_batch_nothing_is_stored_until_it_is_mended(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    assert post(server, tracify, make("addtocart"), buy(currency=None)).status == 422
    assert stored(tracify) == []
    accept(server, tracify, make("addtocart"), buy())
    assert [event["event_type"] for event in stored(tracify)] == ["addtocart", "purchase"]


def test_a_partial_source_stores_the_good_events(server: TestServer, stored: Stored) -> None:
    source = server.add_source("partial", protocol="tracify", partial="yes")
    answer = post(server, source, make("addtocart"), buy(currency=None), buy(), make(url=""))
    assert answer.status == 200
    assert answer.json == {"status": False, "error": "events[1].data.currency: required (and 1 more)"}
    assert [event["event_type"] for event in stored(source)] == ["addtocart", "purchase"]
    answer = post(server, source, make(url=""))
    assert (answer.status, answer.json) == (422, {"status": False, "error": "events[0].url: required"})


def test_too_many_events_are_refused(server: TestServer, tracify: Source) -> None:
    answer = post(server, tracify, *([make()] * 1001))
    assert answer.status == 413
    assert answer.json["error"].startswith("events: 1001 events in one call; the limit")


def test_sites_that_the_key_does_not_cover_are_403(server: TestServer, stored: Stored) -> None:
    other = "aaaaaaaa-2222-4333-8444-555555555555"
    source = server.add_source("two sites", protocol="tracify", customer_site_id=f"{SITE}, {other.upper()}")
    accept(server, source, make(), make(customer_site_id=other))
    answer = post(server, source, make(), make(customer_site_id="bbbbbbbb-2222-4333-8444-555555555555"))
    assert answer.status == 403
    assert answer.json["error"].startswith("events[1].customer_site_id: bbbbbbbb-2222")
    assert [event["context"]["customer_site_id"] for event in stored(source)] == [SITE, other]


@pytest.mark.parametrize("event_type", ["pageview", "productview", "addtocart", "wishlist", "ünïcode"])
def test_types_of_tracifys_and_of_ones_own(
    server: TestServer, tracify: Source, stored: Stored, event_type: str
) -> None:
    accept(server, tracify, make(event_type))
    assert stored(tracify)[0]["event_type"] == event_type


@pytest.mark.parametrize("said", ["", None])
def test_an_event_without_a_type_is_a_page_view(
    server: TestServer, tracify: Source, stored: Stored, said: str | None
) -> None:
    accept(server, tracify, make(said))  # type: ignore[arg-type]
    assert stored(tracify)[0]["event_type"] == "pageview"


@pytest.mark.parametrize(
    ("said", "occurred_at"),
    [
        ("2026-06-21 12:36:37", "2026-06-21T12:36:37.000Z"),
        ("2026-06-21T14:36:37.5+02:00", "2026-06-21T12:36:37.500Z"),
        ("2012-01-01 00:00:00", "2012-01-01T00:00:00.000Z"),
    ],
)
def test_the_time_is_utc_unless_it_says_another_zone(
    server: TestServer, tracify: Source, stored: Stored, said: str, occurred_at: str
) -> None:
    accept(server, tracify, make(datetime=said))
    [event] = stored(tracify)
    assert (event["occurred_at"], event["time_rule"]) == (occurred_at, "client")
    assert event["received_at"] > occurred_at


@pytest.mark.parametrize("ahead", [None, timedelta(hours=2), timedelta(hours=23)])
def test_without_a_time_and_with_that_of_a_zone_ahead_the_receipt_counts(
    server: TestServer, tracify: Source, stored: Stored, ahead: timedelta | None
) -> None:
    said = None if ahead is None else (datetime.now(UTC) + ahead).strftime("%Y-%m-%d %H:%M:%S")
    answer = accept(server, tracify, make(datetime=said))
    [event] = stored(tracify)
    assert (event["occurred_at"], event["time_rule"]) == (event["received_at"], "received")
    assert ("lies in the future" in answer.headers.get("x-event-warnings", "")) is (ahead is not None)


@pytest.mark.parametrize(
    ("sent", "identifiers"),
    [
        ({MAIL: 1, BOTH: 2, ADDRESS: 3, BROWSER: 4}, {"email_hash": [MAIL], "session_hash": [BOTH]}),
        ({MAIL: "1", BOTH: "2", ADDRESS: 3.0}, {"email_hash": [MAIL], "session_hash": [BOTH]}),
        ({MAIL.upper(): 1, ADDRESS: 3}, {"email_hash": [MAIL]}),
        ({MAIL: 1, calc_group("j@example.com"): 1}, {"email_hash": [MAIL, calc_group("j@example.com")]}),
        ({"jane.doe@example.com": 1, "192.168.1.1": 3}, {"email_hash": [MAIL]}),
        ({ADDRESS: 3, BROWSER: 4}, {}),
    ],
    ids=["all four", "classes as text", "capitals", "two addresses", "in clear", "nobody"],
)
def test_classes_of_hashes(
    server: TestServer, tracify: Source, stored: Stored, sent: dict[str, Any], identifiers: dict[str, list[str]]
) -> None:
    accept(server, tracify, make(identity_data=sent))
    [event] = stored(tracify)
    assert event["identifiers"] == identifiers
    assert "jane.doe" not in json.dumps(event)


def test_hashes_of_address_and_browser_make_no_person_but_a_visit(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    accept(server, tracify, make(), make("addtocart"), make(identity_data={BROWSER: 4}), make(identity_data={BOTH: 2}))
    first, second, browser, session = stored(tracify)
    assert first["profile_id"] == second["profile_id"] == browser["profile_id"] == ""
    assert first["visitor_key"] == second["visitor_key"]
    assert first["visitor_key"].startswith("d:")
    assert browser["visitor_key"] == ""
    assert session["visitor_key"] not in ("", first["visitor_key"])
    # Without a key, the address behind its hash is found by trying.
    assert ADDRESS not in json.dumps([first, second])


def test_missing_classes_are_warned_of_and_accepted(server: TestServer, tracify: Source) -> None:
    answer = accept(server, tracify, make(), make(identity_data={ADDRESS: 3}), make(identity_data={"ü\r\nx": 1}))
    assert answer.headers["x-event-warnings"] == (
        "events[1]: identity_data has no hash of class 4 (browser); "
        "events[2]: identity_data holds a key that is no SHA-256 in hex; it was hashed here; "
        "events[2]: identity_data has no hash of class 3 (address), 4 (browser)"
    )
    assert "x-event-warnings" not in accept(server, tracify, make()).headers


def test_a_source_may_take_events_without_a_hash(server: TestServer, stored: Stored) -> None:
    source = server.add_source("nobody", protocol="tracify", empty_identity="yes")
    accept(server, source, make(identity_data={}), make(identity_data=[]))
    assert [event["visitor_key"] for event in stored(source)] == ["", ""]


@pytest.mark.parametrize(
    ("url", "data", "said"),
    [
        ("", {"utm_source": "fb", "utm_medium": "paid"}, {"utm_source": "fb", "utm_medium": "paid"}),
        ("", {"trc_mcmp_id": "1", "gclid": "g"}, {"utm_campaign": "1", "click_id_kind": "gclid", "click_id": "g"}),
        ("", {"url_parameters": {"utm_source": "fb", "voucher": "x"}}, {"utm_source": "fb"}),
        ("", {"url_parameters": {"utm_source": "fb"}, "utm_source": "own"}, {"utm_source": "own"}),
        ("", {"url_parameters": []}, {"utm_source": ""}),
        ("?utm_source=page", {"utm_source": "fb", "utm_medium": "paid"}, {"utm_source": "page", "utm_medium": ""}),
        ("?utm_source=page", {"fbclid": "f"}, {"utm_source": "page", "click_id": "f"}),
    ],
)
def test_url_parameters_in_data(
    server: TestServer, tracify: Source, stored: Stored, url: str, data: dict[str, Any], said: dict[str, str]
) -> None:
    accept(server, tracify, make(url=f"https://shop.example/boots{url}", data=data))
    [event] = stored(tracify)
    assert {name: event[name] for name in said} == said
    assert event["properties"] == {"origin": "https://shop.example", **data}


def test_referer_and_a_bare_origin(server: TestServer, tracify: Source, stored: Stored) -> None:
    accept(server, tracify, make(data={"Referer": "https://www.google.com/", "origin": "shop.example"}))
    [event] = stored(tracify)
    assert (event["referrer"], event["referrer_name"]) == ("https://www.google.com/", "Google")
    assert event["properties"] == {"origin": "shop.example"}


@pytest.mark.parametrize(
    ("data", "revenue"),
    [
        ({"amount": "100.00"}, 100.0),
        ({"amount": "100,00"}, 100.0),
        ({"amount": "1.234,56"}, 1234.56),
        ({"amount": "1,234.56"}, 1234.56),
        ({"amount": 12.5}, 12.5),
        ({"amount": 0}, 0.0),
        ({"amount": None, "value": "7,5"}, 7.5),
        ({"amount": "", "value": 7}, 7.0),
        ({"amount": "1", "value": "2"}, 1.0),
        ({"amount": "1", "revenue": "9"}, 1.0),
        ({"amount": "1", "total": "9"}, 1.0),
    ],
)
@pytest.mark.parametrize("event_type", ["purchase", "conversion"])
def test_amounts_become_revenue(
    server: TestServer, tracify: Source, stored: Stored, event_type: str, data: dict[str, Any], revenue: float
) -> None:
    said = {"order_id": "A-1", "conversion_id": "A-1", "currency": "eur", **data}
    accept(server, tracify, make(event_type, data=said))
    [event] = stored(tracify)
    assert (event["revenue"], event["currency"]) == (revenue, "EUR" if revenue else "")
    kept = {name: value for name, value in data.items() if name != "revenue"}
    assert {name: event["properties"][name] for name in kept} == kept
    if "revenue" in data:
        assert event["context"]["unknown"] == {"revenue": "9"}


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (
            {"ITEM2": "B", "AMT2": "1.050,25", "QTY2": "1", "ITEM1": "A", "AMT1": 25, "QTY1": 2},
            [{"name": "A", "price": 25, "quantity": 2}, {"name": "B", "price": 1050.25, "quantity": 1}],
        ),
        ({"ITEM1": "A", "ITEM10": "J", "ITEM9": "I"}, [{"name": "A"}, {"name": "I"}, {"name": "J"}]),
        ({"AMT1": "cheap", "QTY1": "0,5"}, [{"quantity": 0.5}]),
        ({"ITEM1": "A", "ITEMS": "many", "QTY": 1, "AMT1": None}, [{"name": "A"}]),
    ],
    ids=["in any order", "by number", "what is no number", "what is no item"],
)
def test_numbered_items_become_a_list(
    server: TestServer, tracify: Source, stored: Stored, data: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    accept(server, tracify, buy(**data))
    properties = stored(tracify)[0]["properties"]
    assert properties["items"] == items
    assert {name: properties[name] for name in data} == data


def test_a_list_of_the_senders_own_stays(server: TestServer, tracify: Source, stored: Stored) -> None:
    accept(server, tracify, buy(items=["own"], ITEM1="A"))
    assert stored(tracify)[0]["properties"]["items"] == ["own"]


def test_an_id_counts_once_per_site_and_type_and_the_first_wins(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    other = "aaaaaaaa-2222-4333-8444-555555555555"
    survey = {"order_id": "A-1", "source": "tiktok"}
    for _ in range(2):
        accept(server, tracify, buy(amount="1"), buy(amount="2"))
        accept(server, tracify, {**buy(amount="3"), "customer_site_id": other})
        accept(server, tracify, make("conversion", data={"conversion_id": "A-1", "currency": "EUR", "value": "4"}))
        accept(server, tracify, make("postpurchasesurvey", data=survey))
        accept(server, tracify, buy(order_id=" A-1 ", amount="5"), buy(order_id="A-2", amount="6"))
        accept(server, tracify, make("addtocart"))
    events = stored(tracify)
    assert [(e["event_type"], e["revenue"]) for e in events] == [
        *(("purchase", 1.0), ("purchase", 3.0), ("conversion", 4.0), ("postpurchasesurvey", 0.0), ("purchase", 6.0)),
        *(("addtocart", 0.0), ("addtocart", 0.0)),
    ]


def test_a_number_as_order_id_is_its_digits(server: TestServer, tracify: Source, stored: Stored) -> None:
    accept(server, tracify, buy(order_id=77), buy(order_id="77"))
    assert [event["business_key"] for event in stored(tracify)] == [f"order_id:{SITE}:77"]


def test_unknown_fields_are_kept_where_they_are_known_to_be_unknown(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    said = {"voucher": "MAY", "nested": {"a": [1, None]}, "revenue": 1}
    answer = accept(server, tracify, make(revenue="s", data=said))
    [event] = stored(tracify)
    assert event["context"]["unknown"] == {"revenue": "s"}
    assert event["properties"]["revenue"] == 1
    assert event["properties"]["voucher"] == "MAY"
    assert event["properties"]["nested"] == {"a": [1, None]}
    assert "kept in context.unknown: revenue" in answer.headers["x-event-warnings"]


def test_validate_judges_and_stores_nothing(server: TestServer, tracify: Source, stored: Stored) -> None:
    assert post(server, tracify, make(), query="?validate=1").json == {"status": True}
    assert post(server, tracify, make(url=""), query="?validate=1").status == 422
    assert stored(tracify) == []


def test_a_source_that_is_switched_off_is_told_so(server: TestServer, tracify: Source) -> None:
    server.run_cli("sources", "switch", tracify["id"], "off")
    answer = wait_until(lambda: post(server, tracify, make()), lambda answer: answer.status != 200)
    assert answer.status == 403
    assert answer.json["status"] is False
    assert "is switched off" in answer.json["error"]


def upload(server: TestServer, source: Source, **fields: Any) -> Answer:
    """An order as the plugin for WooCommerce sends it."""
    infos = {"csorigin": "https://shop.example", "oid": "W-1", "amount": "12,34", "cc": "EUR",
             "ITEM1": "sku-1", "AMT1": "6,17", "QTY1": "2"}  # fmt: skip
    event = {
        "interaction_type": "purchase",
        "loc": "https://shop.example/checkout/order-received/",
        "site_id": SITE,
        "event_infos": infos,
        "entity_data": {MAIL: 1, ADDRESS: 3},
        **fields,
    }
    headers = {"tracify-token": source["credentials"]["tracify-token"]}
    return server.request("POST", "/upload", json.dumps({"events": [event]}), headers)


def test_an_order_in_the_older_form_is_the_same_order(server: TestServer, tracify: Source, stored: Stored) -> None:
    for _ in range(2):
        assert upload(server, tracify).json == {"status": True}
    accept(server, tracify, buy(order_id="W-1"))
    [event] = stored(tracify)
    assert (event["event_type"], event["revenue"], event["currency"]) == ("purchase", 12.34, "EUR")
    assert (event["url"], event["identifiers"]) == (
        "https://shop.example/checkout/order-received/",
        {"email_hash": [MAIL]},
    )
    assert event["business_key"] == f"order_id:{SITE}:W-1"
    assert event["properties"]["items"] == [{"name": "sku-1", "price": 6.17, "quantity": 2}]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"event_infos": {"csorigin": "x"}}, "events[0].event_infos.oid: required"),
        (
            {"event_infos": {"csorigin": "x", "oid": "1", "amount": 1, "cc": "EURO"}},
            "events[0].event_infos.cc: must be",
        ),
        ({"event_infos": "x"}, "events[0].event_infos: must be an object, not a text"),
        ({"site_id": "shop"}, "events[0].site_id: must be a UUID"),
        ({"loc": None}, "events[0].loc: required"),
        ({"entity_data": {MAIL: 9}}, f"events[0].entity_data.{MAIL}: the class must be"),
    ],
)
def test_the_older_form_is_refused_in_its_own_words(
    server: TestServer, tracify: Source, fields: dict[str, Any], error: str
) -> None:
    answer = upload(server, tracify, **fields)
    assert answer.status == 422
    assert answer.json["error"].startswith(error)


def test_what_the_tracking_plan_refuses_is_named_in_tracifys_words(
    server: TestServer, tracify: Source, stored: Stored
) -> None:
    schema = {"type": "object", "properties": {"size": {"type": "number"}}}
    entry = {"event_type": "wishlist", "source": tracify["id"], "mode": "reject", "schema": schema}
    state = State(make_url(server.data, ""))
    change_plan(state, "main", [read_change(entry, [tracify["id"]])], "tests", 1)
    state.close()
    time.sleep(1.2)
    answer = post(server, tracify, make(), make("wishlist", data={"size": "XL"}))
    assert answer.status == 422
    assert answer.json["error"].startswith("events[1].data.size: the value is not of type")
    assert stored(tracify) == []


def test_the_example_of_our_page(server: TestServer, tracify: Source, stored: Stored) -> None:
    found = re.search(r"-d '(\{.*?\})'\n```\n\n```json\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert found
    assert send(server, tracify, found[1]).json == json.loads(found[2])
    [event] = stored(tracify)
    assert (event["identifiers"], event["revenue"]) == ({"email_hash": [MAIL]}, 100.0)


def test_an_order_of_a_shop_counts_in_its_session(server: TestServer, tracify: Source, stored: Stored) -> None:
    """No session id is sent: the hash of address and browser cuts visits by 30 idle minutes."""
    start = datetime.now(UTC) - timedelta(days=1, hours=3)

    def at(minutes: int) -> str:
        return (start + timedelta(minutes=minutes)).strftime("%Y-%m-%d %H:%M:%S")

    seen = {calc_group("192.168.1.2|Mozilla/5.0"): 2, ADDRESS: 3, BROWSER: 4}
    order = {"order_id": "S-1", "currency": "EUR", "amount": "5,00"}
    accept(
        server,
        tracify,
        make(datetime=at(0), identity_data=seen, data={"utm_source": "fb"}),
        make("purchase", datetime=at(20), identity_data=seen, data=order),
        make(datetime=at(60), identity_data=seen),
    )
    profile = stored(tracify)[0]["profile_id"]
    sessions = [s for s in server.api("sessions", hours=48, limit=1000)["items"] if s["profile_key"] == profile]
    told = [(s["events"], s["conversions"], s["utm_source"], s["revenue"]) for s in sessions]
    assert told == [(1, 0, "", {}), (2, 1, "fb", {"EUR": 5.0})]
