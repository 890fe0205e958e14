import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from trackway.dashboard.pages.event import GROUPS, SHOWN_APART
from trackway.dashboard.routes import PAGES
from trackway.event import Event
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

from .conftest import Sender, Visitor, read_csrf
from .naughty import NAUGHTY

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a0000"


def steady(answer: Any) -> Any:
    """Without what depends on the moment of asking."""
    if isinstance(answer, dict):
        return {k: steady(v) for k, v in answer.items() if k not in ("as_of", "since", "health", "minutes")}
    return [steady(v) for v in answer] if isinstance(answer, list) else answer


def test_every_page_has_a_twin_that_answers_json(member: Visitor, browsing: Sender) -> None:
    [event_id] = browsing.store({"event_type": "page_view", "user_id": "twin", "account_id": "twins"})
    profile_id = browsing.server.api("profiles/lookup", kind="user_id", value="twin")["profile_id"]
    about = {"kind": "user_id", "value": "twin"}
    request = browsing.server.post("/api/v1/privacy/export", about, browsing.server.admin_token).json["id"]
    source = browsing.source["id"]
    refused = browsing.server.post(
        "/v1/events", {"event_type": ""}, next(iter(browsing.source["credentials"].values()))
    )
    assert refused.status == 422
    rejected = wait_until(lambda: browsing.server.api("rejections", source=source)["items"])
    values = {
        **{"event_id": event_id, "profile_id": profile_id, "account_id": "twins"},
        **{"request_id": request, "source_id": source, "rejection_id": rejected[0]["id"]},
    }
    for page in PAGES:
        if page.path.endswith("/preview"):  # asks for a decision, and has its own tests
            continue
        path = "/app" + page.path.replace(":path", "").format(**values)
        html = member.get(path)
        assert (html.status, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert f'href="{path}.json"' in html.body.decode()
        twin = member.get(path + ".json")
        assert (twin.status, twin.headers["content-type"]) == (200, "application/json")


def test_a_twin_answers_as_the_api_does(member: Visitor, sender: Sender, server: TestServer) -> None:
    ids = sender.store(*({"event_type": "tw in", "properties": {"price": 1.50, "n": n}} for n in range(3)))
    source = sender.source["id"]
    assert member.get(f"/app/events/{ids[0]}.json").json == server.api(f"events/{ids[0]}")
    query = {"source": source, "event_type": "tw in", "limit": 2}
    twin = member.get(f"/app/events.json?source={source}&event_type=tw+in&limit=2").json
    assert twin == server.api("events", **query)
    older = member.get(f"/app/events.json?source={source}&limit=2&cursor={twin['next']}").json
    assert [event["event_id"] for event in twin["items"] + older["items"]] == ids[::-1]
    assert steady(member.get("/app/sources.json").json) == steady(server.api("sources"))
    tracking = member.get("/app/tracking.json?range=7d").json
    assert steady(tracking["kpis"]) == steady(server.api("kpis", hours=168))
    assert steady(tracking["books"]) == steady(server.api("books"))
    assert steady(tracking["sources"]) == steady(server.api("sources"))
    assert len(tracking["minutes"]["items"]) == 60


def test_the_figures_the_feed_the_health_and_the_books_show_what_was_sent(member: Visitor, sender: Sender) -> None:
    sender.store(
        {"event_type": "kettle_boiled", "anonymous_id": "cook-12345678", "title": "Tea & <b>cake</b>"},
        {"event_type": "kettle_boiled", "dedupe_key": "once", "properties": {"litres": 1.5}},
        {"event_type": "kettle_boiled", "dedupe_key": "once"},
    )
    html = member.get("/app/tracking").body.decode()
    page = unescape(html)
    assert "Tea &amp; &lt;b&gt;cake&lt;/b&gt;" in html
    assert "litres: 1.5" in page
    assert "12345678" in page
    line = page[page.index(f'title="{sender.source["name"]}"', page.index("books-title")) :]
    equation = re.sub(r"<[^>]+>|\s+", " ", line[: line.index("</li>")])
    assert "balances" in equation
    assert re.sub(r"\s+", " ", equation.partition("balances")[2]).strip() == (
        "3 received = 2 stored + 1 duplicate + 0 dropped + 0 dead-lettered + 0 in flight"
    )
    card = page[page.index(f'title="{sender.source["name"]}"', page.index("health-title")) :]
    assert "Healthy" in card[: card.index("</li>")]


def test_what_was_rejected_stands_beside_the_books(member: Visitor, sender: Sender, server: TestServer) -> None:
    key = sender.source["credentials"]["write_key"]
    assert server.request("POST", "/v1/events", b"{", {"authorization": f"Bearer {key}"}).status == 400
    server.wait_until_settled()
    page = member.text("/app/tracking")
    line = page[page.index(f'title="{sender.source["name"]}"', page.index("books-title")) :]
    assert "Rejected at the door: 1 invalid_json" in line[: line.index("</li>")]


def test_an_event_page_tells_its_fields_its_way_and_its_place_in_the_log(member: Visitor, sender: Sender) -> None:
    [event_id] = sender.store(
        {
            "event_type": "checkout",
            "url": "https://shop.example/cart?utm_source=letter",
            "referrer": "https://www.google.com/",
            "properties": {"price": 19.95, "items": [{"sku": "A"}]},
            "context": {"time_zone": "Europe/Berlin"},
            "consent": {"analytics": "granted"},
        }
    )
    page = member.text(f"/app/events/{event_id}")
    for text in (
        "Stored",
        event_id,
        '<a href="https://shop.example/cart?utm_source=letter" rel="noreferrer noopener"',
        '"price": 19.95',
        "Europe/Berlin",
        "Segment",
        "record",
        "read campaign",
        "letter",
        'href="/app/events"',
    ):
        assert text in page


def test_a_duplicate_leads_to_the_first_event(member: Visitor, sender: Sender) -> None:
    first, second = sender.store(
        {"event_type": "paid", "dedupe_key": "d"}, {"event_type": "paid", "dedupe_key": "d", "title": "again"}
    )
    page = member.text(f"/app/events/{second}")
    assert f'href="/app/events/{first}"' in page
    assert "An earlier event carried the same dedupe_key within the window." in page


def test_a_dropped_event_says_why(member: Visitor, server: TestServer) -> None:
    source = server.add_source("no bots", channel="web", bots="drop")
    key, bot = source["credentials"]["write_key"], {"user-agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    [verdict] = server.post("/v1/events", [{"event_type": "page_view"}], key, bot).json["results"]
    server.wait_until_settled()
    page = member.text(f"/app/events/{verdict['event_id']}")
    assert "Dropped" in page
    assert "A bot sent it and the source's setting `bots` is `drop`." in page
    assert "<b>1</b> dropped (bot)" in member.text("/app/tracking")


def test_every_field_of_an_event_has_its_place_on_the_page() -> None:
    placed = [name for group in GROUPS for name in group.fields] + list(SHOWN_APART)
    assert sorted(placed) == sorted(Event.__struct_fields__)


@pytest.mark.parametrize("event_id", [UNKNOWN, "not-an-id", "%3Cscript%3E", "01890a5d-ac96-774b-bcce-b302099a000"])
def test_an_unknown_event_gets_a_page_that_says_so(member: Visitor, event_id: str) -> None:
    answer = member.get(f"/app/events/{event_id}")
    assert answer.status == 404
    assert "There is no such event" in answer.body.decode()
    assert "<script>" not in answer.body.decode()
    twin = member.get(f"/app/events/{event_id}.json")
    assert (twin.status, twin.json["error"]["reason"]) == (404, "unknown_event")


def test_an_unknown_page_gets_a_page_that_says_so(member: Visitor) -> None:
    answer = member.get("/app/nothing/here")
    assert answer.status == 404
    assert "There is no such page" in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/app/tracking?range=12h", "range"),
        ("/app/events?limit=0", "limit"),
        ("/app/events?limit=many", "limit"),
        ("/app/events?limit=" + "9" * 50, "limit"),
        ("/app/events?cursor=garbage", "cursor"),
        ("/app/events?event_type=" + "x" * 600, "event_type"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_what_is_wrong(member: Visitor, path: str, field: str) -> None:
    answer = member.get(path)
    assert answer.status == 400
    assert field in answer.body.decode()
    twin = member.get(path.replace("?", ".json?"))
    assert (twin.status, twin.json["error"]["field"]) == (400, field)


def test_the_list_filters_and_pages_by_links(member: Visitor, sender: Sender) -> None:
    ids = sender.store(*({"event_type": "a" if n % 2 else "b", "title": f"number {n}"} for n in range(6)))
    source = sender.source["id"]
    page = member.text(f"/app/events?source={source}&event_type=a&limit=2")
    assert re.findall(r'data-event="([^"]+)"', page) == [ids[5], ids[3]]
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    assert re.findall(r'data-event="([^"]+)"', member.text(older[1])) == [ids[1]]
    assert "There are no older events" not in member.text(older[1])
    assert "No event matches these filters" in member.text(f"/app/events?source={source}&event_type=none")


def test_every_answer_forbids_foreign_and_inline_content_and_caching(member: Visitor, stranger: Visitor) -> None:
    for answer in (member.get("/app/tracking"), member.get("/app/none"), member.get("/app/events.json"),
                   stranger.get("/app/login"), stranger.get("/app/tracking")):  # fmt: skip
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["script-src"] == policy["style-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_a_source_is_added_and_its_secret_key_shown_once(member: Visitor, server: TestServer) -> None:
    csrf = read_csrf(member.get("/app/sources"))
    form = {"csrf": csrf, "name": "Back end <1>", "protocol": "native", "channel": "server"}
    answer = member.post("/app/sources", form)
    assert answer.status == 201
    found = re.search(r"tw_secret_[0-9a-f]+", answer.body.decode())
    assert found
    assert "shown only now" in answer.body.decode()
    page = member.text("/app/sources")
    assert found[0] not in page
    assert found[0][:14] + "…" in page
    assert server.post("/v1/events", {"event_type": "hello"}, found[0]).status == 200
    again = member.post("/app/sources", form)
    assert again.status == 422
    assert "there is already a source named" in again.body.decode()
    assert 'value="Back end &lt;1&gt;"' in again.body.decode()


@pytest.mark.parametrize(
    "wrong", [{"name": "  "}, {"name": "x" * 201}, {"protocol": "none"}, {"channel": "pigeon"}, {"channel": ""}]
)
def test_a_source_that_cannot_be_added_comes_back_with_the_reason(member: Visitor, wrong: dict[str, str]) -> None:
    csrf = read_csrf(member.get("/app/sources"))
    form = {"csrf": csrf, "name": "A source", "protocol": "native", "channel": "web"}
    answer = member.post("/app/sources", form | wrong)
    assert answer.status == 422
    assert 'role="alert"' in answer.body.decode()


def test_a_form_without_the_sessions_token_changes_nothing(member: Visitor, server: TestServer) -> None:
    form = {"name": "Forged", "protocol": "native", "channel": "web"}
    csrf = read_csrf(member.get("/app/sources"))
    for fields, headers in (
        (form, {}),
        (form | {"csrf": "0" * 64}, {}),
        (form | {"csrf": "é"}, {}),
        (form | {"csrf": csrf}, {"sec_fetch_site": "cross-site"}),
        (form | {"csrf": csrf}, {"sec_fetch_site": "same-site"}),
        (form | {"csrf": csrf}, {"origin": "https://evil.example"}),
        (form | {"csrf": csrf}, {"content_type": "text/plain"}),
    ):
        answer = member.post("/app/sources", fields, **{k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status == 403, fields
        assert "This form was not accepted" in answer.body.decode()
    assert "Forged" not in [source["name"] for source in server.api("sources")["items"]]


def test_a_form_that_is_too_long_is_refused(member: Visitor) -> None:
    assert member.post("/app/sources", {"name": "x" * 300_000}).status == 413


def test_a_method_that_a_page_does_not_have_is_refused(member: Visitor) -> None:
    assert member.post("/app/events", {}).status == 405


def test_a_key_that_swallows_several_visitors_is_explained(member: Visitor, sender: Sender) -> None:
    sender.store(*({"event_type": "e", "dedupe_key": "<same>", "anonymous_id": f"visitor {n}"} for n in range(4)))
    page = member.get("/app/sources").body.decode()
    assert "A badly chosen dedupe key" in page
    assert "&lt;same&gt;" in page


def test_whatever_an_event_type_is_its_filter_finds_it(member: Visitor, sender: Sender) -> None:
    ids = sender.store(*({"event_type": text[:200].strip(), "properties": {text[:200]: text}} for text in NAUGHTY))
    for event_id in ids:
        kind = member.get(f"/app/events/{event_id}.json").json["event"]["event_type"]
        found = member.get(f"/app/events.json?event_type={quote(kind, safe='')}").json["items"]
        assert event_id in [event["event_id"] for event in found]
        assert member.get(f"/app/events/{event_id}").status == 200
