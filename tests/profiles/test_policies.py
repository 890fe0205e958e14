"""The consent policy decides by place, state and signals, and always decides something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.profiles.policies import DEFAULT_RULES, STATES, Policy, PolicyError, Rule, read_rules

DEFAULT = Policy()


def decide(country="", region="", state="unknown", *, gpc=False, dnt=False, policy=DEFAULT, source="web-1"):
    return policy.decide(country, region, "tracking", source, state, gpc, dnt)


@pytest.mark.parametrize(
    ("country", "region", "state", "gpc", "outcome", "rule"),
    [
        pytest.param("DE", "", "unknown", False, "anonymise", "eu-opt-in", id="a Berliner who was not asked"),
        pytest.param("DE", "DE-BE", "pending", False, "anonymise", "eu-opt-in", id="a Berliner who was asked"),
        pytest.param("DE", "", "expired", False, "anonymise", "eu-opt-in", id="a consent that ended"),
        pytest.param("DE", "", "granted", False, "store", "eu-opt-in", id="a Berliner who agreed"),
        pytest.param("DE", "", "granted", True, "store", "eu-opt-in", id="agreed, and a browser that sends GPC"),
        pytest.param("DE", "", "withdrawn", False, "drop", "eu-opt-in", id="a Berliner who withdrew"),
        pytest.param("NO", "", "unknown", False, "anonymise", "eu-opt-in", id="Norway is EEA"),
        pytest.param("GB", "", "unknown", False, "anonymise", "eu-opt-in", id="the UK"),
        pytest.param("CH", "", "unknown", False, "anonymise", "eu-opt-in", id="Switzerland"),
        pytest.param("RE", "", "unknown", False, "anonymise", "eu-opt-in", id="Réunion is France"),
        pytest.param("US", "US-CA", "unknown", False, "store", "us-opt-out", id="a Californian"),
        pytest.param("US", "US-CA", "unknown", True, "drop", "us-opt-out", id="a Californian with GPC"),
        pytest.param("US", "US-CA", "withdrawn", False, "drop", "us-opt-out", id="a Californian who opted out"),
        pytest.param("US", "", "unknown", True, "drop", "us-opt-out", id="somewhere in the US with GPC"),
        pytest.param("US", "US-WY", "unknown", True, "store", "elsewhere", id="Wyoming has no such law"),
        pytest.param("BR", "", "unknown", False, "store", "elsewhere", id="elsewhere"),
        pytest.param("BR", "", "withdrawn", False, "drop", "elsewhere", id="withdrawn elsewhere"),
        pytest.param("", "", "unknown", False, "store", "elsewhere", id="nobody knows where"),
    ],
)
def test_the_default_policy(country, region, state, gpc, outcome, rule):
    decision = decide(country, region, state, gpc=gpc)

    assert (decision.outcome, decision.rule_id) == (outcome, rule)
    assert decision.why


def test_every_state_whose_law_names_gpc_is_in_the_default_rule():
    for state in ["CA", "CO", "CT", "DE", "MD", "MN", "MT", "NE", "NH", "NJ", "OR", "TX"]:
        assert decide("US", f"US-{state}", gpc=True).outcome == "drop"


def test_dnt_counts_only_where_the_rule_says_so():
    rules = read_rules([{"id": "us", "jurisdictions": ["US"], "mode": "opt_out", "dnt": True}])

    assert decide("US", "US-CA", dnt=True).outcome == "store"
    assert decide("US", "US-CA", dnt=True, policy=Policy(rules)).outcome == "drop"


def test_the_first_rule_that_fits_wins_and_a_rule_may_be_for_one_source():
    policy = Policy(
        read_rules(
            [
                {"id": "shop", "jurisdictions": ["*"], "sources": ["shop"], "mode": "none"},
                {"id": "rest", "jurisdictions": ["*"], "mode": "opt_in", "without_consent": "drop"},
            ]
        )
    )

    assert decide("DE", policy=policy, source="shop").outcome == "store"
    assert decide("DE", policy=policy, source="blog").outcome == "drop"


def test_a_rule_may_be_for_visitors_whose_country_nobody_knows():
    rules = [{"id": "dark", "jurisdictions": ["unknown"], "mode": "opt_in", "without_consent": "anonymise"}]
    policy = Policy(read_rules(rules))

    assert decide("", policy=policy).outcome == "anonymise"
    assert decide("DE", policy=policy).rule_id == ""


GOOD = {"id": "r", "jurisdictions": ["DE"], "mode": "none"}
HELD = GOOD | {"mode": "opt_in", "without_consent": "hold"}


@pytest.mark.parametrize(
    ("rules", "field", "message"),
    [
        pytest.param({}, "rules", "must be a list", id="no list"),
        pytest.param([], "rules", "1 to 200 rules", id="no rule"),
        pytest.param(["DE"], "rules[0]", "must be an object", id="a text"),
        pytest.param([GOOD | {"mode": "optin"}], "rules[0].mode", "optin", id="a mode that does not exist"),
        pytest.param([{"id": "r", "mode": "none"}], "rules[0]", "jurisdictions", id="no places"),
        pytest.param([GOOD | {"jurisdictions": ["Germany"]}], "rules[0].jurisdictions", "Germany", id="a name"),
        pytest.param([GOOD | {"jurisdictions": []}], "rules[0].jurisdictions", "1 to", id="nowhere"),
        pytest.param([GOOD | {"sources": []}], "rules[0].sources", "1 to", id="no sources"),
        pytest.param([GOOD | {"id": "a b"}], "rules[0].id", "letters", id="an id with a blank"),
        pytest.param([GOOD, GOOD], "rules[1].id", "twice", id="an id twice"),
        pytest.param([GOOD | {"hold": True}], "rules[0]", "hold", id="a field that does not exist"),
        pytest.param([GOOD | {"without_consent": "hold"}], "rules[0].without_consent", "opt_in", id="hold in none"),
        pytest.param([HELD | {"hold_hours": 0}], "rules[0].hold_hours", "1 to 720", id="no time to hold"),
        pytest.param([HELD | {"hold_hours": 721}], "rules[0].hold_hours", "1 to 720", id="held for ever"),
        pytest.param([HELD | {"hold_hours": "3"}], "rules[0].hold_hours", "int", id="hours as a text"),
        pytest.param(
            [HELD | {"without_consent": "drop", "hold_hours": 3}],
            "rules[0].hold_hours",
            "hold",
            id="hours without hold",
        ),
        pytest.param([GOOD | {"without_consent": "drop"}], "rules[0].without_consent", "opt_in", id="drop in none"),
        pytest.param(
            [GOOD | {"jurisdictions": ["*"]}, GOOD | {"id": "s"}], "rules[1]", "never decide", id="hidden by another"
        ),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused_by_name(rules, field, message):
    with pytest.raises(PolicyError, match=message) as refused:
        read_rules(rules)

    assert refused.value.field == field


places = st.sampled_from(["", "DE", "US", "BR", "XX", "no country"]) | st.text(max_size=5)
regions = st.sampled_from(["", "US-CA", "US-WY", "DE-BE"]) | st.text(max_size=8)
listed = st.lists(
    st.sampled_from(["EU", "EEA", "UK", "CH", "US-GPC", "US-unknown", "unknown", "*", "DE", "US-CA"]), min_size=1
).map(tuple)
rules = st.builds(
    Rule,
    id=st.just("r"),
    jurisdictions=listed,
    purpose=st.sampled_from(["tracking", "ads", "*"]),
    mode=st.sampled_from(["opt_in", "opt_out", "none"]),
    without_consent=st.sampled_from(["store", "anonymise", "hold", "drop"]),
    gpc=st.sampled_from([None, True, False]),
    dnt=st.booleans(),
)
policies = st.one_of(st.just(DEFAULT_RULES), st.lists(rules, max_size=4)).map(Policy)


@given(policies, places, regions, st.text(max_size=10), st.text(max_size=5), st.text() | st.sampled_from(STATES))
def test_every_question_has_an_answer(policy, country, region, purpose, source, state):
    for gpc in (False, True):
        for dnt in (False, True):
            decision = policy.decide(country, region, purpose, source, state, gpc, dnt)
            assert decision.outcome in ("store", "anonymise", "hold", "drop")
            assert (decision.hold_hours > 0) == (decision.outcome == "hold")
            assert decision.why


@given(policies, places, regions, st.sampled_from(["tracking", "ads"]), st.booleans(), st.booleans())
def test_withdrawn_drops_in_every_place_and_mode(policy, country, region, purpose, gpc, dnt):
    assert policy.decide(country, region, purpose, "web-1", "withdrawn", gpc, dnt).outcome == "drop"


@given(policies, places, regions, st.booleans())
def test_a_granted_consent_without_signals_is_stored_in_every_place(policy, country, region, dnt):
    assert policy.decide(country, region, "tracking", "web-1", "granted", False, False).outcome == "store"


@given(policies, places, regions, st.sampled_from(STATES))
def test_a_signal_never_allows_more_than_its_absence(policy, country, region, state):
    severity = ("store", "anonymise", "hold", "drop").index
    without = policy.decide(country, region, "tracking", "web-1", state, False, False).outcome

    assert severity(policy.decide(country, region, "tracking", "web-1", state, True, True).outcome) >= severity(without)
