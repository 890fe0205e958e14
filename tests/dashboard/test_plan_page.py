"""The page Plan over plain HTTP: what is planned, what breaks it, what is sent, and the editor's buttons."""

import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from trackway.testing.server import Answer, TestServer, start_server

from .conftest import Visitor, read_csrf
from .naughty import NAUGHTY

PRICED = {"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]}


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody logged in at a server of their own: its plan may change."""
    with start_server(tmp_path_factory.mktemp("plan") / "data") as server:
        visitor = Visitor(server)
        visitor.log_in()
        yield visitor


@pytest.fixture(scope="module")
def source(keeper: Visitor) -> dict[str, Any]:
    return keeper.server.add_source("Shop")


def send(server: TestServer, source: dict[str, Any], *events: dict[str, Any]) -> list[str]:
    answer = server.post("/v1/events", list(events), next(iter(source["credentials"].values())))
    server.wait_until_settled()
    return [result.get("event_id", "") for result in answer.json["results"]]


def press(keeper: Visitor, action: str, event_type: str, schema: Any = PRICED, **fields: str) -> Answer:
    """Press a button of the form, as the browser would after the entry was opened."""
    page = keeper.get(f"/app/catalogue?edit={quote(event_type)}&of={fields.get('source', '')}")
    version = re.search(r'name="version" value="(\d+)"', page.body.decode())
    assert version
    form = {
        "csrf": read_csrf(page),
        "version": version[1],
        "event_type": event_type,
        "source": "",
        "mode": "observe",
        "schema": schema if isinstance(schema, str) else json.dumps(schema),
        "action": action,
    }
    return keeper.post("/app/catalogue", form | fields)


def text_of(answer: Answer) -> str:
    return unescape(answer.body.decode())


def test_nothing_planned_and_nothing_sent_is_said_in_words(keeper: Visitor) -> None:
    page = keeper.text("/app/catalogue")
    for words in ("No type is planned", "Send events first", "No event was received in this time"):
        assert words in page
    assert keeper.get("/app/catalogue.json").json["plan"] == {"entries": [], "violations": []}


def test_a_type_is_inferred_tried_put_in_force_and_ended(keeper: Visitor, source: dict[str, Any]) -> None:
    event_type = "page <of> the plan"
    send(
        keeper.server, source, *[{"event_type": event_type, "properties": {"price": n, "kind": "a"}} for n in range(3)]
    )
    inferred = press(keeper, "infer", event_type, "")
    assert inferred.status == 200
    assert "This is what the traffic of the last 7 days keeps" in text_of(inferred)
    assert '"required": [' in text_of(inferred)
    tried = press(keeper, "try", event_type, {"required": ["sku"]})
    assert tried.status == 200
    assert "3 of 3 events would break it" in text_of(tried)
    assert "Put in force" in text_of(tried)
    assert "Put in force" not in keeper.text("/app/catalogue")
    saved = press(keeper, "save", event_type, PRICED, mode="mark")
    assert saved.status == 303
    page = keeper.text(saved.headers["location"])
    assert "is planned." in page
    assert event_type in page
    time.sleep(1.2)
    send(keeper.server, source, {"event_type": event_type, "properties": {"price": "free"}})
    page = keeper.text("/app/catalogue")
    assert 'the value is not of type "number"' in page
    assert "1 event<" in keeper.get("/app/catalogue").body.decode()
    assert "free" not in keeper.text("/app/catalogue").split("What is sent")[0]
    [marked] = keeper.get("/app/events.json?plan=broken").json["items"]
    assert f"/app/events/{marked['event_id']}" in keeper.text("/app/events?plan=broken")
    assert "properties.price: the value is not of type" in keeper.text(f"/app/events/{marked['event_id']}")
    ended = press(keeper, "end", event_type)
    assert ended.status == 303
    assert "are checked no more" in keeper.text(ended.headers["location"])
    assert "Version 2" in keeper.text(f"/app/catalogue?edit={quote(event_type)}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"schema": "{"}, "schema: the schema is not JSON"),
        ({"schema": '{"price": 1}'}, "says nothing that could be broken"),
        ({"schema": '{"type": "objekt"}'}, "schema.type: "),
        ({"schema": '{"$ref": "http://localhost/"}'}, "nothing is fetched"),
        ({"event_type": ""}, "event_type: event_type must be a text"),
        ({"mode": "warn"}, "mode: mode must be one of"),
        ({"source": "nobody"}, "no source of the workspace has the id 'nobody'"),
    ],
)
def test_what_cannot_be_put_in_force_comes_back_with_what_is_wrong(
    keeper: Visitor, fields: dict[str, str], words: str
) -> None:
    for action in ("save", "try"):
        given = {"event_type": "t", **fields}
        event_type, schema = given.pop("event_type"), given.pop("schema", json.dumps(PRICED))
        answer = press(keeper, action, event_type, schema, **given)
        assert answer.status == 422
        text = re.sub(r"<[^>]+>", "", answer.body.decode())
        assert words in unescape(text)
        # What was typed is still there.
        assert f"\n{schema}</textarea>" in text_of(answer)


def test_an_entry_that_somebody_else_changed_is_not_overwritten(keeper: Visitor) -> None:
    press(keeper, "save", "contested")
    late = press(keeper, "save", "contested", {"type": "object"}, version="0")
    assert late.status == 422
    assert "admin changed this entry meanwhile, nothing was saved" in text_of(late)
    plan = keeper.get("/app/catalogue.json").json["plan"]["entries"]
    assert [each["version"] for each in plan if each["event_type"] == "contested"] == [1]


def test_the_form_needs_the_sessions_token(keeper: Visitor) -> None:
    assert press(keeper, "save", "forged", csrf="wrong").status == 403
    assert "forged" not in keeper.text("/app/catalogue")


def test_plans_are_downloaded_as_the_command_line_takes_them(keeper: Visitor, source: dict[str, Any]) -> None:
    send(keeper.server, source, {"event_type": "to download", "properties": {"a": 1}})
    press(keeper, "save", "to download")
    for path, name in (("plan.json", "tracking-plan.json"), ("inferred.json", "inferred-plan-7-days.json")):
        answer = keeper.get(f"/app/catalogue/{path}")
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert "to download" in [entry["event_type"] for entry in answer.json["entries"]]
    headers = {"authorization": f"Bearer {keeper.server.admin_token}", "content-type": "application/json"}
    sent = keeper.server.request("PUT", "/api/v1/plan", keeper.get("/app/catalogue/plan.json").body, headers)
    assert (sent.status, sent.json["changed"]) == (200, [])


def test_a_twin_answers_as_the_api_does(keeper: Visitor) -> None:
    twin = keeper.get("/app/catalogue.json?range=24h").json
    assert twin == {"plan": keeper.server.api("plan"), "catalogue": keeper.server.api("catalogue", days=1)}


def test_whatever_senders_name_things_the_page_shows_it_as_text(keeper: Visitor, source: dict[str, Any]) -> None:
    events = [{"event_type": name[:200] or "x", "properties": {name[:100]: name}} for name in NAUGHTY]
    send(keeper.server, source, *events)
    body = keeper.get("/app/catalogue").body.decode()
    assert "<script>window" not in body
    assert "<img src=x" not in body
    for name in NAUGHTY[:3]:
        assert (
            keeper.get(
                f"/app/catalogue?edit={quote(name[:200])}&of={quote(name[:60])}&done=save&about={quote(name)}"
            ).status
            == 200
        )


@pytest.mark.parametrize("query", ["range=1y", "range=%00"])
def test_a_range_that_there_is_not_is_refused(keeper: Visitor, query: str) -> None:
    assert keeper.get(f"/app/catalogue?{query}").status == 400


def test_many_types_come_in_pages_and_can_be_searched(keeper: Visitor, source: dict[str, Any]) -> None:
    mark = f"made up {time.time_ns()}"
    send(keeper.server, source, *({"event_type": f"{mark} {n:03}"} for n in range(120)))
    seen: list[str] = []
    address = f"/app/catalogue?search={quote(mark.upper())}"
    for _ in range(3):
        page = keeper.text(address)
        assert "120 events of 120 types in the last 7 days" in page
        seen += re.findall(rf"by Shop.*?Plan it<span class=\"sr\"> ({mark} \d+)", page, re.DOTALL)
        further = re.search(r'rel="next" href="([^"]+)#catalogue"', page)
        address = further[1] if further else ""
    assert seen == [f"{mark} {n:03}" for n in range(120)]
    assert not address
    assert "Most frequent" in page
    nothing = keeper.text(f"/app/catalogue?search={quote(mark)}%25")
    assert re.search(r"No type with <b class=\"wrap\">made up \d+%</b> in its name", nothing)
    assert keeper.get("/app/catalogue?cursor=made-up").status == 400


def test_while_the_store_is_away_the_plan_can_be_read_and_set(keeper: Visitor) -> None:
    keeper.server.kill_child("engine")
    page = keeper.get("/app/catalogue")
    assert page.status == 200
    assert "The event store does not answer at the moment, so what was sent cannot be shown" in text_of(page)
    keeper.server.kill_child("engine")
    assert press(keeper, "infer", "away").status == 422
    keeper.server.kill_child("engine")
    assert "it cannot be tried on stored events" in text_of(press(keeper, "try", "away"))
    assert press(keeper, "save", "away").status == 303
