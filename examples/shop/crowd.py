"""Who visits the shop in the made-up history: people with a device, a place and a reason to come.

Everything is drawn from a generator seeded with the day on which a visitor first came, so any day
can be made again, alone and always the same. Addresses are of the ranges reserved for
documentation and belong to nobody.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from random import Random
from typing import TypeVar

T = TypeVar("T")

SEED = "tussock-1"
LONGEST_INTEREST_DAYS = 24
# Share of visitors who agree to be tracked; the others of Europe are stored without their person.
AGREE = 0.8
NEW_VISITORS_A_DAY = 85
WEEKDAY_FACTOR = (0.9, 0.85, 0.9, 1.15, 0.95, 1.2, 1.3)  # Monday first; the letter goes out on Thursdays


@dataclass(frozen=True)
class Device:
    user_agent: str
    screen: str
    mobile: bool


@dataclass(frozen=True)
class Place:
    time_zone: str
    language: str
    utc_offset: int  # hours in winter: enough for a believable rhythm of the day


@dataclass(frozen=True)
class Origin:
    """How a visit begins: the address that led here and what it adds to ours."""

    name: str
    referrer: str = ""
    query: str = ""
    landing: str = "home"


@dataclass(frozen=True)
class Visitor:
    anonymous_id: str
    customer_id: str
    device: Device
    place: Place
    ip: str
    origin: Origin
    keenness: float
    returns: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """To being tracked, asked by the banner; a draw of its own leaves everything else as it is."""
        return Random(f"{SEED}/consent/{self.anonymous_id}").random() < AGREE


_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"

DEVICES = {
    Device(f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {_APPLE} Version/26.1 Mobile/15E148 Safari/604.1", "393x852", True): 27,
    Device(f"Mozilla/5.0 (Linux; Android 10; K) {_BLINK} Chrome/142.0.0.0 Mobile Safari/537.36", "412x915", True): 25,
    Device(f"Mozilla/5.0 (Linux; Android 15; SM-S931B) {_BLINK} SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36", "384x832", True): 6,
    Device(f"Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) {_APPLE} Version/18.6 Mobile/15E148 Safari/604.1", "820x1180", True): 4,
    Device(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/142.0.0.0 Safari/537.36", "1920x1080", False): 17,
    Device(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "1536x864", False): 6,
    Device("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", "1920x1200", False): 4,
    Device(f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Version/26.1 Safari/605.1.15", "1512x982", False): 8,
    Device("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0", "2560x1440", False): 3,
}  # fmt: skip

PLACES = {
    Place("Europe/Berlin", "de-DE", 1): 31,
    Place("Europe/London", "en-GB", 0): 17,
    Place("Europe/Vienna", "de-AT", 1): 7,
    Place("Europe/Zurich", "de-CH", 1): 7,
    Place("Europe/Paris", "fr-FR", 1): 7,
    Place("Europe/Amsterdam", "nl-NL", 1): 6,
    Place("Europe/Stockholm", "sv-SE", 1): 4,
    Place("Europe/Madrid", "es-ES", 1): 3,
    Place("Europe/Rome", "it-IT", 1): 3,
    Place("Europe/Warsaw", "pl-PL", 1): 2,
    Place("America/New_York", "en-US", -5): 6,
    Place("America/Los_Angeles", "en-US", -8): 3,
    Place("America/Toronto", "en-CA", -5): 2,
    Place("Asia/Tokyo", "ja-JP", 9): 1,
    Place("Australia/Sydney", "en-AU", 10): 1,
}

DIRECT = Origin("direct")
LETTER = Origin("letter", query="utm_source=newsletter&utm_medium=email&utm_campaign=walk-of-the-month")
ORIGINS = {
    DIRECT: 24,
    Origin("google", "https://www.google.com/", landing="any"): 25,
    Origin("google_ads", "https://www.google.com/", "utm_source=google&utm_medium=cpc&utm_campaign=boots-autumn&gclid={click}", "boots"): 9,
    Origin("bing", "https://www.bing.com/", landing="any"): 4,
    Origin("duckduckgo", "https://duckduckgo.com/", landing="any"): 4,
    Origin("chatgpt", "https://chatgpt.com/", "utm_source=chatgpt.com", "product"): 6,
    Origin("perplexity", "https://www.perplexity.ai/", landing="product"): 3,
    Origin("claude", "https://claude.ai/", landing="product"): 2,
    Origin("gemini", "https://gemini.google.com/", landing="product"): 2,
    Origin("instagram", "https://l.instagram.com/", "utm_source=instagram&utm_medium=social&utm_campaign=curlews&fbclid={click}", "layers"): 7,
    Origin("reddit", "https://www.reddit.com/", landing="packs"): 4,
    Origin("blog", "https://www.onlongwalks.example/best-packs", landing="packs"): 3,
    LETTER: 4,
}  # fmt: skip

# On a first visit nobody reads the letter yet; who comes back often types the address.
RETURN_ORIGINS = {DIRECT: 55, LETTER: 30, Origin("google", "https://www.google.com/"): 15}


@dataclass(frozen=True)
class Bot:
    name: str
    user_agent: str


BOTS = (
    Bot("googlebot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    Bot("bingbot", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    Bot("gptbot", f"Mozilla/5.0 {_BLINK}; compatible; GPTBot/1.2; +https://openai.com/gptbot)"),
    Bot("ahrefs", "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)"),
)


def draw(random: Random, weights: Mapping[T, int]) -> T:
    """One key of `weights`, as often as its weight says."""
    return random.choices(list(weights), list(weights.values()))[0]


def make_uuid(random: Random) -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def _make_ip(random: Random) -> str:
    if random.random() < 0.4:
        return f"2001:db8:{random.getrandbits(16):x}:{random.getrandbits(16):x}::{random.getrandbits(16):x}"
    return f"{random.choice(('192.0.2', '198.51.100', '203.0.113'))}.{random.randint(1, 254)}"


def _draw_returns(random: Random, keenness: float) -> tuple[int, ...]:
    """After how many days the visitor comes again: mostly never, sometimes soon, seldom often."""
    days, day = [], 0
    while random.random() < 0.16 + 0.4 * keenness:
        day += 1 + int(random.expovariate(1 / 4))
        if day > LONGEST_INTEREST_DAYS:
            break
        days.append(day)
    return tuple(days)


@lru_cache(maxsize=128)
def newcomers(day: date) -> tuple[Visitor, ...]:
    """Everybody whose first visit is on that day."""
    random = Random(f"{SEED}/crowd/{day}")
    count = int(NEW_VISITORS_A_DAY * WEEKDAY_FACTOR[day.weekday()] * random.uniform(0.85, 1.15))
    return tuple(_make_visitor(random) for _ in range(count))


def _make_visitor(random: Random) -> Visitor:
    keenness = random.betavariate(1.3, 4)
    return Visitor(
        anonymous_id=make_uuid(random),
        customer_id=f"c-{random.getrandbits(48):012x}",
        device=draw(random, DEVICES),
        place=draw(random, PLACES),
        ip=_make_ip(random),
        origin=draw(random, ORIGINS),
        keenness=keenness,
        returns=_draw_returns(random, keenness),
    )


def visitors_on(day: date) -> Iterator[tuple[Visitor, int]]:
    """Who comes on that day, and the number of the visit: 0 for the first."""
    for visitor in newcomers(day):
        yield visitor, 0
    for age in range(1, LONGEST_INTEREST_DAYS + 1):
        for visitor in newcomers(day - timedelta(days=age)):
            if age in visitor.returns:
                yield visitor, visitor.returns.index(age) + 1
