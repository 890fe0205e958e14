"""Amount and currency of purchases and conversions, as senders write them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackway.pipeline.money import CONVERSION_TYPES, REVENUE_TYPES, read_revenue


@pytest.mark.parametrize("event_type", [*REVENUE_TYPES, "payment_page_view", "payment_success"])
@pytest.mark.parametrize("guessed", [True, False])
def test_what_a_script_guessed_is_no_money_whatever_it_is_called(make_event, make_desk, event_type, guessed):
    properties = {"amount": 299.0, "currency": "USD", "heuristic": guessed}
    event = read_revenue(make_event(event_type=event_type, properties=properties), make_desk())
    counts = not guessed and event_type in REVENUE_TYPES
    assert (event.revenue, event.currency) == ((2_990_000, "USD") if counts else (0, ""))


@pytest.mark.parametrize(
    ("said", "parts"),
    [
        pytest.param(49, 490_000, id="a whole number"),
        pytest.param(49.9, 499_000, id="a fraction, by the digits that were sent"),
        pytest.param(0.1, 1_000, id="a fraction that binary cannot hold"),
        pytest.param(1e5, 1_000_000_000, id="a number with an exponent"),
        pytest.param(0.00005, 1, id="half a ten-thousandth is rounded up"),
        pytest.param(0.00004, 0, id="less than half a ten-thousandth is nothing"),
        pytest.param("49.90", 499_000, id="text with a point"),
        pytest.param("49,90", 499_000, id="text with a comma"),
        pytest.param("1.234,50", 12_345_000, id="both, the comma last"),
        pytest.param("1,234.50", 12_345_000, id="both, the point last"),
        pytest.param("1,234,567.8", 12_345_678_000, id="thousands more than once"),
        pytest.param("1,234,567", 12_345_670_000, id="a separator that repeats is no decimal one"),
        pytest.param("1.234.567", 12_345_670_000, id="the same with points"),
        pytest.param("1,234", 12_340, id="one comma is a decimal one, whatever follows"),
        pytest.param("1\u202f234,50", 12_345_000, id="a narrow gap between thousands"),
        pytest.param("1'234.50", 12_345_000, id="an apostrophe between thousands"),
        pytest.param(" 12 ", 120_000, id="blanks around"),
        pytest.param("\u20ac12", 120_000, id="a currency sign before"),
        pytest.param("12 EUR", 120_000, id="a code behind"),
        pytest.param(".5", 5_000, id="nothing before the point"),
        pytest.param("12.", 120_000, id="nothing behind the point"),
        pytest.param(900_000_000_000, 9_000_000_000_000_000, id="the largest"),
        pytest.param(900_000_000_000.01, 0, id="above the largest"),
        pytest.param("900000000000.01", 0, id="above the largest, as text"),
        pytest.param(10**400, 0, id="a number of 400 digits"),
        pytest.param("9" * 60, 0, id="60 digits"),
        pytest.param("9" * 61, 0, id="more digits than are looked at"),
        pytest.param(-5, 0, id="negative"),
        pytest.param("-5", 0, id="negative text"),
        pytest.param(0, 0, id="zero"),
        pytest.param("0,00", 0, id="zero as text"),
        pytest.param(float("nan"), 0, id="not a number"),
        pytest.param(float("inf"), 0, id="infinity"),
        pytest.param("NaN", 0, id="not a number, as text"),
        pytest.param("1e5", 0, id="an exponent in text"),
        pytest.param("1.2,3.4", 0, id="separators that make no sense"),
        pytest.param("twelve", 0, id="a word"),
        pytest.param("\u0661\u0662", 0, id="digits of another script"),
        pytest.param(True, 0, id="true"),
        pytest.param([12], 0, id="a list"),
        pytest.param({"amount": 12}, 0, id="an object"),
    ],
)
def test_what_an_amount_is_read_as(make_event, make_desk, said, parts):
    properties = {"revenue": said, "currency": "EUR"}
    event = read_revenue(make_event(event_type="purchase", properties=properties), make_desk())

    assert (event.revenue, event.currency) == (parts, "EUR" if parts else "")
    assert event.properties is properties


@pytest.mark.parametrize(
    ("properties", "parts"),
    [
        pytest.param({"total": 4, "value": 3, "amount": 2, "revenue": 1}, 10_000, id="revenue before all"),
        pytest.param({"total": 4, "value": 3, "amount": 2}, 20_000, id="then amount"),
        pytest.param({"total": 4, "value": 3}, 30_000, id="then value"),
        pytest.param({"total": 4, "income": 3}, 40_000, id="then total"),
        pytest.param({"income": 4, "cost": 1}, 40_000, id="then income"),
        pytest.param({"revenue": None, "amount": "", "value": 3}, 30_000, id="what is empty is passed over"),
        pytest.param({"revenue": -5, "total": 4}, 0, id="a refund is not replaced by a total"),
        pytest.param({"price": 4}, 0, id="another name"),
        pytest.param({}, 0, id="nothing"),
    ],
)
def test_which_property_holds_the_amount(make_event, make_desk, properties, parts):
    assert read_revenue(make_event(event_type="purchase", properties=properties), make_desk()).revenue == parts


@pytest.mark.parametrize(
    ("said", "currency"),
    [
        ("EUR", "EUR"),
        ("usd", "USD"),
        (" chf ", "CHF"),
        ("euro", ""),
        ("\u20ac", ""),
        ("E1R", ""),
        ("\u00e4\u00f6\u00fc", ""),
        ("\ufb00a", ""),
        ("", ""),
        (978, ""),
        (None, ""),
    ],
)
def test_a_currency_is_three_letters_in_upper_case(make_event, make_desk, said, currency):
    event = make_event(event_type="purchase", properties={"revenue": 1, "currency": said})

    assert read_revenue(event, make_desk()).currency == currency


@pytest.mark.parametrize("event_type", ["page_view", "goal_achieved", "Purchase", "purchase ", ""])
def test_other_events_have_no_revenue(make_event, make_desk, event_type):
    event = make_event(event_type=event_type, properties={"revenue": 5, "currency": "EUR"})

    assert read_revenue(event, make_desk()) is event


@pytest.mark.parametrize("event_type", REVENUE_TYPES)
def test_every_event_with_revenue_is_a_conversion(make_event, make_desk, event_type):
    event = make_event(event_type=event_type, properties={"revenue": 5})

    assert read_revenue(event, make_desk()).revenue == 50_000
    assert event_type in CONVERSION_TYPES


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r"[$ 0-9.,'EUR+-]{0,12}"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(
    event_type=st.sampled_from([*CONVERSION_TYPES, "page_view"]),
    properties=st.dictionaries(
        st.sampled_from(["revenue", "amount", "value", "total", "currency", "x"]), ANYTHING, max_size=6
    ),
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_properties_stop_the_stage_and_reading_twice_changes_nothing(make_event, make_desk, event_type, properties):
    desk = make_desk()
    once = read_revenue(make_event(event_type=event_type, properties=properties), desk)

    assert 0 <= once.revenue <= 9_000_000_000_000_000
    assert read_revenue(once, desk) is once
