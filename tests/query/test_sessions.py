"""Sessions over a real engine: where they begin and end, and that the order of arrival changes nothing."""

import itertools
import random
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from trackway.clock import format_time
from trackway.event import Event, LogPlace, Row
from trackway.event_types import CONVERSION_TYPES
from trackway.query.questions import QuestionError
from trackway.query.sessions import count_sessions, find_sessions, list_sessions
from trackway.store.client import EventStore
from trackway.testing.installation import Installation, next_moment

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Noon of a day, so that an hour more or less stays in it.
NOON = 1_794_960_000_000 // DAY * DAY + 12 * HOUR
NOW = NOON + 6 * HOUR
IDLE = 30 * MINUTE

ANNA, BERT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"

_WORKSPACES = itertools.count(1)
_SEGMENTS = itertools.count(1 << 41)


class Step(Struct, frozen=True):
    """What one event says of a session; `minute` counts from noon."""

    minute: float
    who: str = ANNA
    session: str = ""
    campaign: str = ""
    event_type: str = "page_view"
    path: str = "/"
    engaged: Any = None
    revenue: int = 0
    visitor: str = ""
    more: dict[str, Any] = {}

    @property
    def at(self) -> int:
        return NOON + round(self.minute * MINUTE)


class Shop:
    """A workspace of its own in the store, filled with steps in the order in which they are given."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.workspace = f"sessions-{uuid.uuid4()}-{next(_WORKSPACES)}"

    def add(self, steps: Sequence[Step], numbers: Sequence[int] | None = None) -> None:
        """One insert. `numbers` are what the events' ids are made of."""
        segment = next(_SEGMENTS)
        rows = [
            Row(self._make_event(step, number), LogPlace(segment, place, 0))
            for place, (step, number) in enumerate(zip(steps, numbers or range(len(steps)), strict=True))
        ]
        self.store.insert_events(rows, next_moment())

    def _make_event(self, step: Step, number: int) -> Event:
        known: dict[str, Any] = {
            "event_id": str(uuid.UUID(int=(7 << 76) + number)),
            "workspace": self.workspace,
            "source": "shop",
            "protocol": "native",
            "channel": "web",
            "trusted": False,
            "event_type": step.event_type,
            "occurred_at": step.at,
            "received_at": NOW,
            "session_id": step.session,
            "utm_source": step.campaign,
            "host": "shop.example",
            "path": step.path,
            "profile_key": step.who,
            "profile_id": step.who,
            "visitor_key": step.visitor,
            "revenue": step.revenue,
            "currency": "EUR" if step.revenue else "",
            "properties": {} if step.engaged is None else {"engaged_ms": step.engaged},
        }
        return Event(**(known | step.more))

    def list(self, **question: Any) -> list[dict[str, Any]]:
        """Oldest first, which is how people tell it."""
        return list(reversed(find_sessions(self.store, self.workspace, NOW, **({"hours": 48} | question))["items"]))

    def count(self, first: float = -48 * 60, last: float = 48 * 60) -> dict[str, Any]:
        return count_sessions(self.store, self.workspace, NOON + round(first * MINUTE), NOON + round(last * MINUTE))


@pytest.fixture
def shop(installation: Installation) -> Shop:
    return Shop(installation.store)


def spans(sessions: Sequence[dict[str, Any]]) -> list[tuple[float, float, int]]:
    """Begin and end in minutes from noon, and how many events."""
    noon = format_time(NOON)
    assert noon.endswith("T12:00:00.000Z")
    return [(minute(s["started_at"]), minute(s["ended_at"]), s["events"]) for s in sessions]


def minute(text: str) -> float:
    day, hours = int(text[8:10]), text[11:-1].split(":")
    noon_day = int(format_time(NOON)[8:10])
    return (day - noon_day) * 1440 + (int(hours[0]) - 12) * 60 + int(hours[1]) + float(hours[2]) / 60


def test_a_pause_of_exactly_thirty_minutes_ends_no_session_and_a_longer_one_does(shop: Shop) -> None:
    shop.add([Step(0), Step(30), Step(60), Step(90.001)])
    assert spans(shop.list()) == [(0, 60, 3), (pytest.approx(90.001), pytest.approx(90.001), 1)]


def test_midnight_ends_no_session(shop: Shop) -> None:
    shop.add([Step(-12 * 60 - 5), Step(-12 * 60 + 5)])
    assert spans(shop.list()) == [(-725, -715, 2)]


def test_a_late_event_joins_two_sessions_and_an_early_one_moves_the_begin(shop: Shop) -> None:
    shop.add([Step(0, path="/first"), Step(50, path="/last")])
    apart = shop.list()
    assert spans(apart) == [(0, 0, 1), (50, 50, 1)]
    shop.add([Step(25, path="/between")], [9])
    (joined,) = shop.list()
    assert spans([joined]) == [(0, 50, 3)]
    assert (joined["entry_page"], joined["exit_page"]) == ("shop.example/first", "shop.example/last")
    assert joined["session_id"] == apart[0]["session_id"]
    shop.add([Step(-10, path="/earlier")], [10])
    (earlier,) = shop.list()
    assert spans([earlier]) == [(-10, 50, 4)]
    assert earlier["entry_page"] == "shop.example/earlier"


def test_another_campaign_begins_a_session_and_the_same_one_or_none_does_not(shop: Shop) -> None:
    shop.add(
        [
            Step(0),
            Step(1, campaign="news"),
            Step(2),
            Step(3, campaign="news"),
            Step(4, campaign="social"),
            Step(5),
            Step(6, campaign="news"),
        ]
    )
    sessions = shop.list()
    assert spans(sessions) == [(0, 0, 1), (1, 3, 3), (4, 5, 2), (6, 6, 1)]
    assert [session["utm_source"] for session in sessions] == ["", "news", "social", "news"]
    assert len({session["session_id"] for session in sessions}) == 4


@pytest.mark.parametrize("field", ["utm_source", "utm_medium", "utm_campaign", "click_id"])
def test_source_medium_name_and_click_id_each_make_another_campaign(shop: Shop, field: str) -> None:
    shop.add([Step(0, more={field: "one"}), Step(1, more={field: "two"}), Step(2, more={"utm_term": "shoes"})])
    assert spans(shop.list()) == [(0, 0, 1), (1, 2, 2)]


def test_after_a_pause_the_same_campaign_is_no_change(shop: Shop) -> None:
    shop.add([Step(0, campaign="news"), Step(100, campaign="news"), Step(101, campaign="news")])
    assert spans(shop.list()) == [(0, 0, 1), (100, 101, 2)]


def test_a_campaign_from_before_the_pause_is_forgotten(shop: Shop) -> None:
    shop.add([Step(0, campaign="news"), Step(100), Step(101, campaign="news")])
    assert spans(shop.list()) == [(0, 0, 1), (100, 100, 1), (101, 101, 1)]


def test_a_clients_session_is_kept_whatever_the_pause_and_the_campaign(shop: Shop) -> None:
    shop.add([Step(0, session="s1", campaign="news"), Step(200, session="s1", campaign="social")])
    (session,) = shop.list()
    assert (session["session_id"], session["rebuilt"]) == ("s1", False)
    assert spans([session]) == [(0, 200, 2)]
    assert session["utm_source"] == "news"


def test_two_client_sessions_at_the_same_time_stay_two(shop: Shop) -> None:
    shop.add([Step(n, session=f"s{n % 2}") for n in range(6)])
    assert {(s["session_id"], s["events"]) for s in shop.list()} == {("s0", 3), ("s1", 3)}


def test_one_client_id_of_two_people_is_two_sessions(shop: Shop) -> None:
    shop.add([Step(0, session="1"), Step(1, BERT, session="1")])
    assert [(s["session_id"], s["profile_key"]) for s in shop.list()] == [("1", ANNA), ("1", BERT)]


def test_a_purchase_that_a_server_reports_joins_the_visit_it_lies_in(shop: Shop) -> None:
    shop.add(
        [
            Step(0, session="s1", path="/cart"),
            Step(9, session="s1", path="/thanks"),
            Step(10, event_type="purchase", revenue=499_000),
            Step(39, event_type="purchase", revenue=1_000, more={"currency": "USD"}),
            Step(39.5, event_type="purchase"),
        ]
    )
    inside, outside = shop.list()
    assert (inside["session_id"], inside["events"], inside["conversions"]) == ("s1", 4, 2)
    assert inside["revenue"] == {"EUR": 49.9, "USD": 0.1}
    assert (inside["entry_page"], inside["exit_page"]) == ("shop.example/cart", "shop.example/thanks")
    assert spans([outside]) == [(39.5, 39.5, 1)]


def test_between_two_visits_of_one_person_a_purchase_joins_the_one_that_goes_on_longest(shop: Shop) -> None:
    shop.add(
        [
            Step(0, session="laptop"),
            Step(20, session="laptop"),
            Step(5, session="phone"),
            Step(8, session="phone"),
            Step(6, event_type="purchase"),
        ]
    )
    assert {s["session_id"]: s["conversions"] for s in shop.list()} == {"laptop": 1, "phone": 0}


def test_two_people_who_come_at_the_same_time_have_a_session_each(shop: Shop) -> None:
    shop.add([Step(n, (ANNA, BERT)[n % 2], path=f"/{n}") for n in range(6)])
    anna, bert = shop.list()
    assert spans([anna, bert]) == [(0, 4, 3), (1, 5, 3)]
    assert (anna["profile_key"], anna["entry_page"], anna["exit_page"]) == (ANNA, "shop.example/0", "shop.example/4")
    assert bert["profile_key"] == BERT


def test_without_a_profile_the_visitor_counts_and_without_any_id_nobody(shop: Shop) -> None:
    shop.add(
        [
            Step(0, who="", visitor="d:1"),
            Step(1, who="", visitor="d:1"),
            Step(1, who="", visitor="d:2"),
            Step(2, who=""),
            Step(3, who="", session="s1"),
            Step(4, more={"bot": "Googlebot"}),
        ]
    )
    assert [(s["events"], s["profile_key"], s["rebuilt"]) for s in shop.list()] == [
        (2, "", True),
        (1, "", True),
        (1, "", False),
    ]


def test_a_session_says_how_it_began_what_was_done_and_from_where(shop: Shop) -> None:
    client = {"browser": "Firefox", "os": "Linux", "device": "desktop", "country": "DE", "city": "Bonn"}
    shop.add(
        [
            Step(0, event_type="purchase", revenue=20_000, more={"device": "", "referrer_class": ""}),
            Step(1, path="/a", more=client | {"referrer_class": "search", "referrer_name": "Google"}),
            Step(2, path="/b", more=client | {"referrer_class": "internal"}),
            Step(3, path="/c", event_type="click"),
        ]
    )
    (session,) = shop.list()
    assert len(session.pop("session_id")) == 32
    assert session == {
        "rebuilt": True,
        "profile_key": ANNA,
        "started_at": format_time(NOON),
        "ended_at": format_time(NOON + 3 * MINUTE),
        "duration_ms": 3 * MINUTE,
        "engaged_ms": 0,
        "page_views": 2,
        "events": 4,
        "conversions": 1,
        "bounce": False,
        "revenue": {"EUR": 2.0},
        "entry_page": "shop.example/a",
        "exit_page": "shop.example/b",
        "utm_source": "",
        "utm_medium": "",
        "utm_campaign": "",
        "click_id_kind": "",
        "referrer_class": "search",
        "referrer_name": "Google",
        **client,
    }


@pytest.mark.parametrize(
    ("steps", "bounce"),
    [
        pytest.param([Step(0)], True, id="one page view"),
        pytest.param([Step(0), Step(1, event_type="click")], True, id="one page view and a click"),
        pytest.param([Step(0), Step(1)], False, id="two page views"),
        pytest.param([Step(0), Step(1, event_type="leave", engaged=9_999)], True, id="a short look"),
        pytest.param([Step(0), Step(1, event_type="leave", engaged=10_000)], False, id="ten seconds"),
        pytest.param([Step(0), Step(1, event_type="goal_achieved")], False, id="a conversion"),
        pytest.param([Step(0, event_type="click")], False, id="no page view at all"),
    ],
)
def test_what_a_bounce_is(shop: Shop, steps: list[Step], bounce: bool) -> None:
    shop.add(steps)
    assert [session["bounce"] for session in shop.list()] == [bounce]


@pytest.mark.parametrize(
    ("said", "engaged"),
    [
        (1500, 1500),
        (1500.9, 1500),
        (0, 0),
        (-5, 0),
        (1e300, DAY),
        (18446744073709551615, DAY),
        ("1500", 0),
        (None, 0),
        (True, 0),
        ([1500], 0),
        ({"ms": 1500}, 0),
    ],
)
def test_engaged_time_counts_where_it_is_a_number(shop: Shop, said: Any, engaged: int) -> None:
    shop.add([Step(0, more={"properties": {"engaged_ms": said, "deep": {"engaged_ms": 7}}})])
    assert [session["engaged_ms"] for session in shop.list()] == [engaged]


def test_the_largest_amount_is_summed_and_listed(shop: Shop) -> None:
    shop.add([Step(n, event_type="purchase", revenue=9_000_000_000_000_000) for n in range(3)])
    assert [session["revenue"] for session in shop.list()] == [{"EUR": 2_700_000_000_000.0}]


def test_all_keys_of_a_profile_are_one_person(shop: Shop) -> None:
    shop.add(
        [
            Step(0, session="s1", path="/in"),
            Step(1, BERT, session="s1", path="/out"),
            Step(20, BERT, event_type="purchase", revenue=10_000),
            Step(100, ANNA),
            Step(110, BERT),
            Step(5, "33333333-3333-4333-8333-333333333333"),
        ]
    )
    last, first = list_sessions(shop.store, shop.workspace, [ANNA, BERT])["items"]
    assert (first["session_id"], first["events"], first["conversions"]) == ("s1", 3, 1)
    assert (first["entry_page"], first["exit_page"]) == ("shop.example/in", "shop.example/out")
    assert (last["events"], last["rebuilt"]) == (2, True)
    assert len(list_sessions(shop.store, shop.workspace, [ANNA])["items"]) == 2
    assert list_sessions(shop.store, shop.workspace, []) == {"items": [], "next": None}


def test_a_rebuilt_session_has_the_same_id_in_both_lists(shop: Shop) -> None:
    shop.add([Step(0), Step(1)])
    (mine,) = list_sessions(shop.store, shop.workspace, [BERT, ANNA])["items"]
    assert shop.list() == [mine]


def test_pages_follow_one_another_without_gap_and_repeat(shop: Shop) -> None:
    people = [str(uuid.UUID(int=n + 1)) for n in range(7)]
    shop.add([Step(-300 * (n % 9), people[n % 7], session=f"s{n % 9}") for n in range(60)])
    everything = find_sessions(shop.store, shop.workspace, NOW, hours=100, limit=1000)
    assert everything["next"] is None
    pages: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = find_sessions(shop.store, shop.workspace, NOW, hours=100, limit=7, cursor=cursor)
        pages += page["items"]
        cursor = page["next"]
    assert pages == everything["items"]
    starts = [session["started_at"] for session in pages]
    assert starts == sorted(starts, reverse=True)
    first = list_sessions(shop.store, shop.workspace, people[:1], limit=2)
    second = list_sessions(shop.store, shop.workspace, people[:1], limit=1000, cursor=first["next"])
    assert first["items"] + second["items"] == list_sessions(shop.store, shop.workspace, people[:1])["items"]


def test_more_sessions_on_a_page_than_ids_in_one_question(shop: Shop) -> None:
    shop.add([Step(n / 100, session=f"s{n}", path=f"/{n}") for n in range(700)])
    page = shop.list(limit=1000)
    assert [session["entry_page"] for session in page] == [f"shop.example/{n}" for n in range(700)]


def test_a_session_counts_where_it_began(shop: Shop) -> None:
    shop.add([Step(-10), Step(10), Step(25), Step(100), Step(101)])
    assert shop.count(0, 100)["sessions"] == 0
    assert shop.count(-10, 0)["sessions"] == 1
    assert shop.count(0, 101)["sessions"] == 1
    assert spans(shop.list(hours=6)) == [(100, 101, 2)]
    assert spans(shop.list(hours=7)) == [(-10, 25, 3), (100, 101, 2)]


def test_totals_of_a_span(shop: Shop) -> None:
    shop.add([Step(0), Step(10, engaged=4_000), Step(0, BERT), Step(100, session="s1", event_type="click")])
    assert shop.count() == {
        "sessions": 3,
        "bounce_rate": pytest.approx(1 / 3),
        "mean_duration_ms": pytest.approx(200_000),
        "mean_engaged_ms": pytest.approx(4_000 / 3),
        "page_views_per_session": 1.0,
    }


def test_no_sessions_have_no_averages(shop: Shop) -> None:
    assert shop.count() == {
        "sessions": 0,
        "bounce_rate": None,
        "mean_duration_ms": None,
        "mean_engaged_ms": None,
        "page_views_per_session": None,
    }
    assert shop.list() == []


@pytest.mark.parametrize(
    ("question", "field"),
    [({"hours": 0}, "hours"), ({"hours": 8785}, "hours"), ({"limit": 0}, "limit"), ({"cursor": "x"}, "cursor")],
)
def test_what_cannot_be_answered_is_said(shop: Shop, question: dict[str, Any], field: str) -> None:
    with pytest.raises(QuestionError, match=field):
        shop.list(**question)


def rebuild(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The definition, word by word: sessions by begin, of steps whose ids ascend with their place."""
    placed = sorted(enumerate(steps), key=lambda pair: (pair[1].at, pair[0]))
    sessions: list[dict[str, Any]] = []
    for who in {step.who for step in steps}:
        mine = [step for _, step in placed if step.who == who]
        named: dict[str, list[Step]] = {}
        for step in mine:
            if step.session:
                named.setdefault(step.session, []).append(step)
        joined = {name: list(own) for name, own in named.items()}
        alone: list[list[Step]] = []
        campaign = ""
        for step in mine:
            if step.session:
                continue
            around = [name for name, own in named.items() if own[0].at <= step.at <= own[-1].at + IDLE]
            if around:
                joined[max(around, key=lambda name: (named[name][-1].at, name))].append(step)
                continue
            if not alone or step.at - alone[-1][-1].at > IDLE or step.campaign not in ("", campaign):
                alone.append([])
                campaign = ""
            alone[-1].append(step)
            campaign = step.campaign or campaign
        order = {id(step): place for place, step in placed}
        for name, own in [*joined.items(), *(("", own) for own in alone)]:
            sessions.append(tell(name, sorted(own, key=lambda step: (step.at, order[id(step)]))))
    return sorted(sessions, key=repr)


def tell(name: str, own: Sequence[Step]) -> dict[str, Any]:
    pages = [step for step in own if step.event_type == "page_view"]
    engaged = sum(step.engaged or 0 for step in own)
    conversions = sum(step.event_type in CONVERSION_TYPES for step in own)
    revenue = sum(step.revenue for step in own)
    return {
        "session": name,
        "profile_key": (pages or own)[0].who,
        "started_at": format_time(own[0].at),
        "ended_at": format_time(own[-1].at),
        "events": len(own),
        "page_views": len(pages),
        "conversions": conversions,
        "engaged_ms": engaged,
        "bounce": len(pages) == 1 and engaged < 10_000 and not conversions,
        "revenue": {"EUR": revenue / 10_000} if revenue else {},
        "entry_page": "shop.example" + (pages or own)[0].path,
        "exit_page": "shop.example" + (pages or own)[-1].path,
        "utm_source": next((step.campaign for step in own if step.campaign), ""),
    }


def compare(sessions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The answer in the form of `rebuild`."""
    told = [session | {"session": "" if session["rebuilt"] else session["session_id"]} for session in sessions]
    names = tell("", [Step(0)])
    return sorted(({name: session[name] for name in names} for session in told), key=repr)


# Half hours and whole ones make many pauses of exactly 30 minutes, and many events of one moment.
MINUTES = st.sampled_from([0, 0.001, 1, 5, 29, 30, 30.001, 31, 45, 60, 61, 90, 120, 150, -30, -60, -735, -705])
STEPS = st.builds(
    Step,
    minute=MINUTES,
    who=st.sampled_from([ANNA, ANNA, BERT]),
    session=st.sampled_from(["", "", "", "s1", "s2"]),
    campaign=st.sampled_from(["", "", "", "news", "social"]),
    event_type=st.sampled_from(["page_view", "page_view", "click", "purchase"]),
    path=st.sampled_from(["/", "/a", "/b"]),
    engaged=st.none() | st.integers(0, 20_000),
    revenue=st.sampled_from([0, 0, 500_000]),
)


# Of several pairs of people, who know nothing of each other: to ask the engine takes most of the time.
COUPLES = st.lists(st.lists(STEPS, min_size=1, max_size=24), min_size=4, max_size=8)


def mix(couples: Sequence[Sequence[Step]]) -> list[Step]:
    """All steps of all couples, one of each in turn. Pure."""
    ones = [
        [structs.replace(step, who=f"{step.who[:-12]}{number:012}") for step in steps]
        for number, steps in enumerate(couples)
    ]
    return [step for turn in itertools.zip_longest(*ones) for step in turn if step]


def check_orders_of_arrival(examples: int, store: EventStore) -> None:
    @given(steps=COUPLES.map(mix), seed=st.integers(0, 1_000_000))
    @settings(max_examples=examples, deadline=None)
    def check(steps: list[Step], seed: int) -> None:
        in_order, shuffled = Shop(store), Shop(store)
        in_order.add(steps)
        numbers = list(range(len(steps)))
        random.Random(seed).shuffle(numbers)
        middle = len(numbers) // 2
        for part in (numbers[:middle], numbers[middle:]):
            shuffled.add([steps[number] for number in part], part)

        found = in_order.list(limit=1000)

        assert compare(found) == rebuild(steps)
        assert shuffled.list(limit=1000) == found
        assert in_order.count()["sessions"] == len(found)

    check()


# Each example asks the engine six times; the next test compares ten thousand events at once.
@pytest.mark.parametrize("examples", [5, pytest.param(75, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_any_order_of_arrival_gives_the_sessions_of_the_definition(installation: Installation, examples: int) -> None:
    """`make test` takes some twenty couples, `make test-all` some four hundred."""
    check_orders_of_arrival(examples, installation.store)


def test_ten_thousand_random_events_give_the_sessions_of_the_definition(shop: Shop) -> None:
    chance = random.Random(7)
    people = [str(uuid.UUID(int=n + 1)) for n in range(150)]
    steps = [
        Step(
            minute=chance.randrange(-18 * 3600, 5 * 3600) / 60,
            who=chance.choice(people),
            session=chance.choice(["", "", "s1"]) and f"s{chance.randrange(3)}",
            campaign=chance.choice(["", "", "", "news", "social"]),
            event_type=chance.choice(["page_view", "page_view", "click", "purchase"]),
            path=chance.choice(["/", "/a", "/b"]),
            engaged=chance.choice([None, 100, 12_000]),
            revenue=chance.choice([0, 0, 123]),
        )
        for _ in range(10_000)
    ]
    shop.add(steps)
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = find_sessions(shop.store, shop.workspace, NOW, hours=48, limit=200, cursor=cursor)
        found += page["items"]
        cursor = page["next"]
    assert compare(found) == rebuild(steps)
    assert len(found) > 700
    assert shop.count()["sessions"] == len(found)
