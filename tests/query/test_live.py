"""The live feed: nothing is left out and nothing comes twice, whoever listens and however slowly."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from trackway.query import feed as feed_module
from trackway.query.cursors import decode_live_cursor, encode_cursor
from trackway.query.feed import Gap, Heard, Idle, Joined, LiveFeed, News, TooManyListeners
from trackway.query.live import read_new_events, read_newest_cursor
from trackway.query.questions import QuestionError
from trackway.store.client import EventStore, StoreUnavailable
from trackway.testing.installation import Installation, next_moment

NOW = 1_795_000_000_000
IDLE_SECONDS = 0.05


def read(installation: Installation, cursor: str, limit: int = 1000) -> tuple[list[str], str]:
    answer = read_new_events(installation.store, installation.workspace, cursor, limit)
    return [event["event_id"] for event in answer["items"]], answer["cursor"]


def test_new_events_come_in_the_order_of_storing_page_by_page(installation: Installation) -> None:
    source = installation.add_source("shop")
    installation.store_events(source, [NOW])
    nothing, cursor = read(installation, "")
    assert nothing == []
    stored = [*installation.store_events(source, [NOW, NOW - 5]), *installation.store_events(source, [NOW - 9] * 3)]
    ids: list[str] = []
    while True:
        page, cursor = read(installation, cursor, 2)
        ids += page
        if not page:
            break
    assert ids == [event.event_id for event in stored]


def test_a_later_batch_of_the_same_millisecond_is_not_skipped(installation: Installation) -> None:
    """Two streams: the second batch stands in a segment with a lower number."""
    source = installation.add_source("shop")
    moment = next_moment()
    _, cursor = read(installation, "")
    first = installation.store_events(source, [NOW] * 2, stored_at=moment, segment=900)
    seen, after_first = read(installation, cursor)
    lower = installation.store_events(source, [NOW] * 2, stored_at=moment, segment=800)
    new, _ = read(installation, after_first)
    assert seen == [event.event_id for event in first]
    assert new == [event.event_id for event in lower]
    # The same with a page that ends within the millisecond.
    _, within = read(installation, cursor, 1)
    rest, end = read(installation, within)
    assert len(rest) == 3
    assert read(installation, end)[0] == []


def test_a_cursor_of_the_end_covers_everything_that_is_stored(installation: Installation) -> None:
    moment = next_moment()
    source = installation.add_source("shop")
    for segment in (10, 20):
        installation.store_events(source, [NOW] * 3, stored_at=moment, segment=segment)
    end = read_newest_cursor(installation.store)
    assert (end.stored_at, len(end.marks)) == (moment, 2)
    assert read(installation, encode_cursor(end))[0] == []


def test_a_cursor_that_was_not_given_out_is_refused(installation: Installation) -> None:
    with pytest.raises(QuestionError):
        read(installation, "made-up")


async def hear(news: AsyncGenerator[News], events: int) -> list[str]:
    """The ids of the next `events` events."""
    ids: list[str] = []
    while len(ids) < events:
        each = await anext(news)
        assert not isinstance(each, Gap)
        if isinstance(each, Heard):
            ids.append(each.event.event["event_id"])
    return ids


async def store(installation: Installation, source: str, events: int = 1) -> list[str]:
    stored = await asyncio.to_thread(installation.store_events, source, [NOW] * events)
    return [event.event_id for event in stored]


def test_everyone_who_listens_hears_what_is_stored_from_then_on(installation: Installation) -> None:
    async def run() -> None:
        source = installation.add_source("shop")
        await store(installation, source)
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(None, 1)) as one, aclosing(feed.listen(None, 1)) as two:
            assert isinstance(await anext(one), Joined)
            assert isinstance(await anext(two), Joined)
            ids = [*await store(installation, source, 3), *await store(installation, source, 2)]
            assert await hear(one, 5) == ids
            assert await hear(two, 5) == ids
            assert feed.listeners == 2
        assert feed.listeners == 0

    asyncio.run(run())


def test_who_comes_back_with_a_cursor_hears_what_was_missed_once(installation: Installation) -> None:
    async def run() -> None:
        source = installation.add_source("shop")
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(None, 1)) as before:
            await anext(before)
            ids = await store(installation, source, 4)
            heard = [await anext(before) for _ in range(2)]
        assert isinstance(heard[1], Heard)
        cursor = decode_live_cursor(encode_cursor(heard[1].cursor))
        ids += await store(installation, source, 2)
        async with aclosing(feed.listen(cursor, 1)) as after:
            await anext(after)
            ids += await store(installation, source, 2)
            assert await hear(after, 6) == ids[2:]

    asyncio.run(run())


def test_who_is_too_slow_for_the_queue_reads_the_rest_from_the_store(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "QUEUE_EVENTS", 2)

    async def run() -> None:
        source = installation.add_source("shop")
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(None, 1)) as slow, aclosing(feed.listen(None, 1)) as quick:
            await anext(slow)
            await anext(quick)
            ids: list[str] = []
            for _ in range(5):
                stored = await store(installation, source, 3)
                ids += stored
                assert await hear(quick, 3) == stored
            assert await hear(slow, 15) == ids

    asyncio.run(run())


def test_who_missed_too_much_is_told_of_a_gap_and_goes_on_with_the_present(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "PAGE_EVENTS", 2)
    monkeypatch.setattr(feed_module, "MOST_MISSED_EVENTS", 4)

    async def run() -> None:
        source = installation.add_source("shop")
        start = read_newest_cursor(installation.store)
        await store(installation, source, 10)
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(start, 1)) as news:
            kinds = [type(await anext(news)) for _ in range(6)]
            assert kinds == [Joined, Heard, Heard, Heard, Heard, Gap]
            ids = await store(installation, source)
            assert await hear(news, 1) == ids

    asyncio.run(run())


def test_other_workspaces_are_not_heard(installation: Installation) -> None:
    async def run() -> None:
        feed = LiveFeed(installation.store, "someone-else")
        async with aclosing(feed.listen(None, 3 * feed_module.POLL_SECONDS)) as news:
            await anext(news)
            await store(installation, installation.add_source("shop"))
            assert isinstance(await anext(news), Idle)

    asyncio.run(run())


def test_silence_is_said_now_and_then(installation: Installation) -> None:
    async def run() -> None:
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(None, IDLE_SECONDS)) as news:
            assert [type(await anext(news)) for _ in range(3)] == [Joined, Idle, Idle]

    asyncio.run(run())


def test_closing_ends_who_listens_and_who_comes_after(installation: Installation) -> None:
    async def run() -> None:
        feed = LiveFeed(installation.store, installation.workspace)
        news = feed.listen(None, 60)
        await anext(news)
        waiting = asyncio.create_task(anext(news, None))
        await asyncio.sleep(0)
        # As a signal handler or another thread would.
        await asyncio.to_thread(feed.close)
        assert await waiting is None
        assert [each async for each in feed.listen(None, 60)] == []
        assert feed.listeners == 0

    asyncio.run(run())


def test_the_number_of_listeners_is_bounded(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "MOST_LISTENERS", 1)

    async def run() -> None:
        feed = LiveFeed(installation.store, installation.workspace)
        async with aclosing(feed.listen(None, 1)) as one:
            await anext(one)
            with pytest.raises(TooManyListeners):
                await anext(feed.listen(None, 1))

    asyncio.run(run())


def test_a_store_that_does_not_answer_is_said_at_the_beginning(installation: Installation) -> None:
    async def run() -> None:
        away = EventStore("http://default:secret@127.0.0.1:9/trackway")
        with pytest.raises(StoreUnavailable):
            await anext(LiveFeed(away, installation.workspace).listen(None, 1))

    asyncio.run(run())
