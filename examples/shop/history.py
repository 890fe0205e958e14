"""Days of history for the sample shop: every visit of every day, always the same for the same day.

Each event carries a dedupe_key made of its day and number, so sending a day twice adds nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random

from examples.shop.catalogue import CATEGORIES, PRODUCTS
from examples.shop.crowd import BOTS, LETTER, RETURN_ORIGINS, SEED, Origin, Visitor, draw, make_uuid, visitors_on
from examples.shop.journeys import Event, Journey, format_ms, walk
from examples.shop.pages import HOME, category_page, product_page

DAY_MS = 24 * 3600 * 1000

# Visits per hour of the visitor's own day, midnight first: lunch, and above all the evening.
HOURS = (3, 2, 1, 1, 1, 2, 5, 10, 14, 17, 19, 20, 23, 21, 19, 19, 21, 24, 29, 36, 40, 36, 22, 9)


Timed = list[tuple[int, Event]]


@dataclass(frozen=True)
class History:
    """What browsers sent and what the shop's back end sent, each in order of time, with the time."""

    web: Timed
    back_end: Timed


def make_history(first: date, until_ms: int, shop: str) -> History:
    """Everything from the beginning of `first` (UTC) until `until_ms`. `shop` is the shop's address."""
    last = datetime.fromtimestamp(until_ms / 1000, UTC).date()
    history = History([], [])
    for number in range((last - first).days + 1):
        day = make_day(first + timedelta(days=number), shop)
        history.web.extend(pair for pair in day.web if pair[0] <= until_ms)
        history.back_end.extend(pair for pair in day.back_end if pair[0] <= until_ms)
    return history


def make_day(day: date, shop: str) -> History:
    """All events of visits that begin on that UTC day; some end after midnight."""
    web: Timed = []
    back_end: Timed = []
    for number, (visitor, visit_number) in enumerate(visitors_on(day)):
        journey = _make_visit(day, number, visitor, visit_number, shop)
        web += journey.events
        back_end += journey.payments
    web += _make_bot_visits(day, shop)
    for kind, events in (("web", web), ("back-end", back_end)):
        events.sort(key=lambda pair: pair[0])
        for number, (_, event) in enumerate(events):
            event["dedupe_key"] = f"history:{kind}:{day}:{number}"
    return History(web, back_end)


def _midnight_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _make_visit(day: date, number: int, visitor: Visitor, visit_number: int, shop: str) -> Journey:
    random = Random(f"{SEED}/visit/{day}/{number}")
    origin = visitor.origin if visit_number == 0 else _draw_return(random, day)
    hour = random.choices(range(24), HOURS)[0] - visitor.place.utc_offset
    start_ms = _midnight_ms(day) + (hour % 24) * 3_600_000 + random.randrange(3_600_000)
    journey = Journey(shop, visitor, random, start_ms, make_uuid(random))
    walk(journey, origin, visit_number)
    return journey


def _draw_return(random: Random, day: date) -> Origin:
    if day.weekday() == 3 and random.random() < 0.5:
        return LETTER
    return draw(random, RETURN_ORIGINS)


def _make_bot_visits(day: date, shop: str) -> Iterator[tuple[int, Event]]:
    """Crawlers walk all day, run scripts these days, and keep no id."""
    pages = [HOME, *map(category_page, CATEGORIES), *map(product_page, PRODUCTS)]
    for bot in BOTS:
        random = Random(f"{SEED}/bot/{day}/{bot.name}")
        for page in random.sample(pages, random.randrange(3, 9)):
            ms = _midnight_ms(day) + random.randrange(DAY_MS)
            event = {
                "event_type": "page_view",
                "occurred_at": format_ms(ms),
                "channel": "web",
                "url": shop + page.path,
                "title": page.title,
                "context": {"user_agent": bot.user_agent, "ip": f"198.51.100.{random.randrange(200, 250)}"},
            }
            yield ms, event
