"""Browser, system and class of device of real user agents."""

import pytest

from trackway.pipeline.bots import mark_bot
from trackway.pipeline.devices import read_device

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "browser", "os", "device"),
    [
        pytest.param(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131", "Windows 10", "desktop", id="Chrome on Windows"),
        pytest.param("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "Safari 18", "Mac OS X 10", "desktop", id="Safari on a Mac"),
        pytest.param("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "Firefox 133", "Ubuntu", "desktop", id="Firefox on Ubuntu"),
        pytest.param(f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131", "Chrome OS 14541", "desktop", id="a Chromebook"),
        pytest.param("Mozilla/5.0 (X11; FreeBSD amd64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox 120", "FreeBSD", "desktop", id="FreeBSD"),
        pytest.param("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)", "IE 6", "Windows XP", "desktop", id="the oldest browser still seen"),
        pytest.param("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", "Mobile Safari 18", "iOS 18", "mobile", id="an iPhone"),
        pytest.param("MyShop/1 CFNetwork/1568.200.51 Darwin/24.1.0", "MyShop 1", "iOS 18", "mobile", id="an iOS app"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36", "Chrome Mobile 131", "Android 10", "mobile", id="an Android phone that hides its model"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131", "Android 10", "tablet", id="an Android tablet that hides its model"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 13; Pixel Tablet) {WEBKIT} Chrome/131.0.0.0 Safari/537.36", "Chrome 131", "Android 13", "tablet", id="an Android tablet by name"),
        pytest.param("Dalvik/2.1.0 (Linux; U; Android 14; SM-S918B Build/UP1A)", "Android 14", "Android 14", "mobile", id="an Android app"),
        pytest.param("Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1", "Mobile Safari 17", "iOS 17", "tablet", id="an iPad that says so"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 9; KFMAWI) {WEBKIT} Silk/122.2.1 like Chrome/122.0.6261.95 Safari/537.36", "Amazon Silk 122", "Android 9", "tablet", id="a Fire tablet"),
        pytest.param("Mozilla/5.0 (X11; U; Linux armv7l like Android; en-us) AppleWebKit/531.2+ (KHTML, like Gecko) Version/5.0 Safari/533.2+ Kindle/3.0+", "Kindle 3", "Kindle 3", "tablet", id="an e-reader"),
        pytest.param("Mozilla/5.0 (Mobile; LYF/F90M/LYF-F90M-000-02-18-270618; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", "Firefox Mobile 48", "KaiOS 2", "mobile", id="a feature phone"),
        pytest.param("Nokia6300/2.0 (05.00) Profile/MIDP-2.0 Configuration/CLDC-1.1", "Nokia Services (WAP) Browser", "", "mobile", id="an old phone"),
        pytest.param("Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 (KHTML, like Gecko) 94.0.4606.31/7.0 TV Safari/537.36", "Safari", "Tizen 7", "tv", id="a Samsung TV"),
        pytest.param(f"Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/94.0.4606.128 Safari/537.36 WebAppManager", "Chrome 94", "Web0S", "tv", id="an LG TV"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 12; BRAVIA 4K VH2) {WEBKIT} Chrome/110.0.5481.153 Safari/537.36", "Chrome 110", "Android 12", "tv", id="a Sony TV, which Android calls a tablet"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 9; AFTKA) {WEBKIT} Silk/108.9.6 like Chrome/108.0.5359.220 Safari/537.36", "Amazon Silk 108", "Android 9", "tv", id="a Fire TV stick"),
        pytest.param("Roku/DVP-12.0 (12.0.0.4182-88)", "Roku 12", "Roku 12", "tv", id="a Roku"),
        pytest.param("AppleTV11,1/11.1", "", "ATV OS X", "tv", id="an Apple TV"),
        pytest.param("HbbTV/1.5.1 (+DRM; LGE; 43UJ634V-ZD; WEBOS3.5 05.30.02; W3.5_LM17A; DTV_W17H;)", "HbbTV 1", "", "tv", id="a broadcast TV"),
        pytest.param("Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15", "Safari 13", "", "console", id="a PlayStation"),
        pytest.param(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {WEBKIT} Chrome/121.0.0.0 Safari/537.36 Edge/44.18363.8131", "Edge 44", "Windows 10", "console", id="an Xbox, which says Windows"),
        pytest.param("Mozilla/5.0 (Nintendo Switch; WifiWebAuthApplet) AppleWebKit/609.4 (KHTML, like Gecko) NF/6.0.2.21.3 NintendoBrowser/5.1.0.22474", "", "", "console", id="a Switch"),
        pytest.param("Mozilla/5.0 (Apple Watch; CPU Apple Watch OS like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148", "Apple Mail 605", "", "wearable", id="a watch"),
        pytest.param(f"Mozilla/5.0 (Linux; Android 11; Galaxy Watch4) {WEBKIT} Chrome/95.0 Mobile Safari/537.36", "Chrome 95", "Android 11", "wearable", id="another watch, which Android calls a phone"),
        pytest.param(f"Mozilla/5.0 (X11; GNU/Linux) {WEBKIT} Chromium/79.0.3945.130 Chrome/79.0.3945.130 Safari/537.36 Tesla/2020.16.2.1-e99c70fff409", "Chromium 79", "Linux", "car", id="a Tesla"),
        pytest.param("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot 2", "", "bot", id="a crawler"),
        pytest.param("libfetch/2.0", "", "", "", id="a program that ua-parser takes for a phone"),
        pytest.param("python-requests/2.32.3", "Python Requests 2", "", "", id="a program"),
        pytest.param("", "", "", "", id="nothing said"),
        pytest.param("☃", "", "", "", id="nonsense said"),
    ],
)  # fmt: skip
def test_what_a_user_agent_says(make_event, make_desk, user_agent, browser, os, device):
    event = read_device(make_event(user_agent=user_agent), make_desk())

    assert f"{event.browser} {event.browser_version}".strip() == browser
    assert f"{event.os} {event.os_version}".strip() == os
    assert event.device == device


def test_a_marked_bot_is_a_bot_whatever_it_pretends(make_event, make_desk):
    event = make_event(
        user_agent=f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/131.0", bot="HeadlessChrome"
    )

    assert read_device(event, make_desk()).device == "bot"


def test_nearly_every_browser_in_a_real_log_has_name_system_and_device(make_event, make_desk, log_lines):
    desk, browsers, known = make_desk(), 0, 0
    for line in log_lines:
        event = mark_bot(make_event(user_agent=line.rsplit('"', 2)[1]), desk)
        if not event.bot and any(engine in event.user_agent for engine in ("AppleWebKit/", "Gecko/", "MSIE ")):
            browsers += 1
            event = read_device(event, desk)
            known += bool(event.browser and event.os and event.device)

    assert browsers > 5000
    assert known / browsers > 0.99
