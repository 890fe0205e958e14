"""The page of one source: what is set of it, and what its forms change."""

import json

import pytest
from playwright.sync_api import Browser

from trackway.control.sources import DIALECT_SETTINGS, SOURCE_SETTINGS
from trackway.dashboard.pages.source import SAYS
from trackway.testing.server import Answer, TestServer

from .conftest import Visitor, open_screen, read_csrf

TEMPLATES = json.dumps([{"reshaping": {"reshape_schema": {"properties": {"a": "event@type"}}}}])


def post(member: Visitor, source_id: str, **fields: str) -> Answer:
    path = f"/app/sources/{source_id}"
    return member.post(path, {"csrf": read_csrf(member.get(path)), **fields}, origin=member.server.url)


def read_source(server: TestServer, source_id: str) -> dict[str, object]:
    found: dict[str, object] = server.api(f"sources/{source_id}")
    return found


def test_every_setting_is_explained_and_belongs_to_everybody_or_one_dialect() -> None:
    assert set(SAYS) == set(SOURCE_SETTINGS)
    names = [name for names in DIALECT_SETTINGS.values() for name in names]
    assert len(names) == len(set(names))
    assert set(names) < set(SOURCE_SETTINGS)


def test_the_list_leads_to_the_page_which_says_what_is_set(member: Visitor, server: TestServer) -> None:
    source = server.add_source("settled page", "tracardi", "web", bots="drop", reshaping=TEMPLATES)
    assert f'href="/app/sources/{source["id"]}"' in member.text("/app/sources")
    page = member.text(f"/app/sources/{source['id']}")
    assert TEMPLATES in page
    assert 'value="mapping"' in page
    assert 'value="vendors"' not in page
    assert member.get(f"/app/sources/{source['id']}.json").json == read_source(server, source["id"])
    assert f">{TEMPLATES}</textarea>" in member.text(f"/app/sources/{source['id']}?setting=reshaping")


def test_a_setting_is_changed_and_taken_away(member: Visitor, server: TestServer) -> None:
    source_id = server.add_source("changed by page", "tracardi", "web")["id"]
    answer = post(member, source_id, action="set", setting="reshaping", value=TEMPLATES)
    assert (answer.status, answer.headers["location"]) == (303, f"/app/sources/{source_id}?done=set")
    assert read_source(server, source_id)["settings"] == {"reshaping": TEMPLATES}
    post(member, source_id, action="set", setting="reshaping", value="")
    assert read_source(server, source_id)["settings"] == {}


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("", "x", "choose a setting"),
        ("bots", "maybe", "is not a value of this setting"),
        ("reshaping", "{", "reshaping is not JSON"),
        ("environment", "test", "decided when a source is added"),
    ],
)
def test_what_cannot_be_set_comes_back_with_the_reason(
    member: Visitor, server: TestServer, setting: str, value: str, says: str
) -> None:
    source_id = server.add_source(f"refused {setting} {value}", "tracardi", "web")["id"]
    answer = post(member, source_id, action="set", setting=setting, value=value)
    assert answer.status == 422
    assert says in answer.body.decode()
    assert f">{value}</textarea>" in answer.body.decode()
    assert read_source(server, source_id)["settings"] == {}


def test_a_source_is_switched_off_and_on(member: Visitor, server: TestServer) -> None:
    source_id = server.add_source("switched by page", channel="web")["id"]
    assert post(member, source_id, action="off").status == 303
    assert read_source(server, source_id)["enabled"] is False
    assert post(member, source_id, action="on").status == 303
    assert read_source(server, source_id)["enabled"] is True


def test_a_source_is_removed_when_the_word_was_typed(member: Visitor, server: TestServer) -> None:
    source_id = server.add_source("removed by page", channel="web")["id"]
    assert "Type REMOVE to remove" in post(member, source_id, action="remove").body.decode()
    assert "nothing was removed" in post(member, source_id, action="remove", word="yes").body.decode()
    assert read_source(server, source_id)["enabled"] is True
    answer = post(member, source_id, action="remove", word="REMOVE")
    assert (answer.status, answer.headers["location"]) == (303, "/app/sources")
    assert member.get(f"/app/sources/{source_id}").status == 404


def test_without_the_sessions_token_nothing_is_changed(member: Visitor, server: TestServer) -> None:
    source_id = server.add_source("forged", channel="web")["id"]
    fields = {"csrf": "0" * 64, "action": "off"}
    assert member.post(f"/app/sources/{source_id}", fields, origin=server.url).status == 403
    assert read_source(server, source_id)["enabled"] is True


def test_trackways_own_source_has_no_form(member: Visitor, server: TestServer) -> None:
    headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
    server.request("PUT", "/api/v1/contacts/own-source", '{"traits": {"a": 1}}', headers)
    page = member.text("/app/sources/trackway")
    assert "Trackway's own source" in page
    assert "<textarea" not in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_template_fits_the_screen(chromium: Browser, member: Visitor, server: TestServer, width: int) -> None:
    template = json.dumps([{"name": "n" * 900, "reshaping": {"reshape_schema": {"properties": {"a": "event@type"}}}}])
    source_id = server.add_source(f"{'w' * 150} {width}", "tracardi", "web", reshaping=template)["id"]
    for screen in open_screen(chromium, member):
        screen.page.set_viewport_size({"width": width, "height": 800})
        screen.page.goto(f"{server.url}/app/sources/{source_id}?setting=reshaping")
        assert screen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert screen.complain() == []
