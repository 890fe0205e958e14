"""What the pipeline and the collector rely on, whatever the log is made of."""

import asyncio

import msgspec
import pytest
from tests.eventlog.conftest import LogUnderTest

from trackway.eventlog.interface import EventLogReader, NotDurable, Position, Record, RecordPlace


def read_all(reader: EventLogReader, stream: str, position: Position, max_records: int = 1000) -> list[Record]:
    records: list[Record] = []
    while True:
        batch = reader.read(stream, position, max_records)
        assert batch.damages == []
        records += batch.records
        if batch.next == position:
            return records
        position = batch.next


def test_what_was_appended_is_read_byte_for_byte_and_in_order(any_log: LogUnderTest) -> None:
    payloads = [b"", b"\0", bytes(range(256)), "ünïcode".encode(), b"x" * 100_000, b"\xf5\x9etw" * 9]

    async def append() -> list[RecordPlace]:
        async with any_log.open_writer("0") as writer:
            return [await writer.append(payload) for payload in payloads]

    places = asyncio.run(append())
    records = read_all(any_log.open_reader(), "0", Position.start())
    assert [record.payload for record in records] == payloads
    assert [RecordPlace(record.segment, record.ordinal) for record in records] == places
    assert places == sorted(set(places))


def test_appends_that_wait_together_keep_their_order(any_log: LogUnderTest) -> None:
    payloads = [b"%d" % n for n in range(500)]

    async def append() -> None:
        async with any_log.open_writer("0") as writer:
            await asyncio.gather(*(writer.append(payload) for payload in payloads))

    asyncio.run(append())
    records = read_all(any_log.open_reader(), "0", Position.start())
    assert [record.payload for record in records] == payloads


def test_an_acknowledged_record_can_be_read_at_once(any_log: LogUnderTest) -> None:
    async def follow() -> None:
        reader, position = any_log.open_reader(), Position.start()
        async with any_log.open_writer("0") as writer:
            for n in range(20):
                place = await writer.append(b"%d" % n)
                batch = reader.read("0", position)
                assert batch.records == [Record(place.segment, place.ordinal, b"%d" % n)]
                position = batch.next

    asyncio.run(follow())


@pytest.mark.parametrize("size", [1, 3, 100])
def test_reading_in_pieces_gives_the_same_as_reading_at_once(any_log: LogUnderTest, size: int) -> None:
    async def append() -> None:
        async with any_log.open_writer("0", segment_bytes=2_000) as writer:
            for n in range(60):
                await writer.append(b"%d" % n * 20)

    asyncio.run(append())
    reader = any_log.open_reader()
    whole = read_all(reader, "0", Position.start())
    assert len(whole) == 60
    assert read_all(reader, "0", Position.start(), max_records=size) == whole


def test_a_position_goes_through_json_and_a_new_reader_goes_on_from_it(any_log: LogUnderTest) -> None:
    async def append() -> None:
        async with any_log.open_writer("0", segment_bytes=500) as writer:
            for n in range(30):
                await writer.append(b"%d" % n * 20)

    asyncio.run(append())
    position, seen = Position.start(), []
    while True:
        batch = any_log.open_reader().read("0", position, max_records=4)
        seen += batch.records
        if batch.next == position:
            break
        position = msgspec.json.decode(msgspec.json.encode(batch.next), type=Position)
    assert seen == read_all(any_log.open_reader(), "0", Position.start())


def test_a_record_larger_than_the_byte_limit_is_still_read(any_log: LogUnderTest) -> None:
    async def append() -> None:
        async with any_log.open_writer("0") as writer:
            await asyncio.gather(*(writer.append(bytes([n]) * 300_000) for n in range(3)))

    asyncio.run(append())
    reader, position, sizes = any_log.open_reader(), Position.start(), []
    for _ in range(3):
        batch = reader.read("0", position, max_bytes=1_000)
        sizes.append([len(record.payload) for record in batch.records])
        position = batch.next
    assert sizes == [[300_000]] * 3


def test_any_record_can_be_found_by_its_place(any_log: LogUnderTest) -> None:
    async def append() -> list[RecordPlace]:
        async with any_log.open_writer("0", segment_bytes=1_000) as writer:
            return [await writer.append(b"%d" % n * 30) for n in range(40)]

    places = asyncio.run(append())
    reader = any_log.open_reader()
    for n in (0, 7, 39):
        record = reader.find_record("0", places[n])
        assert record is not None
        assert record.payload == b"%d" % n * 30
    assert reader.find_record("0", RecordPlace(places[0].segment, 999)) is None
    assert reader.find_record("0", RecordPlace(1, 0)) is None
    assert reader.find_record("nowhere", places[0]) is None


def test_streams_are_apart(any_log: LogUnderTest) -> None:
    async def append() -> None:
        async with any_log.open_writer("0") as zero, any_log.open_writer("1") as one:
            await asyncio.gather(zero.append(b"zero"), one.append(b"one"))

    reader = any_log.open_reader()
    assert reader.streams() == []
    asyncio.run(append())
    assert reader.streams() == ["0", "1"]
    assert [record.payload for record in read_all(reader, "0", Position.start())] == [b"zero"]
    assert [record.payload for record in read_all(reader, "1", Position.start())] == [b"one"]


def test_a_new_writer_goes_on_and_never_uses_a_place_again(any_log: LogUnderTest) -> None:
    async def append(payload: bytes) -> RecordPlace:
        async with any_log.open_writer("0") as writer:
            return await writer.append(payload)

    places = [asyncio.run(append(b"%d" % n)) for n in range(5)]
    assert places == sorted(set(places))
    records = read_all(any_log.open_reader(), "0", Position.start())
    assert [record.payload for record in records] == [b"0", b"1", b"2", b"3", b"4"]


def test_the_backlog_shrinks_to_nothing_as_a_reader_goes_on(any_log: LogUnderTest) -> None:
    async def append() -> None:
        async with any_log.open_writer("0", segment_bytes=2_000) as writer:
            for _ in range(50):
                await writer.append(b"x" * 100)

    asyncio.run(append())
    reader, position = any_log.open_reader(), Position.start()
    backlog = [reader.backlog_bytes("0", position)]
    assert backlog[0] >= 5_000
    while (batch := reader.read("0", position, max_records=10)).next != position:
        position = batch.next
        backlog.append(reader.backlog_bytes("0", position))
    assert backlog == sorted(backlog, reverse=True)
    assert backlog[-1] == 0


def test_trimming_forgets_only_what_is_read_and_old(any_log: LogUnderTest) -> None:
    async def append() -> None:
        async with any_log.open_writer("0", segment_bytes=1_000) as writer:
            for n in range(50):
                await writer.append(b"%d" % n * 50)

    asyncio.run(append())
    reader = any_log.open_reader()
    whole = read_all(reader, "0", Position.start())
    batch = reader.read("0", Position.start(), max_records=30)
    while batch.next.segment == whole[0].segment:
        batch = reader.read("0", batch.next, max_records=30)
    position = batch.next

    assert reader.trim("0", position, keep_since_ms=0) == 0
    assert reader.trim("0", position, keep_since_ms=1 << 47) > 0
    left = read_all(reader, "0", Position.start())
    assert left == whole[-len(left) :]
    assert left[0].segment == position.segment
    assert read_all(reader, "0", position) == [
        record for record in whole if (record.segment, record.ordinal) >= (position.segment, position.ordinal)
    ]


def test_a_log_that_was_read_to_its_end_and_trimmed_goes_on(any_log: LogUnderTest) -> None:
    async def append(payload: bytes) -> None:
        async with any_log.open_writer("0") as writer:
            await writer.append(payload)

    reader, position, seen = any_log.open_reader(), Position.start(), []
    for n in range(4):
        asyncio.run(append(b"%d" % n))
        while (batch := reader.read("0", position)).next != position:
            assert batch.damages == []
            seen += batch.records
            position = batch.next
        reader.trim("0", position, keep_since_ms=1 << 47)
    assert [record.payload for record in seen] == [b"0", b"1", b"2", b"3"]


def test_too_much_that_waits_is_refused_and_what_was_taken_is_kept(any_log: LogUnderTest) -> None:
    async def overload() -> int:
        taken = []
        async with any_log.open_writer("0", waiting_bytes=10_000) as writer:
            with pytest.raises(NotDurable, match="wait for the disk"):
                while True:
                    taken.append(writer.append(b"x" * 1_000))
            await asyncio.gather(*taken)
            await writer.append(b"and on it goes")
        return len(taken)

    taken = asyncio.run(overload())
    assert len(read_all(any_log.open_reader(), "0", Position.start())) == taken + 1


def test_closing_writes_what_waits_and_refuses_what_comes_later(any_log: LogUnderTest) -> None:
    async def close_early() -> None:
        async with any_log.open_writer("0") as writer:
            waiting = [writer.append(b"%d" % n) for n in range(100)]
            await asyncio.gather(writer.close(), writer.close())
            assert len(await asyncio.gather(*waiting)) == 100
            with pytest.raises(NotDurable, match="stopped"):
                await writer.append(b"late")

    asyncio.run(close_early())
    assert len(read_all(any_log.open_reader(), "0", Position.start())) == 100


def test_a_waiter_that_gives_up_does_not_disturb_the_others(any_log: LogUnderTest) -> None:
    async def cancel_one() -> None:
        async with any_log.open_writer("0") as writer:
            first, second = writer.append(b"first"), writer.append(b"second")
            first.cancel()
            await second

    asyncio.run(cancel_one())
    assert [r.payload for r in read_all(any_log.open_reader(), "0", Position.start())] == [b"first", b"second"]


def zeros(length: int) -> bytes:
    return bytes(length)


def test_erased_records_keep_their_places_and_everyone_else_their_bytes(any_log: LogUnderTest) -> None:
    async def append() -> list[RecordPlace]:
        async with any_log.open_writer("0", segment_bytes=1_000) as writer:
            return [await writer.append(b"%02d" % n * 30) for n in range(40)]

    places = asyncio.run(append())
    reader = any_log.open_reader()
    end = Position.start()
    while (batch := reader.read("0", end)).next != end:
        end = batch.next
    gone = [places[0], places[7], places[39], RecordPlace(places[0].segment, 999), RecordPlace(1, 0)]

    assert reader.erase("0", gone, end, zeros) == 3
    assert reader.erase("0", gone, end, zeros) == 3
    expected = [bytes(60) if n in (0, 7, 39) else b"%02d" % n * 30 for n in range(40)]
    records = read_all(any_log.open_reader(), "0", Position.start())
    assert [record.payload for record in records] == expected
    assert [RecordPlace(record.segment, record.ordinal) for record in records] == places


def test_what_a_reader_has_not_passed_is_not_erased(any_log: LogUnderTest) -> None:
    async def append() -> list[RecordPlace]:
        async with any_log.open_writer("0") as writer:
            return [await writer.append(b"%02d" % n * 30) for n in range(10)]

    places = asyncio.run(append())
    reader = any_log.open_reader()
    half = reader.read("0", Position.start(), max_records=5).next
    assert reader.erase("0", places, half, zeros) == 5
    left = [record.payload for record in read_all(reader, "0", Position.start())]
    assert left == [bytes(60)] * 5 + [b"%02d" % n * 30 for n in range(5, 10)]


def test_a_stream_that_is_being_written_can_be_erased_in(any_log: LogUnderTest) -> None:
    async def follow() -> list[bytes]:
        reader, position = any_log.open_reader(), Position.start()
        async with any_log.open_writer("0") as writer:
            for n in range(20):
                place = await writer.append(b"%02d" % n * 30)
                position = reader.read("0", position).next
                assert reader.erase("0", [place], position, zeros) == 1
            await writer.append(b"last")
        return [record.payload for record in read_all(reader, "0", Position.start())]

    assert asyncio.run(follow()) == [bytes(60)] * 20 + [b"last"]


def test_a_watch_tells_of_everything_that_is_written_and_of_nothing_else(any_log: LogUnderTest) -> None:
    async def follow() -> None:
        reader = any_log.open_reader()
        watch = reader.watch()
        assert (watch.has_grown(), watch.has_grown()) == (True, False)
        async with any_log.open_writer("0", segment_bytes=2_000) as writer:
            for n in range(60):
                await writer.append(b"%d" % n * 20)
                assert (watch.has_grown(), watch.has_grown()) == (True, False)
            assert len({record.segment for record in read_all(reader, "0", Position.start())}) > 1
            async with any_log.open_writer("1") as other:
                await other.append(b"another stream")
                assert (watch.has_grown(), watch.has_grown()) == (True, False)
                await writer.append(b"the first again")
                assert (watch.has_grown(), watch.has_grown()) == (True, False)
        late = any_log.open_reader().watch()
        assert (late.has_grown(), late.has_grown()) == (True, False)

    asyncio.run(follow())


def test_a_watch_follows_a_log_that_is_trimmed(any_log: LogUnderTest) -> None:
    async def follow() -> None:
        reader = any_log.open_reader()
        watch = reader.watch()
        async with any_log.open_writer("0", segment_bytes=500) as writer:
            last = [await writer.append(b"x" * 200) for _ in range(20)][-1]
            watch.has_grown()
            assert reader.trim("0", Position(last.segment, 0, 0), 2**62) > 0
            watch.has_grown()
            await writer.append(b"after that")
            assert (watch.has_grown(), watch.has_grown()) == (True, False)

    asyncio.run(follow())
