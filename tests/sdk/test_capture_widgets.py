"""Chats and other widgets: by calls of the page, and by themselves."""

import pytest

pytestmark = pytest.mark.browser

STEPS = ("widget_opened", "widget_closed", "message_sent", "cta_clicked")


def test_a_widget_that_the_page_speaks_for_is_one_conversation_in_order(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    page.evaluate("""() => {
      const chat = trackway.widget("support", "talk-991");
      chat.opened({by: "teaser"});
      chat.message({text: "Is it waterproof?"});
      trackway.widget("other").opened();
      chat.message();
      chat.cta({name: "book"});
      chat.closed();
    }""")
    visit.wait_for("widget_closed")
    events = [event for event in visit.events(*STEPS) if event["properties"]["widget"] == "support"]
    assert [(e["event_type"], e["properties"]) for e in events] == [
        ("widget_opened", {"by": "teaser", "widget": "support", "sequence": 1}),
        ("message_sent", {"text": "Is it waterproof?", "widget": "support", "sequence": 2}),
        ("message_sent", {"widget": "support", "sequence": 3}),
        ("cta_clicked", {"name": "book", "widget": "support", "sequence": 4}),
        ("widget_closed", {"widget": "support", "sequence": 5}),
    ]
    assert {event["instance_id"] for event in events} == {"talk-991"}


def test_a_conversation_without_an_id_has_one_of_the_session_and_goes_on_on_the_next_page(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    page.evaluate("trackway.widget('support').message()")
    visit.wait_for("message_sent")
    visit.go("/two")
    page.evaluate("trackway.widget('support').message()")
    first, second = visit.wait_for("message_sent", 2)
    assert first["instance_id"] == second["instance_id"] == first["session_id"] + ".support"
    assert [first["properties"]["sequence"], second["properties"]["sequence"]] == [1, 2]


def test_a_marked_element_tells_by_itself_what_happens_in_it(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    page.click("#open")
    page.fill("#said", "Is it waterproof?")
    page.click("#send")
    page.click("#offer")
    page.click("#close")
    visit.finish()
    events = visit.events(*STEPS, "form_submit")
    assert [(e["event_type"], e["properties"]["sequence"]) for e in events] == [
        ("widget_opened", 1),
        ("message_sent", 2),
        ("cta_clicked", 3),
        ("widget_closed", 4),
    ]
    assert {e["properties"]["widget"] for e in events} == {"chat"}
    assert len({e["instance_id"] for e in events}) == 1
    assert events[2]["properties"]["text"] == "See our offer"
    assert [e["properties"]["id"] for e in visit.events("click")] == ["open", "send", "close"]
    assert b"waterproof" not in b"".join(visit.sent)


def test_a_details_element_and_one_that_a_script_puts_in_are_widgets_too(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    page.click("summary")
    page.click("summary")
    page.evaluate("later.innerHTML = '<div data-track-widget=\"tour\">Welcome</div>'")
    page.evaluate("later.innerHTML = ''")
    visit.finish()
    events = visit.events(*STEPS)
    assert [(e["event_type"], e["properties"]["widget"]) for e in events] == [
        ("widget_opened", "help"),
        ("widget_closed", "help"),
        ("widget_opened", "tour"),
        ("widget_closed", "tour"),
    ]


def test_a_widget_that_fades_away_is_closed_when_it_has(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    page.evaluate("""later.innerHTML = `<style>#fades { transition: visibility 0.1s } .off { visibility: hidden }</style>
      <div id="fades" class="off" data-track-widget="fading">Hello</div>`""")
    page.evaluate("fades.className = ''")
    visit.wait_for("widget_opened")
    page.evaluate("fades.className = 'off'")
    (closed,) = visit.wait_for("widget_closed")
    assert closed["properties"]["widget"] == "fading"


def test_widgets_can_be_switched_off(open_visit, page):
    visit = open_visit("widgets", "data-widgets='off'")
    visit.go()
    page.click("#open")
    page.click("#send")
    assert [e["event_type"] for e in visit.finish()] == ["page_view", "click", "click", "form_submit", "end"]
    assert page.evaluate("typeof trackway.widget") == "undefined"


def test_a_wrong_call_never_throws_into_the_page(open_visit, page):
    visit = open_visit("widgets")
    visit.go()
    with page.expect_console_message(lambda message: message.text.startswith("trackway: ")):
        page.evaluate("const loop = {}; loop.loop = loop; trackway.widget('chat').message(loop); trackway.widget()")
    assert [e["event_type"] for e in visit.finish()] == ["page_view", "end"]
