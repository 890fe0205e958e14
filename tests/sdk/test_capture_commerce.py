"""Guesses of what a page is for: one on which one pays, or the one after it."""

import pytest

pytestmark = pytest.mark.browser

GUESSES = ("payment_page_view", "payment_success")


@pytest.mark.parametrize("path", ["/checkout", "/shop/Cart/", "/billing/address", "/payment"])
def test_a_page_with_such_a_segment_is_a_payment_page(open_visit, path):
    visit = open_visit("commerce")
    visit.go(path)
    (guess,) = visit.wait_for("payment_page_view")
    assert guess["properties"] == {"auto": True, "heuristic": True}


@pytest.mark.parametrize(
    "path", ["/thank-you", "/checkout/order-received/1001", "/order-confirmation", "/done?status=success&order_id=1001"]
)
def test_a_page_that_thanks_is_a_payment_that_succeeded(open_visit, path):
    visit = open_visit("commerce")
    visit.go(path)
    (guess,) = visit.wait_for("payment_success")
    assert guess["properties"] == {"auto": True, "heuristic": True}
    assert "amount" not in guess["properties"]


@pytest.mark.parametrize("path", ["/blog/cart-reviews", "/stories/success", "/login?next=/checkout", "/recordings/1"])
def test_other_pages_are_neither(open_visit, path):
    visit = open_visit("commerce")
    visit.go(path)
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]


def test_each_order_of_a_session_is_guessed_once_and_is_no_revenue(open_visit, page, server):
    visit = open_visit("commerce")
    visit.go("/order-received/1001")
    visit.go("/order-received/1001")
    visit.go("/order-received/1002")
    visit.finish()
    assert len(visit.events("payment_success")) == 2
    session_id = visit.events("end")[0]["session_id"]
    (session,) = [s for s in server.api("sessions", limit=1000)["items"] if s["session_id"] == session_id]
    assert (session["revenue"], session["conversions"]) == ({}, 0)


def test_guesses_can_be_switched_off(open_visit):
    visit = open_visit("commerce", "data-commerce='off'")
    visit.go("/checkout")
    visit.go("/thank-you")
    assert not {event["event_type"] for event in visit.finish()}.intersection(GUESSES)
