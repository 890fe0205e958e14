"""Clicks and downloads, recorded without a line of the site's own code."""

import pytest

pytestmark = pytest.mark.browser


def test_what_was_clicked_is_told_and_what_is_no_control_is_not(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    for name in ("link b", "button", "summary", "role", "plain", "mail"):
        page.click("#" + name)
    visit.finish()
    home = visit.url.removesuffix("/clicks")
    assert [event["properties"] for event in visit.events("click")] == [
        {"tag": "a", "text": "Size guide", "id": "link", "href": home + "/guide"},
        {"tag": "button", "text": "Buy now", "id": "button"},
        {"tag": "summary", "text": "More", "id": "summary"},
        {"tag": "div", "text": "Like", "id": "role"},
        {"tag": "a", "text": "Write to us", "id": "mail", "href": "mailto:shop@example.org"},
    ]


def test_data_track_names_a_click_and_gives_it_properties(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#named")
    (click,) = visit.wait_for("click")
    assert click["properties"] == {
        **{"tag": "div", "text": "Upgrade", "id": "named"},
        **{"name": "upgrade", "plan": "growth", "seats": "5"},
    }


def test_a_click_inside_an_open_shadow_root_is_of_the_control_there(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#box b")
    (click,) = visit.wait_for("click")
    assert click["properties"] == {"tag": "button", "text": "Buy it", "id": "inner"}


def test_the_middle_button_counts_and_the_right_one_does_not(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#link", button="middle")
    page.click("#button", button="right")
    visit.finish()
    assert [event["properties"]["id"] for event in visit.events("click")] == ["link"]


def test_a_link_to_another_host_is_outbound(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#outbound")
    (click,) = visit.wait_for("click")
    assert (click["properties"]["outbound"], click["properties"]["href"]) == (
        True,
        "https://elsewhere.example/page?x=1",
    )


def test_a_click_on_a_file_is_a_download_and_no_second_click(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#pdf")
    page.click("#zip")
    visit.finish()
    home = visit.url.removesuffix("/clicks")
    told = [(e["event_type"], e["properties"]["href"]) for e in visit.events("click", "download_pdf", "file_download")]
    assert told == [
        ("download_pdf", home + "/files/Guide.PDF?v=2"),
        ("file_download", home + "/files/pictures.zip"),
    ]


def test_a_click_that_the_page_stops_is_recorded_and_its_text_cut_at_80_characters(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#long")
    (click,) = visit.wait_for("click")
    text = click["properties"]["text"]
    assert len(text) == 80
    assert text.startswith("A very long label")


def test_the_text_of_a_click_is_what_is_visible_or_else_its_label(site, receiver, page):
    body = """<button id="a"><span hidden>Price 42</span><span style="display: none">Cost 21</span>Buy</button>
      <button id="b" aria-label="Close"><svg width="9" height="9"></svg></button>"""
    page.goto(site.add("/", body))
    receiver.wait_for("page_view", page=page)
    page.click("#a")
    page.click("#b")
    clicks = receiver.wait_for("click", 2, page=page)
    assert [click["properties"]["text"] for click in clicks] == ["Buy", "Close"]


def test_a_link_in_a_drawing_is_a_click_too(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#drawn rect")
    (click,) = visit.wait_for("click")
    assert click["properties"] == {"tag": "a", "text": "", "id": "drawn"}


def test_data_no_track_silences_all_inside_it(open_visit, page):
    visit = open_visit("clicks")
    visit.go()
    page.click("#quiet")
    assert "click" not in [event["event_type"] for event in visit.finish()]


def test_clicks_can_be_switched_off(open_visit, page):
    visit = open_visit("clicks", "data-clicks='off'")
    visit.go()
    page.click("#button")
    page.click("#pdf")
    assert [event["event_type"] for event in visit.finish()] == ["page_view", "end"]
