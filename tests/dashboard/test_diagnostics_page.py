"""The page Diagnostics over plain HTTP: personal data and the rules that hide it, keys that swallow, what was refused."""

import re
import time
from html import unescape
from typing import Any

import pytest

from trackway.testing.waiting import wait_until

from .conftest import Sender, Visitor, read_csrf
from .naughty import NAUGHTY


@pytest.fixture
def tag() -> str:
    return f"{time.time_ns():x}"


def wait_for_finding(member: Visitor, path: str) -> dict[str, Any]:
    """Findings are noted with the batch in which they were seen."""

    def find() -> list[dict[str, Any]]:
        findings = member.get("/app/diagnostics.json").json["pii"]["findings"]
        return [finding for finding in findings if finding["path"] == path]

    return wait_until(find)[0]


def set_rule(member: Visitor, path: str, action: str, **headers: str) -> Any:
    form = {"csrf": read_csrf(member.get("/app/diagnostics")), "path": path, "action": action}
    return member.post("/app/diagnostics", form, **headers)


def test_a_finding_is_masked_with_one_click_and_let_be_again(member: Visitor, browsing: Sender, tag: str) -> None:
    path = f"properties.form.mail_{tag}"

    def sign_up() -> Any:
        event = {
            "event_type": "sign_up",
            "anonymous_id": tag,
            "properties": {"form": {f"mail_{tag}": "joe@mail.example"}},
        }
        [event_id] = browsing.store(event)
        return browsing.server.api(f"events/{event_id}")["event"]["properties"]["form"][f"mail_{tag}"]

    assert sign_up() == "joe@mail.example"
    found = wait_for_finding(member, path)
    assert (found["kind"], found["source"], found["event_type"]) == ("email", browsing.source["id"], "sign_up")
    page = member.text("/app/diagnostics")
    assert "joe@mail.example" not in page
    assert found["example"] in page
    assert f'name="path" value="{path}"' in page

    answer = set_rule(member, path, "mask")
    assert answer.status == 303
    page = member.text(answer.headers["location"])
    assert f"From the next event on, {path} is masked" in page
    assert "What is hidden" in page
    assert member.server.api("pii")["rules"][-1]["changed_by"] == "admin"
    wait_until(sign_up, lambda seen: seen == "[masked]")

    assert set_rule(member, path, "keep").status == 303
    assert path not in [rule["path"] for rule in member.get("/app/diagnostics.json").json["pii"]["rules"]]


@pytest.mark.parametrize(
    ("path", "action", "wrong"),
    [("user_id", "mask", "path must be title"), ("properties.a", "burn", "action must be"), ("", "", "path must be")],
)
def test_a_rule_that_makes_no_sense_is_refused(member: Visitor, path: str, action: str, wrong: str) -> None:
    answer = set_rule(member, path, action)
    assert answer.status == 400
    assert wrong in answer.body.decode()


def test_a_form_that_is_not_of_this_page_changes_nothing(member: Visitor) -> None:
    before = member.get("/app/diagnostics.json").json["pii"]["rules"]
    form = {"path": "properties.a", "action": "mask"}
    assert member.post("/app/diagnostics", form | {"csrf": "x"}).status == 403
    assert set_rule(member, "properties.a", "mask", sec_fetch_site="cross-site").status == 403
    assert member.get("/app/diagnostics.json").json["pii"]["rules"] == before


def test_keys_that_swallow_and_what_was_refused_are_counted_with_the_reason(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    key, source = f"key-{tag}", browsing.source
    secret = next(iter(source["credentials"].values()))
    browsing.store(*({"event_type": "x", "anonymous_id": f"{tag}-{n}", "dedupe_key": key} for n in range(3)))
    assert browsing.server.request("POST", "/v1/events", b"{", {"authorization": f"Bearer {secret}"}).status == 400
    rejected: list[tuple[str, int]] = []
    deadline = time.monotonic() + 60
    while not rejected:
        assert time.monotonic() < deadline
        twin = member.get("/app/diagnostics.json").json
        rejected = [(row["reason"], row["events"]) for row in twin["rejected"] if row["source"] == source["id"]]
    assert [(k["dedupe_key"], k["swallowed"]) for k in twin["swallowing_keys"] if k["source"] == source["id"]] == [
        (key, 2)
    ]
    assert rejected == [("invalid_json", 1)]
    aside = [
        (row["outcome"], row["reason"], row["events"]) for row in twin["set_aside"] if row["source"] == source["id"]
    ]
    assert aside == [("duplicate", "transport_key", 2)]
    page = member.text("/app/diagnostics?range=24h")
    assert key in page
    assert "The body is not JSON" in page
    assert "An earlier event carried the same dedupe_key within the window" in page


def test_a_range_that_there_is_not_is_refused(member: Visitor) -> None:
    answer = member.get("/app/diagnostics?range=1y")
    assert answer.status == 400
    assert "range must be one of 24h, 7d, 30d" in answer.body.decode()


def test_no_text_becomes_markup(member: Visitor, browsing: Sender, tag: str) -> None:
    names = [text[:150] for text in NAUGHTY if "." not in text[:150]]
    browsing.store(
        *(
            {
                "event_type": name[:100],
                "anonymous_id": tag,
                "dedupe_key": f"{tag}{name}",
                "properties": {f"{tag} {name}": "a@mail.example"},
            }
            for name in names
        ),
        *({"event_type": "x", "anonymous_id": f"{tag}2", "dedupe_key": f"{tag}{name}"} for name in names),
    )
    wait_for_finding(member, f"properties.{tag} {names[0]}")
    page = member.get("/app/diagnostics").body.decode()
    for name in names:
        if re.search("[<>]", name):
            assert name not in page
    assert set_rule(member, f"properties.{names[0]}", "drop").status == 303
    assert names[0] in unescape(member.get("/app/diagnostics").body.decode())
    assert names[0] not in member.get("/app/diagnostics").body.decode()
    set_rule(member, f"properties.{names[0]}", "keep")


def wait_for_letters(member: Visitor, source: str, least: int, query: str = "") -> list[dict[str, Any]]:

    def find() -> list[dict[str, Any]]:
        twin = member.get(f"/app/diagnostics.json?source={source}{query}").json
        letters: list[dict[str, Any]] = twin["letters"]["items"]
        return letters

    return wait_until(find, lambda letters: len(letters) >= least)


def test_what_failed_is_listed_with_what_was_sent_and_has_a_page(member: Visitor, browsing: Sender, tag: str) -> None:
    secret, source = next(iter(browsing.source["credentials"].values())), browsing.source["id"]
    body = f'{{"events": [<script>alert("{tag}")</script>'
    assert browsing.server.request("POST", "/v1/events", body, {"authorization": f"Bearer {secret}"}).status == 400
    [letter] = wait_for_letters(member, source, 1)
    page = member.get(f"/app/diagnostics?source={source}").body.decode()
    assert "the body is not JSON" in page
    assert f"alert(&#34;{tag}&#34;)" in page
    assert body not in page
    assert f'href="/app/rejections/{letter["id"]}"' in page.replace("%3A", ":")
    own = member.text(f"/app/rejections/{letter['id']}")
    assert f"trackway replay --rejected {letter['id']}" in own
    assert "POST /v1/events" in own
    assert member.get(f"/app/rejections/{letter['id']}.json").json["sent"]["body"] == body
    assert member.get("/app/rejections/rejected:nothing").status == 404


def test_the_list_of_what_failed_is_filtered_and_paged(member: Visitor, browsing: Sender, tag: str) -> None:
    source = browsing.source["id"]
    for _ in range(12):
        browsing.server.post("/v1/events", [{"event_type": ""}], next(iter(browsing.source["credentials"].values())))
    first = wait_for_letters(member, source, 10)
    page = member.text(f"/app/diagnostics?source={source}")
    older = re.search(r'rel="next" href="/app/diagnostics\?([^"#]+)', page)
    assert older
    second = member.get(f"/app/diagnostics.json?{older[1]}").json["letters"]
    assert len(second["items"]) == 2
    assert second["next"] is None
    assert not {each["id"] for each in first} & {each["id"] for each in second["items"]}
    assert "Newest" in member.text(f"/app/diagnostics?{older[1]}")
    assert "Nothing that failed matches these filters" in member.text(f"/app/diagnostics?source={source}&kind=conflict")
    assert member.get("/app/diagnostics?kind=nonsense").status == 400


def test_requests_of_nobody_are_counted_and_nothing_of_them_is_kept(
    member: Visitor, browsing: Sender, tag: str
) -> None:
    before = member.get("/app/diagnostics.json").json["letters"]
    browsing.server.request("POST", "/v1/events", tag, {"authorization": f"Bearer {tag}"})
    letters = member.get("/app/diagnostics.json").json["letters"]
    assert [each["id"] for each in letters["items"]] == [each["id"] for each in before["items"]]

    def count(nobodys: list[dict[str, Any]]) -> int:
        return sum(each["requests"] for each in nobodys if each["reason"] == "unknown_key")

    assert count(letters["nobodys"]) > count(before["nobodys"])
