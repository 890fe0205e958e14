"""What senders say of consent is read the same in every dialect's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.profiles.consent_words import Stand, Statement, Topic, read_statements, resolve, tracking_state


def read(said):
    return {(s.topic.channel, s.topic.purpose): s.state for s in read_statements(said)[0]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param({"tracking": True}, {("tracking", ""): "granted"}, id="true"),
        pytest.param({"tracking": "denied"}, {("tracking", ""): "withdrawn"}, id="denied"),
        pytest.param({"Email": "Declined"}, {("email", ""): "withdrawn"}, id="capitals do not count"),
        pytest.param({"sms": {"marketing": False}}, {("sms", "marketing"): "withdrawn"}, id="purposes of a channel"),
        pytest.param({"email.transactional": "granted"}, {("email", "transactional"): "granted"}, id="with a dot"),
        pytest.param(
            {"analytics_storage": "granted", "ad_storage": "denied", "ad_personalization": "denied"},
            {("tracking", "analytics"): "granted", ("ads", ""): "withdrawn", ("ads", "profiling"): "withdrawn"},
            id="Google's consent mode",
        ),
        pytest.param(
            {"categoryPreferences": {"Analytics": True, "Advertising": False, "DataSharing": False}},
            {("tracking", "analytics"): "granted", ("ads", ""): "withdrawn", ("", "DataSharing"): "withdrawn"},
            id="Segment's categories",
        ),
        pytest.param({"newsletter 2026": "pending"}, {("", "newsletter 2026"): "pending"}, id="a name of their own"),
        pytest.param(
            {"analytics": True, "analytics_storage": "denied"},
            {("tracking", "analytics"): "withdrawn"},
            id="two names for one thing, the one that forbids stands",
        ),
        pytest.param({"tracking": "maybe", "email": 7, "": True, "ads": None}, {}, id="no states"),
    ],
)
def test_words_become_topics_and_states(said, expected):
    assert read(said) == expected


def test_what_is_no_state_is_named():
    assert read_statements({"tracking": "maybe", "email": True})[1] == ["tracking"]


def test_a_statement_may_end_and_name_its_text():
    said = {"email": {"state": "granted", "expires_at": 1_800_000_000_000, "text_version": "v3"}}

    assert read_statements(said)[0] == [Statement(Topic("email", ""), "granted", 1_800_000_000_000, "v3")]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"tracking": True}, "granted"),
        ({"analytics_storage": "denied"}, "withdrawn"),
        ({"tracking": True, "analytics": False}, "withdrawn"),
        ({"tracking": False, "analytics": True}, "withdrawn"),
        ({"email": False}, None),
        ({}, None),
    ],
)
def test_which_words_are_about_tracking(said, state):
    assert tracking_state(read_statements(said)[0], 0) == state


EMAIL, MAIL_NEWS = Topic("email", ""), Topic("email", "marketing")


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        pytest.param({EMAIL: Stand("granted", 5)}, "granted", id="the channel stands for its purposes"),
        pytest.param(
            {EMAIL: Stand("withdrawn", 5), MAIL_NEWS: Stand("granted", 4)}, "withdrawn", id="all withdrawn later"
        ),
        pytest.param({EMAIL: Stand("withdrawn", 4), MAIL_NEWS: Stand("granted", 5)}, "granted", id="granted again"),
        pytest.param(
            {EMAIL: Stand("granted", 9), MAIL_NEWS: Stand("withdrawn", 1)}, "withdrawn", id="one purpose is out"
        ),
        pytest.param({Topic("", "marketing"): Stand("withdrawn", 1)}, "withdrawn", id="the purpose on every channel"),
        pytest.param({Topic("sms", ""): Stand("withdrawn", 1)}, None, id="another channel"),
    ],
)
def test_the_most_specific_statement_counts_unless_a_wider_one_was_withdrawn_later(stands, expected):
    found = resolve(stands, MAIL_NEWS)

    assert (found and found[0]) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["tracking", "email", "categoryPreferences"]) | st.text(), anything))
def test_whatever_is_said_is_read_without_a_fault(said):
    statements, _ = read_statements(said)

    assert all(s.state in ("granted", "withdrawn", "pending", "expired", "unknown") for s in statements)
    tracking_state(statements, 0)
