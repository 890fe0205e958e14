"""What the consent policy makes of one event, and what a batch hears of consent."""

import time

import msgspec
import pytest

from trackway.control.database import State, migrate_state
from trackway.event import Event
from trackway.outcome import Reason
from trackway.pipeline.anonymity import cut_query, forget_names, names_somebody
from trackway.pipeline.consent import FILLS, Consents, decide_consent
from trackway.pipeline.desk import Dropped
from trackway.pipeline.visitors import name_visitor
from trackway.profiles.consents import read_history
from trackway.profiles.identifiers import Identifier, ProfileKeys
from trackway.profiles.policies import Policy, read_rules

SECRETS = ("anon-7f3a", "session-1", "anna-1", "crm-9", "acme", "chat-5", "anna@example.com", "203.0.113.77", "Mozilla")


@pytest.fixture
def state(tmp_path):
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    migrate_state(state)
    yield state
    state.close()


@pytest.fixture
def named(make_event):
    """An event that names its person in every field that can."""
    return make_event(
        country="DE",
        anonymous_id="anon-7f3a",
        session_id="session-1",
        user_id="anna-1",
        contact_id="crm-9",
        account_id="acme",
        instance_id="chat-5",
        dedupe_key="anon-7f3a-1",
        business_key="order_id:anna-1",
        identifiers={"email": ["anna@example.com"]},
        traits={"email": "anna@example.com"},
        account_traits={"name": "acme"},
        url="https://anna:pw@shop.example.com/pricing?utm_source=news&email=anna@example.com#anna-1",
        referrer="https://mail.example.com/read?user=anna-1",
        title="Mail to anna@example.com",
        utm_source="news",
        click_id_kind="gclid",
        click_id="anna-1",
        ip="203.0.113.77",
        user_agent="Mozilla/5.0",
        visitor_key="a:anon-7f3a",
        weak_key="anna-1",
        properties={"userId": "anna-1", "plan": "growth", "form": {"E-Mail": "anna@example.com", "size": 3}},
        context={"time_zone": "Europe/Berlin", "device_id": "anon-7f3a", "unknown": {"x": "anna-1"}},
    )


def test_an_event_without_consent_from_berlin_keeps_nothing_that_names_its_person(named, make_desk):
    stored = decide_consent(named, make_desk())

    assert isinstance(stored, Event)
    assert (stored.stored_as, stored.consent_rule) == ("anonymous", "eu-opt-in")
    written = msgspec.json.encode(stored).decode()
    assert [secret for secret in SECRETS if secret in written] == []
    assert "anna" not in written


def test_what_happened_is_still_counted(named, make_desk):
    stored = decide_consent(named, make_desk())

    assert stored.url == "https://shop.example.com/pricing"
    assert stored.referrer == "https://mail.example.com/read"
    assert (stored.utm_source, stored.click_id_kind, stored.country) == ("news", "gclid", "DE")
    assert stored.properties == {"plan": "growth", "form": {"size": 3}}
    assert stored.context == {"time_zone": "Europe/Berlin"}


def test_an_anonymous_visitor_is_the_one_that_a_visitor_without_cookies_would_be(named, make_desk):
    desk = make_desk()
    cookieless = msgspec.structs.replace(named, anonymous_id="", user_id="", contact_id="", visitor_key="")

    assert decide_consent(named, desk).visitor_key == name_visitor(cookieless, desk).visitor_key != ""


@pytest.mark.parametrize(
    ("fields", "headers", "outcome"),
    [
        ({"country": "DE", "consent": {"tracking": True}}, {}, "full"),
        ({"country": "DE", "consent": {"analytics_storage": "granted"}}, {}, "full"),
        ({"country": "DE", "consent": {"email": True}}, {}, "anonymous"),
        ({"country": "DE", "context": {"consent": {"categoryPreferences": {"Analytics": True}}}}, {}, "full"),
        ({"country": "DE", "consent": {"tracking": {"state": "granted", "expires_at": 1}}}, {}, "anonymous"),
        ({"country": "DE", "consent": {"tracking": False}}, {}, "dropped"),
        ({"country": "US", "region": "US-CA"}, {}, "full"),
        ({"country": "US", "region": "US-CA"}, {"sec-gpc": "1"}, "dropped"),
        ({"country": "US", "region": "US-CA"}, {"sec-gpc": "0", "dnt": "1"}, "full"),
        ({"country": "US", "region": "US-CA", "channel": "server"}, {"sec-gpc": "1"}, "full"),
        ({"country": "BR"}, {"sec-gpc": "1"}, "full"),
        ({"country": "BR", "consent": {"tracking": "denied"}}, {}, "dropped"),
        ({}, {}, "full"),
    ],
)
def test_own_word_place_and_signals_decide(make_event, make_desk, fields, headers, outcome):
    result = decide_consent(make_event(anonymous_id="d-1", **fields), make_desk(request_headers=headers))

    if outcome == "dropped":
        assert isinstance(result, Dropped)
        assert result.reason is Reason.NO_CONSENT
    else:
        assert (result.stored_as, result.anonymous_id) == (outcome, "d-1" if outcome == "full" else "")
        assert result.consent_rule


def test_a_policy_of_ones_own_decides(make_event, make_desk):
    policy = Policy(read_rules([{"id": "mine", "jurisdictions": ["*"], "mode": "opt_in", "without_consent": "drop"}]))

    dropped = decide_consent(make_event(anonymous_id="d-1"), make_desk(policy=policy))

    assert isinstance(dropped, Dropped)
    assert dropped.detail.startswith("mine: ")


def test_it_fills_only_its_own_fields_and_is_stable(named, make_desk):
    desk = make_desk()
    once = decide_consent(named, desk)

    assert all(getattr(once, f) is getattr(named, f) for f in Event.__struct_fields__ if f not in FILLS)
    assert decide_consent(msgspec.structs.replace(once, ip=named.ip, user_agent=named.user_agent), desk) == once


@pytest.mark.parametrize(
    "name",
    [
        "email",
        "E-Mail",
        "userId",
        "user_id",
        "distinct_id",
        "visitorUUID",
        "client-id",
        "phone",
        "gclid",
        "orderId",
    ],
)
def test_names_of_properties_that_name_somebody(name):
    assert names_somebody(name)


@pytest.mark.parametrize("name", ["plan", "price", "product_id", "category", "device", "form_name", "users", "kid"])
def test_names_of_properties_that_name_nobody(name):
    assert not names_somebody(name) or name == "device"


@pytest.mark.parametrize(
    ("event_type", "kept"),
    [
        ("signup", {"products": [{"id": 7, "name": "Boots"}]}),
        ("form_submit", {"id": "f", "name": "Anna", "products": [{"id": 7, "name": "Boots"}]}),
        ("identify", {}),
    ],
)
def test_id_and_name_are_kept_of_forms_and_products_only(make_event, make_desk, event_type, kept):
    said = {"id": "f", "name": "Anna", "products": [{"id": 7, "name": "Boots"}], "billing": {"name": "Anna"}}
    event = make_event(country="DE", event_type=event_type, properties=said)

    assert decide_consent(event, make_desk()).properties == kept


@pytest.mark.parametrize("text", ["x", "x@", "@", "x@y", "/", "?", "a:"])
def test_the_longest_text_that_is_taken_is_looked_through_at_once(text):
    """Time that grows with the square of the length would let one event stop the pipeline for hours."""
    long = text * (1_000_000 // len(text))
    began = time.process_time()
    forget_names({"note": long})
    assert time.process_time() - began < 2


def test_values_that_name_somebody_are_taken_from_any_depth():
    said = {"list": [{"email": "a@example.com", "n": 1}, "write to a@example.com", "/cart?user=7", "fine"]}

    assert forget_names(said) == {"list": [{"n": 1}, "", "/cart", "fine"]}
    deep = said
    for _ in range(50):
        deep = {"in": deep}
    assert "example.com" not in str(forget_names(deep))


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://a.example/x?y=1#z", "https://a.example/x"),
        ("https://user:pw@a.example/x", "https://a.example/x"),
        ("//user@a.example/", "//a.example/"),
        ("/x?y@z", "/x"),
        ("https://a.example/mail@home", "https://a.example/mail@home"),
        ("x\n?y\nz", "x\n"),
        ("", ""),
    ],
)
def test_addresses_lose_query_fragment_and_login(address, kept):
    assert cut_query(address) == kept


KEYS = ProfileKeys(b"k" * 32)


def open_batch(state, *events):
    return Consents(state, events, lambda workspace: KEYS)


def commit(state, consents):
    with state.write() as connection:
        consents.write(connection)


def outcome_of(event, desk):
    result = decide_consent(event, desk)
    return "dropped" if isinstance(result, Dropped) else result.stored_as


def test_a_withdrawal_is_written_down_although_its_event_is_dropped(state, make_event, make_desk):
    event = make_event(event_id="w-1", anonymous_id="d-1", country="DE", ip="192.0.2.7", consent={"tracking": False})
    batch = open_batch(state, event)

    assert outcome_of(event, make_desk(consents=batch)) == "dropped"
    commit(state, batch)

    with state.read() as connection:
        (row,) = read_history(connection, [KEYS.make(Identifier("anonymous_id", "d-1"))])
    assert (row["state"], row["jurisdiction"], row["event_id"]) == ("withdrawn", "DE", "w-1")
    assert b"192.0.2.7" not in bytes(row["proof"])
    assert b"ip_hash" in bytes(row["proof"])


def test_what_was_said_counts_for_later_events_of_the_batch_and_of_later_batches(state, make_event, make_desk):
    before = make_event(event_id="1", anonymous_id="d-1", country="DE")
    agrees = make_event(event_id="2", anonymous_id="d-1", country="DE", consent={"tracking": True})
    after = make_event(event_id="3", anonymous_id="d-1", country="DE")
    other = make_event(event_id="4", anonymous_id="d-2", country="DE")
    batch = open_batch(state, before, agrees, after, other)
    desk = make_desk(consents=batch)

    assert [outcome_of(event, desk) for event in (before, agrees, after, other)] == [
        "anonymous",
        "full",
        "full",
        "anonymous",
    ]
    commit(state, batch)
    desk = make_desk(consents=open_batch(state, after, other))
    assert [outcome_of(event, desk) for event in (after, other)] == ["full", "anonymous"]


def test_a_batch_that_is_not_committed_leaves_nothing(state, make_event, make_desk):
    event = make_event(anonymous_id="d-1", country="DE", consent={"tracking": True})
    decide_consent(event, make_desk(consents=open_batch(state, event)))

    later = make_event(anonymous_id="d-1", country="DE")
    assert outcome_of(later, make_desk(consents=open_batch(state, later))) == "anonymous"


def test_identifiers_that_came_together_stand_together_within_a_batch(state, make_event, make_desk):
    meets = make_event(event_id="1", anonymous_id="d-1", user_id="u-1")
    leaves = make_event(event_id="2", user_id="u-1", consent={"tracking": False})
    later = make_event(event_id="3", anonymous_id="d-1")
    desk = make_desk(consents=open_batch(state, meets, leaves, later))

    assert [outcome_of(event, desk) for event in (meets, leaves, later)] == ["full", "dropped", "dropped"]


def test_a_national_telephone_number_is_found_though_its_country_was_unknown_at_first(state, make_event, make_desk):
    phone = {"phone": ["030 1234567"]}
    leaves = make_event(event_id="1", country="DE", identifiers=phone, consent={"tracking": False})
    batch = open_batch(state)
    decide_consent(leaves, make_desk(consents=batch))
    commit(state, batch)

    unplaced = make_event(event_id="2", identifiers=phone)
    batch = open_batch(state, unplaced)
    assert outcome_of(msgspec.structs.replace(unplaced, country="DE"), make_desk(consents=batch)) == "dropped"


def test_an_event_that_names_nobody_leaves_nothing_in_the_ledger(state, make_event, make_desk):
    event = make_event(country="DE", consent={"tracking": True})
    batch = open_batch(state, event)

    assert outcome_of(event, make_desk(consents=batch)) == "full"
    assert batch.heard == []
