"""Consent on a running server: what a visitor from each place leaves behind, as the API shows it."""

import pytest

from trackway.testing.server import start_server

BERLIN = {"cf-ipcountry": "DE"}
CALIFORNIA = {"cf-ipcountry": "US", "cf-region-code": "CA"}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_server(tmp_path_factory.mktemp("consent"), trusted_proxies="127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def key(server):
    return server.add_source("Shop", "native", "web")["credentials"]["write_key"]


@pytest.fixture
def send(server, key):
    def send(name, headers, **fields):
        """One page view; its answer and what the API shows of it afterwards."""
        event = {
            "event_type": "page_view",
            "anonymous_id": f"device-{name}",
            "session_id": f"visit-{name}",
            "url": f"https://shop.example.com/pricing?utm_source=news&who={name}",
            "properties": {"email": f"{name}@example.com", "plan": "growth"},
        }
        answer = server.post("/v1/events", event | fields, key, {"user-agent": BROWSER, **headers})
        assert answer.status == 200, answer.body
        server.wait_until_settled()
        result = answer.json["results"][0]
        return result, server.api(f"events/{result['event_id']}")

    return send


def balance(server):
    books = server.wait_until_settled()
    for source in books["sources"]:
        dropped = sum(source["dropped"].values())
        assert source["received"] == source["stored"] + source["duplicate"] + dropped + source["dead_lettered"]
    return next(source for source in books["sources"] if source["source"] == "shop")


def test_a_visitor_from_berlin_without_consent_is_counted_and_not_known(send):
    _, found = send("anna", BERLIN)

    event = found["event"]
    assert found["outcome"] == "stored"
    assert (event["stored_as"], event["consent_rule"], event["country"]) == ("anonymous", "eu-opt-in", "DE")
    assert "anna" not in str(found).replace("event_id", "")
    assert (event["anonymous_id"], event["session_id"], event["ip"], event["user_agent"]) == ("", "", "", "")
    assert (event["url"], event["utm_source"]) == ("https://shop.example.com/pricing", "news")
    assert (event["browser"], event["device"]) == ("Firefox", "desktop")
    assert event["visitor_key"].startswith("d:")
    assert event["properties"] == {"plan": "growth"}
    assert event["profile_id"] in ("", "00000000-0000-0000-0000-000000000000")


def test_a_visitor_from_berlin_who_agreed_is_stored_in_full_from_then_on(send):
    _, asked = send("bert", BERLIN, consent={"tracking": "granted"})
    _, later = send("bert", BERLIN)

    for found in (asked, later):
        assert (found["event"]["stored_as"], found["event"]["anonymous_id"]) == ("full", "device-bert")


def test_a_withdrawal_drops_later_events_and_a_new_consent_ends_that(send):
    send("carl", BERLIN, consent={"tracking": True})
    answer, gone = send("carl", BERLIN, consent={"tracking": False})
    _, later = send("carl", BERLIN)
    _, again = send("carl", BERLIN, consent={"analytics_storage": "granted"})

    assert answer["stored"] is False
    assert [found["outcome"] for found in (gone, later, again)] == ["dropped", "dropped", "stored"]
    assert gone["reason"] == later["reason"] == "no_consent"
    assert "eu-opt-in" in gone["detail"]


def test_a_californian_is_stored_and_with_gpc_dropped(send):
    _, found = send("dora", CALIFORNIA)
    answer, gone = send("emil", CALIFORNIA | {"sec-gpc": "1"})

    assert (found["event"]["stored_as"], found["event"]["consent_rule"]) == ("full", "us-opt-out")
    assert found["event"]["region"] == "US-CA"
    assert answer["stored"] is False
    assert (gone["outcome"], gone["reason"]) == ("dropped", "no_consent")


def test_elsewhere_everything_is_stored(send):
    answer, found = send("fred", {"cf-ipcountry": "BR", "sec-gpc": "1"})

    assert "stored" not in answer
    assert (found["event"]["stored_as"], found["event"]["consent_rule"]) == ("full", "elsewhere")


def test_the_answer_says_anonymous_where_that_is_certain(send):
    told, _ = send("gina", BERLIN, consent={"tracking": "pending"})
    nobody, _ = send("", BERLIN, anonymous_id="", session_id="")
    may_have_agreed, _ = send("hans", BERLIN)

    assert told["stored"] == nobody["stored"] == "anonymous"
    assert "stored" not in may_have_agreed


def test_pact_says_it_in_its_own_answer(server):
    key = server.add_source("CRM", "pact", "web")["credentials"]["api_key"]
    event = {"event_type": "page_view", "distinct_id": "anon-1"}

    answer = server.post("/v1/tracking/events", event, key, CALIFORNIA | {"sec-gpc": "1"})

    assert (answer.status, answer.json["status"], answer.json["stored"]) == (202, "accepted", False)


def test_a_consent_that_is_no_state_is_warned_of(send):
    answer, _ = send("ida", BERLIN, consent={"tracking": "perhaps"})

    assert "tracking" in answer["warnings"][0]


def test_the_books_balance(server, send):
    send("jan", BERLIN)
    send("jan", BERLIN, consent={"tracking": False})

    shop = balance(server)
    assert shop["dropped"]["no_consent"] >= 1
