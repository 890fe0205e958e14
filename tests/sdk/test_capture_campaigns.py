"""How a visitor came: the first time, and this time."""

import pytest

pytestmark = pytest.mark.browser

PARAMETERS = [
    (
        "utm_source=letter&utm_medium=email&utm_campaign=may",
        {"utm_source": "letter", "utm_medium": "email", "utm_campaign": "may"},
    ),
    ("mtm_source=letter", {"utm_source": "letter"}),
    ("trc_mcmp_id=77", {"utm_campaign": "77"}),
    *(
        (f"{kind}=c-1", {"click_id_kind": kind, "click_id": "c-1"})
        for kind in ("gclid", "fbclid", "msclkid", "ttclid", "li_fat_id", "twclid")
    ),
]


@pytest.mark.parametrize(("query", "expected"), PARAMETERS)
def test_campaign_parameters_and_click_ids_are_read_from_the_address(open_visit, query, expected):
    visit = open_visit("campaigns")
    visit.go("?" + query)
    (view,) = visit.events("page_view")
    assert {name: view[name] for name in expected} == expected


def tell(visit, touch):
    return touch["url"].removeprefix(visit.url), touch["referrer"]


def test_the_first_touch_is_kept_and_the_last_is_that_of_the_session(open_visit, page):
    visit = open_visit("campaigns")
    page.goto(visit.url + "?utm_source=letter", referer="https://mail.example/")
    visit.wait_for("page_view")
    visit.go("/two")
    visit.go("?gclid=g-1")
    visit.go("/three")
    touches = [view["context"] for view in visit.events("page_view")]
    first = ("?utm_source=letter", "https://mail.example/")
    assert [tell(visit, touch["first_touch"]) for touch in touches] == [first] * 4
    assert [tell(visit, touch["last_touch"])[0] for touch in touches] == ["?utm_source=letter"] * 2 + ["?gclid=g-1"] * 2
    assert touches[0]["last_touch"]["session_id"] != touches[2]["last_touch"]["session_id"]


def test_the_landing_page_of_a_visitor_who_agrees_later_is_the_first_touch(open_visit, page):
    visit = open_visit("campaigns", "data-consent='pending'", agrees=False)
    page.goto(visit.url + "?utm_source=letter", referer="https://mail.example/")
    page.wait_for_function("window.trackway && trackway.version")
    page.evaluate("trackway.consent('granted')")
    visit.wait_for("page_view")
    visit.go("/two")
    touches = [view["context"] for view in visit.events("page_view")]
    first = ("?utm_source=letter", "https://mail.example/")
    assert [tell(visit, touch["first_touch"]) for touch in touches] == [first, first]
    assert [tell(visit, touch["last_touch"]) for touch in touches] == [first, first]


def test_the_sites_own_rule_shortens_every_address(open_visit, page):
    visit = open_visit("campaigns", "data-scrub='hidePins'")
    visit.go("?pin=4711&utm_source=letter")
    page.click("#link")
    visit.wait_for("click")
    page.evaluate("history.pushState({}, '', '/campaigns/next?pin=4711')")
    visit.wait_for("page_view", 2)
    visit.finish()
    said = b"".join(visit.sent)
    assert b"pin=hidden" in said
    assert b"4711" not in said


def test_where_no_id_may_be_kept_there_are_no_touches(open_visit, page):
    page.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    visit = open_visit("campaigns", agrees=False)
    visit.go("?utm_source=letter")
    assert b"_touch" not in b"".join(visit.sent)
    assert page.evaluate("Object.keys(localStorage).filter((name) => /touch/.test(name))") == []


def test_touches_can_be_switched_off(open_visit):
    visit = open_visit("campaigns", "data-campaigns='off'")
    visit.go("?utm_source=letter")
    assert b"_touch" not in b"".join(visit.sent)
