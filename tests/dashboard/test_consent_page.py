"""The page Consent over plain HTTP: the policy in words, the tester, what became of events, and the editor."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from trackway.dashboard.policy_words import compare_effects, describe_changes, read_editor, write_rules
from trackway.profiles.policies import DEFAULT_RULES, PolicyError, read_rules
from trackway.testing.server import Answer, TestServer, start_server

from .conftest import BROWSER, Visitor, read_csrf
from .naughty import NAUGHTY

STRICT = write_rules(DEFAULT_RULES).replace("anonymise", "drop")


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody logged in at a server of their own: its policy may change."""
    with start_server(tmp_path_factory.mktemp("consent") / "data") as server:
        visitor = Visitor(server)
        visitor.log_in()
        yield visitor


def send_policy(keeper: Visitor, text: str, action: str = "save", version: str = "", **headers: str) -> Answer:
    page = keeper.get("/app/consent")
    if not version:
        found = re.search(r'name="version" value="(\d+)"', page.body.decode())
        assert found
        version = found[1]
    form = {"csrf": read_csrf(page), "version": version, "rules": text, "action": action}
    return keeper.post("/app/consent", form, **headers)


def send_from(server: TestServer, country: str, **fields: Any) -> None:
    source = server.add_source(f"site {country} {fields}", channel="web")
    key = next(iter(source["credentials"].values()))
    place = {"cf-ipcountry": country, **BROWSER}
    assert server.post("/v1/events", [{"event_type": "page_view", **fields}], key, place).status == 200
    server.wait_until_settled()


def test_the_default_policy_is_told_in_words_and_nothing_was_counted_yet(keeper: Visitor) -> None:
    page = keeper.text("/app/consent")
    for text in (
        "eu-opt-in",
        "the EU, the EEA, the UK, CH",
        "asks first",
        "stored anonymously",
        "Sec-GPC",
        "no events",
    ):
        assert text in page
    assert "This is the default that Trackway comes with" in page


@pytest.mark.parametrize(
    ("query", "result"),
    [
        ("country=DE", "is stored anonymously, by rule eu-opt-in"),
        ("country=de&state=granted", "who agreed is stored in full, by rule eu-opt-in"),
        (
            "country=us&region=ca&gpc=1",
            "An event from US-CA of somebody who said nothing is dropped, by rule us-opt-out",
        ),
        ("region=US-CA", "is stored in full, by rule us-opt-out"),
        ("country=BR&state=withdrawn", "who withdrew is dropped, by rule elsewhere"),
        ("country=", "An event from an unknown place"),
    ],
)
def test_what_if_says_the_result_the_rule_and_why(keeper: Visitor, query: str, result: str) -> None:
    page = keeper.text(f"/app/consent?{query}")
    assert result in page
    assert "decided the test" in page


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("country=Germany", "country is two letters such as DE, not 'Germany'"),
        ("country=DE&region=US-CA", "US-CA is no region of DE"),
        ("region=CA", "region CA needs its country"),
        ("state=perhaps", "state must be one of"),
    ],
)
def test_what_if_says_what_is_wrong_with_a_question(keeper: Visitor, query: str, wrong: str) -> None:
    assert wrong in keeper.text(f"/app/consent?{query}")
    assert wrong in keeper.get(f"/app/consent.json?{query}").json["test"]["problem"]


def test_a_change_is_previewed_then_put_in_force_and_remembered(keeper: Visitor) -> None:
    before = keeper.get("/app/consent.json").json["policy"]["version"]
    preview = send_policy(keeper, STRICT, "preview")
    page = unescape(preview.body.decode())
    assert preview.status == 200
    assert "Rule eu-opt-in: without consent anonymise becomes drop." in page
    assert "the EEA, the UK, CH, when nobody said anything: <s>stored anonymously</s> <b>dropped</b>" in page
    assert "Put in force" in page
    assert keeper.get("/app/consent.json").json["policy"]["version"] == before

    saved = send_policy(keeper, STRICT)
    assert (saved.status, saved.headers["location"]) == (303, f"/app/consent?saved={before + 1}")
    page = keeper.text(saved.headers["location"])
    assert f"Version {before + 1} is in force" in page
    assert "by admin" in page
    assert keeper.get("/app/consent.json").json["policy"]["rules"][0]["without_consent"] == "drop"
    assert keeper.server.api("policies")["policy"]["changed_by"] == "admin"


def test_what_became_of_events_is_counted_by_rule(keeper: Visitor) -> None:
    send_policy(keeper, write_rules(DEFAULT_RULES))
    send_from(keeper.server, "BR")
    send_from(keeper.server, "DE")
    send_from(keeper.server, "DE", anonymous_id="v-1", consent={"tracking": "withdrawn"})
    fates = keeper.get("/app/consent.json").json["fates"]
    assert fates["periods"]["day"] == {"full": 1, "anonymous": 1, "dropped": 1}
    assert {(row["rule"], row["fate"], row["month"]) for row in fates["rules"]} == {
        ("elsewhere", "full", 1),
        ("eu-opt-in", "anonymous", 1),
        ("eu-opt-in", "dropped", 1),
    }
    assert "<b>33 %</b> dropped" in keeper.text("/app/consent")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "line 1, column 1"),
        ('{"rules": [\n  {"id": }\n]}', "line 2, column 10"),
        ("[]", "a policy holds 1 to 200 rules, not 0"),
        ('{"rules": [], "rule": 1}', "a policy is an object with rules and nothing else"),
        ('[{"id": "a", "jurisdictions": ["Germany"], "mode": "none"}]', "'Germany' is no jurisdiction"),
        ('[{"id": "a", "jurisdictions": ["DE"], "mode": "maybe"}]', "rules[0].mode"),
        ('[{"id": "a", "jurisdictions": ["DE"], "mode": "none", "x": 1}]', "unknown field `x`"),
        ("[" * 50_000, "nested too deeply"),
        ("9" * 5000, "a number too long"),
        (r'[{"id": "a", "jurisdictions": ["DE"], "mode": "none", "purpose": "\ud800"}]', "cannot be read"),
    ],
)
def test_a_wrong_policy_is_shown_again_with_what_is_wrong_beside_it(keeper: Visitor, text: str, wrong: str) -> None:
    before = keeper.get("/app/consent.json").json["policy"]
    for action in ("save", "preview"):
        answer = send_policy(keeper, text, action)
        page = unescape(answer.body.decode())
        assert answer.status == 422
        assert wrong in page[page.index('id="editor-problem"') : page.index("<textarea")]
        assert text in page[page.index("<textarea") :]
    assert keeper.get("/app/consent.json").json["policy"] == before


def test_two_who_change_the_policy_at_once_do_not_undo_each_other(keeper: Visitor) -> None:
    version = str(keeper.get("/app/consent.json").json["policy"]["version"])
    assert send_policy(keeper, STRICT, version=version).status == 303
    late = send_policy(keeper, write_rules(DEFAULT_RULES[:2]), version=version)
    assert late.status == 422
    assert "admin changed the policy meanwhile, nothing was saved" in late.body.decode()
    assert "Rule elsewhere is removed." in late.body.decode()
    assert len(keeper.get("/app/consent.json").json["policy"]["rules"]) == 3


def test_a_form_that_is_not_of_this_page_changes_nothing(keeper: Visitor) -> None:
    before = keeper.get("/app/consent.json").json["policy"]
    form = {"version": str(before["version"]), "rules": STRICT, "action": "save"}
    assert keeper.post("/app/consent", form | {"csrf": "x"}).status == 403
    assert send_policy(keeper, STRICT, sec_fetch_site="cross-site").status == 403
    assert Visitor(keeper.server).post("/app/consent", form).headers["location"] == "/app/login"
    assert keeper.get("/app/consent.json").json["policy"] == before


@pytest.mark.parametrize("text", NAUGHTY)
def test_no_text_becomes_markup(keeper: Visitor, text: str) -> None:
    policy = json.dumps([{"id": "a", "jurisdictions": ["*"], "mode": "none", "purpose": text[:90], "sources": [text]}])
    answers = [
        send_policy(keeper, text),
        send_policy(keeper, policy, "preview"),
        keeper.get(f"/app/consent?country={quote(text)}&source={quote(text)}"),
    ]
    for answer in answers:
        page = answer.body.decode()
        assert answer.status in (200, 422)
        if re.search("[<>\"']", text):
            assert text not in page


def test_a_policy_of_two_hundred_rules_can_be_edited(keeper: Visitor) -> None:
    rules = [{"id": f"rule-{n}", "jurisdictions": ["EU", "US-CA", f"A{chr(65 + n % 26)}"], "mode": "opt_in", "sources": [f"s{n}"]} for n in range(200)]  # fmt: skip
    answer = send_policy(keeper, json.dumps(rules), "preview")
    assert answer.status == 200
    assert "Rule rule-0 is new, at place 1: the EU, US-CA, AA; it asks first." in unescape(answer.body.decode())


def test_the_policy_can_be_read_and_changed_while_the_store_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    with start_server(tmp_path_factory.mktemp("away") / "data") as server:
        visitor = Visitor(server)
        visitor.log_in()
        server.kill_child("engine")
        page = visitor.text("/app/consent")
        assert "The event store does not answer at the moment, so nothing can be counted" in page
        assert send_policy(visitor, STRICT).status == 303


def test_an_editors_text_is_read_as_it_was_written() -> None:
    assert read_rules(read_editor(write_rules(DEFAULT_RULES))) == DEFAULT_RULES
    with pytest.raises(PolicyError):
        read_editor("{")


def test_a_change_is_told_by_what_it_does_to_events() -> None:
    shop_asks = {"id": "shop", "jurisdictions": ["*"], "mode": "opt_in", "without_consent": "drop", "sources": ["shop"]}
    new = (*read_rules([shop_asks]), *DEFAULT_RULES)
    assert describe_changes(DEFAULT_RULES, new) == ["Rule shop is new, at place 1: everywhere; it asks first."]
    effects = compare_effects(DEFAULT_RULES, new)
    assert {(each.source, each.case, each.after) for each in effects if "BR" not in each.places} == {
        ("shop", "nobody said anything", "dropped")
    }
    assert compare_effects(DEFAULT_RULES, DEFAULT_RULES) == []
    assert describe_changes(DEFAULT_RULES, DEFAULT_RULES[::-1]) == [
        "The order changes to elsewhere, us-opt-out, eu-opt-in."
    ]


def test_a_rule_that_holds_events_says_for_how_long(keeper: Visitor) -> None:
    held = [{"id": "wait", "jurisdictions": ["EU"], "mode": "opt_in", "without_consent": "hold", "hold_hours": 24}]
    preview = unescape(send_policy(keeper, json.dumps(held), "preview").body.decode())
    assert "<b>held until they agree</b>" in preview
    assert send_policy(keeper, json.dumps(held)).status == 303
    page = keeper.text("/app/consent?country=DE")
    assert "held up to 24 h" in page
    assert "is held until they agree, by rule wait" in page
    send_from(keeper.server, "DE", anonymous_id="undecided")
    assert "<b>1</b> event waits until their person agrees" in keeper.text("/app/consent")
