"""Bots are marked by name; dropped only where the source says so."""

import pytest

from trackway.outcome import Reason
from trackway.pipeline.bots import NO_USER_AGENT, mark_bot
from trackway.pipeline.desk import Dropped

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Mobile/15E148 Safari/604.1"
)
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
GPTBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)"
CLAUDEBOT = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)"
HEADLESS = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0.0.0 Safari/537.36"
)
SPINN3R = (
    "Mozilla/5.0 (X11; U; Linux x86_64; en-US; rv:1.9.0.19; aggregator:Spinn3r (Spinn3r 3.1); "
    "http://spinn3r.com/robot) Gecko/2010040121 Firefox/3.0.19"
)


@pytest.mark.parametrize(
    ("user_agent", "channel", "name"),
    [
        pytest.param(CHROME, "web", "", id="a browser is no bot"),
        pytest.param(IPHONE, "web", "", id="a phone is no bot"),
        pytest.param(GOOGLEBOT, "web", "Googlebot", id="a search engine's crawler"),
        pytest.param(GPTBOT, "web", "GPTBot", id="an AI crawler"),
        pytest.param(CLAUDEBOT, "web", "ClaudeBot", id="another AI crawler"),
        pytest.param(HEADLESS, "web", "HeadlessChrome", id="a browser without a window"),
        pytest.param(SPINN3R, "web", "robot", id="a bot that only ua-parser knows"),
        pytest.param("curl/8.9.1", "web", "curl", id="a program that plays browser"),
        pytest.param("curl/8.9.1", "server", "", id="a back end's HTTP library"),
        pytest.param("python-requests/2.32.3", "api", "", id="an importer's HTTP library"),
        pytest.param("okhttp/4.12.0", "mobile", "", id="an app's HTTP library"),
        pytest.param(GOOGLEBOT, "server", "Googlebot", id="a crawler whose visit a back end reports"),
        pytest.param("", "web", NO_USER_AGENT, id="no user agent on the web"),
        pytest.param("", "server", "", id="no user agent from a back end"),
    ],
)
def test_who_is_a_bot(make_event, make_desk, user_agent, channel, name):
    event = mark_bot(make_event(user_agent=user_agent, channel=channel), make_desk())

    assert event.bot == name


def test_a_source_that_wants_no_bots_gets_them_dropped_with_their_name(make_event, make_desk):
    result = mark_bot(make_event(user_agent=GOOGLEBOT), make_desk(settings={"bots": "drop"}))

    assert result == Dropped(Reason.BOT, "Googlebot")


def test_a_source_that_wants_no_bots_keeps_its_people(make_event, make_desk):
    event = make_event(user_agent=CHROME)

    assert mark_bot(event, make_desk(settings={"bots": "drop"})) == event


def test_every_user_agent_that_the_library_gives_as_an_example_is_a_bot(make_event, make_desk):
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    desk = make_desk()
    examples = {text for entry in CRAWLER_USER_AGENTS_DATA for text in entry["instances"]}
    missed = [text for text in examples if not mark_bot(make_event(user_agent=text), desk).bot]

    assert missed == []


def test_our_one_matcher_says_the_same_as_the_library_itself(make_event, make_desk, log_lines):
    from crawleruseragents import is_crawler

    user_agents = {line.rsplit('"', 2)[1] for line in log_lines} - {"-", ""}
    bots = {text for text in user_agents if mark_bot(make_event(user_agent=text), make_desk()).bot}

    assert {text for text in user_agents if is_crawler(text)} <= bots
    assert len(bots) < len(user_agents) / 4
