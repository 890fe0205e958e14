"""What every stage promises: it fills only its own fields, never raises, and doing it twice changes nothing."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trackway.campaign_words import CAMPAIGN_NAMES, CLICK_ID_KINDS
from trackway.event import Event
from trackway.pipeline import addresses, bots, campaigns, devices, money, people, places, referrers, visitors
from trackway.pipeline.desk import IP_MODES, Dropped
from trackway.place_headers import COUNTRY_HEADERS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "pipeline.md"

STAGES = {
    "mark_bot": (bots.mark_bot, bots.FILLS),
    "name_visitor": (visitors.name_visitor, visitors.FILLS),
    "note_likeness": (people.note_likeness, people.LIKENESS_FILLS),
    "find_place": (places.find_place, places.FILLS),
    "name_profile": (people.name_profile, people.NAME_FILLS),
    "cut_ip": (addresses.cut_ip, addresses.FILLS),
    "read_device": (devices.read_device, devices.FILLS),
    "read_campaign": (campaigns.read_campaign, campaigns.FILLS),
    "classify_referrer": (referrers.classify_referrer, referrers.FILLS),
    "read_revenue": (money.read_revenue, money.FILLS),
}
# fmt: off
TEXT_FIELDS = (
    "event_type", "anonymous_id", "session_id", "user_id", "contact_id", "account_id", "url", "referrer", "title", "ip",
    "user_agent", "bot",
)
# fmt: on
FORMS = [
    "",
    "http://",
    "https://shop.example.com/?",
    "android-app://",
    "//",
    "utm_source=",
    "gclid=",
    "[",
    "]:80",
    "@",
    "%",
    "::ffff:",
    "Mozilla/5.0 (",
]

REGEX_TRAPS = [
    pytest.param("(" * 1024, id="only opening brackets"),
    pytest.param("a" * 1023 + "!", id="one letter over and over"),
    pytest.param("Mozilla/5.0 " + "(Linux; " * 126, id="brackets that never close"),
    pytest.param("Android " + "; " * 508, id="separators"),
    pytest.param(("Version/" + "9." * 20) * 20, id="versions without end"),
    pytest.param(" " * 1024, id="blanks"),
    pytest.param("\0" * 1024, id="NUL"),
    pytest.param("😀" * 1024, id="emoji"),
    pytest.param("Googlebot" * 113, id="a bot many times over"),
    pytest.param("1 " * 512, id="numbers"),
    pytest.param("Spider" + " " * 1000 + "spider.co", id="what a pattern with a wide gap looks for"),
]


def run_stages(event: Event, desk) -> Event:
    """Every stage in turn, each twice; fails where a stage touches a foreign field or is not stable."""
    for name, (stage, fills) in STAGES.items():
        once = stage(event, desk)
        assert not isinstance(once, Dropped)
        for field in event.__struct_fields__:
            if field not in fills:
                assert getattr(once, field) is getattr(event, field), f"{name} changed {field}"
        assert stage(once, desk) == once, f"{name} is not stable"
        event = once
    return event


def test_a_whole_event_comes_out_with_every_field_filled(make_event, make_desk):
    event = make_event(
        url="https://shop.example.com/landing?utm_source=news&gclid=1",
        referrer="https://www.google.com/",
        ip="203.0.113.77",
        user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
        context={"time_zone": "Europe/Berlin"},
    )

    done = run_stages(event, make_desk())

    said = {field: getattr(done, field) for _, fills in STAGES.values() for field in fills if getattr(done, field)}
    assert said.pop("visitor_key").startswith("d:")
    assert len(said.pop("weak_key")) == 16
    assert said == {
        "country": "DE",
        "time_zone": "Europe/Berlin",
        "place_rule": "time_zone",
        "ip": "203.0.113.0",
        "context": {"time_zone": "Europe/Berlin"},
        "browser": "Firefox",
        "browser_version": "133",
        "os": "Linux",
        "device": "desktop",
        "utm_source": "news",
        "click_id_kind": "gclid",
        "click_id": "1",
        "host": "shop.example.com",
        "path": "/landing",
        "referrer_host": "www.google.com",
        "referrer_class": "paid",
        "referrer_name": "Google",
    }


def test_no_two_stages_fill_the_same_field_and_all_fields_exist():
    filled = [field for _, fills in STAGES.values() for field in fills]

    assert len(filled) == len(set(filled))
    assert set(filled) <= set(Event.__struct_fields__)


def test_the_reference_page_names_every_stage_field_mode_header_and_parameter():
    page = PAGE.read_text("utf-8")
    words = [*STAGES, *IP_MODES, *COUNTRY_HEADERS, *(kind.name for kind in CLICK_ID_KINDS)]
    words += [name for names in CAMPAIGN_NAMES.values() for name in names]

    assert [word for word in words if f"`{word}`" not in page] == []
    for name, (_, fills) in STAGES.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.split("|")[3].strip() == ", ".join(f"`{field}`" for field in fills)


@pytest.mark.parametrize("mode", IP_MODES)
def test_naughty_strings_in_every_field_pass_every_stage(make_event, make_desk, naughty_strings, mode):
    desk = make_desk(ip_mode=mode)
    for text in naughty_strings:
        run_stages(make_event(**dict.fromkeys(TEXT_FIELDS, text), context={"time_zone": text, text: text}), desk)
        run_stages(make_event(url=f"https://{text}/?utm_source={text}", referrer=f"http://a.example/{text}"), desk)
        run_stages(make_event(url=f"https://a.example/{text}?{text}", referrer=f"//{text}"), desk)


@pytest.mark.parametrize("user_agent", REGEX_TRAPS)
def test_a_user_agent_made_to_hurt_does_not(make_event, make_desk, user_agent):
    run_stages(make_event(user_agent=user_agent[:1024]), make_desk())


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://a.example/?" + "&" * 8000, id="empty parameters"),
        pytest.param("https://a.example/?" + "utm_source=%" * 680, id="one parameter over and over"),
        pytest.param("https://" + "a." * 4000 + "com/", id="labels without end"),
        pytest.param("https://" + "@" * 8000, id="user names without end"),
        pytest.param("https://" + "[" * 8000, id="brackets"),
        pytest.param("https://" + "ü" * 8000, id="umlauts in the host"),
        pytest.param("a" * 8192, id="no address at all"),
        pytest.param("a+" * 4096 + ":", id="a scheme without end"),
        pytest.param("%" * 8192, id="percent signs"),
    ],
)
def test_an_address_made_to_hurt_does_not(make_event, make_desk, url):
    run_stages(make_event(url=url, referrer=url), make_desk())


@given(
    said=st.fixed_dictionaries(
        {},
        optional={
            field: st.text(max_size=60) | st.tuples(st.sampled_from(FORMS), st.text(max_size=30)).map("".join)
            for field in TEXT_FIELDS
        },
    ),
    context=st.dictionaries(
        st.sampled_from(["time_zone", "timezone", "x"]), st.text(max_size=20) | st.integers() | st.none(), max_size=3
    ),
    headers=st.dictionaries(st.sampled_from(COUNTRY_HEADERS), st.text(max_size=3), max_size=2),
    mode=st.sampled_from(IP_MODES),
    channel=st.sampled_from(["web", "server", "mobile", "api"]),
    occurred_at=st.integers(0, 253402300799999),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arbitrary_text_in_every_field_passes_every_stage_and_can_be_stored(
    make_event, make_desk, said, context, headers, mode, channel, occurred_at
):
    event = make_event(**said, context=context, channel=channel, occurred_at=occurred_at)

    done = run_stages(event, make_desk(ip_mode=mode, request_headers=headers))

    assert msgspec.json.decode(msgspec.json.encode(done), type=Event) == done


def test_a_lone_surrogate_that_got_past_the_door_stops_no_stage(make_event, make_desk):
    run_stages(make_event(**dict.fromkeys(TEXT_FIELDS, "a\ud800b.example")), make_desk(ip_mode="full"))
