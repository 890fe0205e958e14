"""User agent text -> browser, operating system, class of device.

Knowledge: the ua-parser project's regexes (package ua-parser-builtins, Apache-2.0) through its Rust
engine, which matches in linear time, so no user agent can make it slow. It deliberately knows
nothing of client hints: no protocol sends them yet.
"""

import re
from functools import lru_cache

from msgspec import Struct
from ua_parser import Domain, PartialResult, RegexResolver, load_lazy_builtins

CACHED_USER_AGENTS = 8192

# fmt: off
_TV_SYSTEMS = frozenset((
    "ATV OS X", "tvOS", "GoogleTV", "Roku", "Web0S", "FireHbbTV", "WebTV", "Android TV", "Chromecast",
    "Chromecast Android", "Chromecast Fuchsia", "Chromecast Linux",
))
_PHONE_SYSTEMS = frozenset((
    "iOS", "Windows Phone", "Windows Mobile", "BlackBerry OS", "KaiOS", "Firefox OS", "Brew MP", "webOS", "Bada",
    "Symbian OS", "Symbian^3", "Symbian^3 Anna", "Symbian^3 Belle", "Nokia Series 30 Plus", "Nokia Series 40",
))
_COMPUTER_SYSTEMS = frozenset((
    "Windows", "Mac OS X", "Mac OS", "Chrome OS", "Linux", "Ubuntu", "Debian", "Fedora", "Gentoo", "Red Hat",
    "SUSE", "CentOS", "Mageia", "Mandriva", "Slackware", "Arch Linux", "Kubuntu", "Linux Mint", "Puppy",
    "PCLinuxOS", "FreeBSD", "OpenBSD", "NetBSD", "DragonFly", "Solaris",
))
# fmt: on

# Tried in this order on the lower-case user agent: what names itself a car is no TV, whatever else it says.
_WORDS = (
    ("car", re.compile(r"\btesla/|qtcarbrowser|\bautomotive\b|\bcarplay\b")),
    ("console", re.compile(r"\bplaystation\b|\bxbox\b|\bnintendo\b")),
    ("wearable", re.compile(r"\bwatchos\b|\b(?:apple|galaxy|pixel) watch|\boculusbrowser/")),
    (
        "tv",
        re.compile(r"tv\b|appletv|dtv_|\bweb0s\b|\bbravia\b|\bcrkey\b|\bviera\b|netcast|\baft[a-z0-9]{1,5}\b|_stb_"),
    ),
)
_PHONE_WORDS = re.compile(r"\bmobile\b|\bmidp\b|\bwap\b")


class Client(Struct, frozen=True):
    """What a user agent says of itself, in the field names of `Event`; "" where it says nothing."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""


class UserAgents:
    """The loaded regexes and the user agents read lately."""

    def __init__(self) -> None:
        if RegexResolver is None:
            raise ImportError("ua-parser's Rust engine is missing; install ua-parser[regex]")
        self._parse = RegexResolver(load_lazy_builtins())
        self.read = lru_cache(CACHED_USER_AGENTS)(self._read)

    def _read(self, user_agent: str) -> Client:
        parsed = self._parse(make_encodable(user_agent), Domain.ALL)
        browser, os = parsed.user_agent, parsed.os
        return Client(
            browser=browser.family if browser else "",
            browser_version=(browser.major or "") if browser else "",
            os=os.family if os else "",
            os_version=(os.major or "") if os else "",
            device=_classify_device(user_agent, parsed),
        )


def make_encodable(text: str) -> str:
    """Rust's matchers refuse a lone surrogate with an exception; here it becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def _classify_device(user_agent: str, parsed: PartialResult) -> str:
    """Class of device from ua-parser's device and system, most telling sign first.

    ua-parser names models ("Pixel 8") and makers, not classes. Its family "Spider" is a bot, its
    brands "Generic_Inettv" and "Generic_Android_Tablet" say a class; else the system decides. Words of the
    user agent settle what neither tells: a TV, console, watch or car often claims Windows or Android, and
    on Android only a phone's browser says "Mobile" (Chrome's documented rule).
    """
    device, system = parsed.device, parsed.os.family if parsed.os else ""
    family, brand = (device.family, device.brand or "") if device else ("", "")
    if family == "Spider":
        return "bot"
    words = user_agent.lower()
    for device_class, pattern in _WORDS:
        if pattern.search(words):
            return device_class
    if system == "WatchOS":
        return "wearable"
    if system in _TV_SYSTEMS or brand == "Generic_Inettv":
        return "tv"
    if family == "iPad" or "Tablet" in brand or "Tablet" in family or family.startswith("Kindle"):
        return "tablet"
    if system == "Android":
        # An app that fetches through Android's own client (Dalvik, okhttp) has no "Mobile" to say.
        return "tablet" if words.startswith("mozilla/") and "mobile" not in words else "mobile"
    if system in _PHONE_SYSTEMS or brand.startswith(("Generic_Android", "Nokia")) or family == "Generic Smartphone":
        return "mobile"
    if system in _COMPUTER_SYSTEMS:
        return "desktop"
    # ua-parser's "Generic Feature Phone" goes by the first letters, and takes libfetch for one.
    return "mobile" if system == "Tizen" or _PHONE_WORDS.search(words) else ""
