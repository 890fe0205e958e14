"""Consent through the API: what is recorded counts, can be asked for, and the policy can be changed and tried."""

import json
import time

import pytest

from trackway.testing.server import start_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_server(tmp_path_factory.mktemp("consent"), trusted_proxies="127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def pact(server):
    return server.add_source("CRM", "pact", "server")["credentials"]["api_key"]


@pytest.fixture(scope="module")
def shop(server):
    return server.add_source("Shop", "native", "web")


@pytest.fixture
def call(server):
    def call(method, path, content=None):
        headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
        body = None if content is None else json.dumps(content)
        return server.request(method, f"/api/v1/{path}", body, headers)

    return call


@pytest.fixture
def record(server, call):
    def record(kind, value, **consent):
        answer = call("POST", "consents", {"kind": kind, "value": value, "consent": consent})
        assert answer.status == 200, answer.body
        server.wait_until_settled()
        return answer.json

    return record


def test_a_recorded_consent_stands_and_its_history_has_the_proof(server, call, record):
    content = {
        "kind": "email",
        "value": "Anna@Example.com",
        "consent": {"email": {"marketing": True, "transactional": True}},
        "text_version": "newsletter-v3",
        "jurisdiction": "DE",
    }
    answer = call("POST", "consents", content)
    assert (answer.status, answer.json["status"]) == (200, "accepted")
    server.wait_until_settled()
    record("email", "anna@example.com", **{"email.marketing": False})

    found = server.api("consents", kind="email", value="anna@example.com")
    assert [(s["channel"], s["purpose"], s["state"]) for s in found["effective"]] == [
        ("email", "marketing", "withdrawn"),
        ("email", "transactional", "granted"),
    ]
    assert [row["state"] for row in found["history"]] == ["withdrawn", "granted", "granted"]
    first = found["history"][-1]
    assert first["jurisdiction"] == "DE"
    assert first["proof"]["text_version"] == "newsletter-v3"
    assert first["proof"]["recorded_by"] == "admin token"


def test_nobody_is_known_to_have_said_anything(server):
    found = server.api("consents", kind="contact_id", value="nobody-at-all")

    assert (found["effective"], found["history"]) == ([], [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"kind": "email", "value": "a@example.com", "consent": {}}, "consent", id="says nothing"),
        pytest.param(
            {"kind": "email", "value": "a@example.com", "consent": {"email": "maybe"}}, "consent.email", id="no state"
        ),
        pytest.param({"kind": "shoe", "value": "44", "consent": {"email": True}}, "value", id="no kind"),
        pytest.param({"kind": "email", "value": "null", "consent": {"email": True}}, "value", id="a word for nobody"),
        pytest.param({"kind": "email", "value": "a@example.com", "consents": {}}, "consents", id="a misspelt field"),
        pytest.param(
            {"kind": "email", "value": "a@example.com", "consent": {"email": True}, "occurred_at": "yesterday"},
            "events[0].occurred_at",
            id="no time",
        ),
    ],
)
def test_what_cannot_be_recorded_is_refused_by_name(call, body, field):
    answer = call("POST", "consents", body)

    assert answer.status in (400, 422)
    assert answer.json["error"]["field"] == field


def check(server, key, **body):
    return server.post("/v1/consent/check", body, key)


def test_pact_is_told_whether_it_may_write(server, pact, record):
    record("contact_id", "crm-1", email="granted")
    record("contact_id", "crm-2", email=False)

    allowed = check(server, pact, contact_id="crm-1", channel="email", purpose="marketing")
    refused = check(server, pact, contact_id="crm-2", channel="email", purpose="marketing")
    unknown = check(server, pact, contact_id="crm-3", channel="email", purpose="marketing")

    assert (allowed.status, allowed.json["allowed"], allowed.json["state"]) == (200, True, "granted")
    assert (refused.json["allowed"], refused.json["state"], refused.json["suppressed_by"]) == (
        False,
        "withdrawn",
        "email",
    )
    assert (unknown.json["allowed"], unknown.json["state"], unknown.json["suppressed_by"]) == (False, "unknown", None)
    assert all(answer.json["reason"] for answer in (allowed, refused, unknown))


def test_whether_a_person_may_be_tracked_depends_on_where_they_are(server, pact):
    def ask(place):
        return check(server, pact, distinct_id="anon-9", channel="tracking", jurisdiction=place).json["allowed"]

    assert (ask("DE"), ask("US-CA"), ask("BR")) == (False, True, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"channel": "email"}, 422, id="nobody asked about"),
        pytest.param({"contact_id": "crm-1", "channel": "pigeon"}, 422, id="no channel"),
        pytest.param({"contact_id": "crm-1", "channel": "email", "porpose": "x"}, 422, id="a misspelt field"),
        pytest.param({"contact_id": ["crm-1"], "channel": "email"}, 422, id="a list"),
        pytest.param({"contact_id": "null", "channel": "email"}, 422, id="a word for nobody"),
        pytest.param([], 422, id="no object"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_in_pacts_words(server, pact, body, status):
    answer = server.post("/v1/consent/check", body, pact)

    assert answer.status == status
    assert answer.json["detail"]


def test_a_check_needs_a_secret_pact_key(server, shop):
    browser = server.add_source("Pact page", "pact", "web")["credentials"]["api_key"]
    body = {"contact_id": "crm-1", "channel": "email"}

    assert server.post("/v1/consent/check", body).status == 401
    assert server.post("/v1/consent/check", body, "pact_live_0123").status == 401
    assert server.post("/v1/consent/check", body, browser).status == 403
    assert server.request("GET", "/v1/consent/check").status == 405


def tell(server, shop, profile, consents, **headers):
    body = {
        "source": {"id": shop["id"]},
        "session": {"id": "visit-7"},
        "profile": {"id": profile},
        "consents": consents,
    }
    return server.post("/customer/consent", body, headers=headers)


def find_a_profile(server, shop):
    key = shop["credentials"]["write_key"]
    event = {"event_type": "page_view", "anonymous_id": "device-t", "consent": {"tracking": True}}
    answer = server.post("/v1/events", event, key, {"cf-ipcountry": "DE"})
    server.wait_until_settled()
    return server.api(f"events/{answer.json['results'][0]['event_id']}")["event"]["profile_id"]


def test_tracardi_tells_what_a_profile_agreed_to(server, shop):
    profile = find_a_profile(server, shop)

    answer = tell(server, shop, profile, {"newsletter": True, "tracking": False}, origin="https://shop.example.com")

    assert (answer.status, answer.json["saved"], answer.json["ids"]) == (200, 1, [profile])
    assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
    server.wait_until_settled()
    found = server.api("consents", kind="anonymous_id", value="device-t")
    stands = {(s["channel"], s["purpose"]): s["state"] for s in found["effective"]}
    assert stands == {("tracking", ""): "withdrawn", ("", "newsletter"): "granted"}


def test_tracardi_denies_a_source_or_profile_that_nobody_gave_out(server, shop):
    profile = find_a_profile(server, shop)
    invented = "01890000-0000-8000-8000-000000000000"

    assert tell(server, shop, invented, {"a": True}).json == {"detail": "Access denied"}
    assert tell(server, shop, "not a profile", {"a": True}).status == 403
    assert tell(server, {"id": "no-such-source"}, profile, {"a": True}).status == 403
    assert tell(server, shop, profile, {}).status == 422


def test_the_default_policy_is_shown_with_its_groups(server):
    shown = server.api("policies")

    assert [rule["id"] for rule in shown["policy"]["rules"]] == ["eu-opt-in", "us-opt-out", "elsewhere"]
    assert shown["policy"]["version"] == 0
    assert "US-CA" in shown["groups"]["US-GPC"]


@pytest.mark.parametrize(
    ("question", "outcome", "stored", "rule"),
    [
        ({"country": "de"}, "anonymise", "anonymous", "eu-opt-in"),
        ({"country": "DE", "state": "granted"}, "store", "full", "eu-opt-in"),
        ({"region": "US-CA", "gpc": True}, "drop", False, "us-opt-out"),
        ({"country": "US", "region": "ca"}, "store", "full", "us-opt-out"),
        ({}, "store", "full", "elsewhere"),
        (
            {
                "country": "BR",
                "rules": [{"id": "r", "jurisdictions": ["*"], "mode": "opt_in", "without_consent": "drop"}],
            },
            "drop",
            False,
            "r",
        ),
    ],
)
def test_what_if(call, question, outcome, stored, rule):
    answer = call("POST", "policies/test", question)

    assert (answer.status, answer.json["outcome"], answer.json["stored"], answer.json["rule"]) == (
        200,
        outcome,
        stored,
        rule,
    )
    assert answer.json["why"]


@pytest.mark.parametrize("question", [{"state": "maybe"}, {"gpc": "yes"}, {"land": "DE"}, {"rules": "none"}])
def test_a_what_if_that_makes_no_sense_is_refused(call, question):
    assert call("POST", "policies/test", question).status == 422


def test_a_policy_put_in_force_decides_within_a_second_and_keeps_the_earlier_ones(server, call, shop):
    def send():
        event = {"event_type": "page_view", "anonymous_id": "device-p"}
        answer = server.post("/v1/events", event, shop["credentials"]["write_key"], {"cf-ipcountry": "DE"})
        server.wait_until_settled()
        return server.api(f"events/{answer.json['results'][0]['event_id']}")["event"]

    rules = [{"id": "all", "jurisdictions": ["*"], "mode": "none"}]
    made = call("PUT", "policies", {"rules": rules})
    assert (made.status, made.json["policy"]["version"], made.json["policy"]["changed_by"]) == (200, 1, "admin token")
    time.sleep(1.1)
    assert (send()["stored_as"], send()["consent_rule"]) == ("full", "all")

    shown = server.api("policies")
    again = call("PUT", "policies", {"rules": shown["earlier"][0]["rules"]})
    assert again.status == 200
    time.sleep(1.1)
    assert send()["stored_as"] == "anonymous"
    assert [version["version"] for version in server.api("policies")["earlier"]] == [1, 0]


def test_a_policy_that_cannot_be_used_is_refused_by_name(call):
    answer = call("PUT", "policies", {"rules": [{"id": "r", "jurisdictions": ["Mars"], "mode": "none"}]})

    assert answer.status == 422
    assert answer.json["error"]["field"] == "rules[0].jurisdictions"
    assert "Mars" in answer.json["error"]["message"]
