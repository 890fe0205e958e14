"""Random histories of appends, errors, power cuts, bit rot and trims on a modelled disk."""

import contextlib
import errno
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.eventlog.crashable import CrashableDisk

from trackway.eventlog.appender import SegmentAppender
from trackway.eventlog.interface import Damage, NotDurable, Position, Record, RecordPlace
from trackway.eventlog.reader import LogReader
from trackway.eventlog.segment import HEADER_BYTES, PREFIX_BYTES, decode_header, list_segments, name_segment

LOG = Path("/log")
FOLDER = LOG / "0"

# Some payloads hold what a record begins with: finding the next record must not be fooled.
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.integers(0, 1500).map(lambda length: b"x" * length),
    st.binary(max_size=20).map(lambda rest: b"\xf5\x9etw" + rest + b"\xf5\x9ets"),
)


class LogOnAFailingDisk(RuleBasedStateMachine):
    """`acknowledged` is what the writer promised; `rotten` is what bit rot took since, by segment."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = CrashableDisk()
        self.now_ms = 1_700_000_000_000
        self.monotonic = 0.0
        self.serial = 0
        self.offered: set[bytes] = set()
        self.acknowledged: dict[RecordPlace, bytes] = {}
        self.rotten: dict[int, RecordPlace | None] = {}
        self.trimmed_below = 0
        self.position = Position.start()
        self.followed: list[Record] = []
        self.start_writer()

    def start_writer(self) -> None:
        self.appender = SegmentAppender(
            self.disk,
            FOLDER,
            "0",
            clock=lambda: self.now_ms,
            monotonic=lambda: self.monotonic,
            segment_bytes=900,
            reserve_bytes=1_000,
        )
        self.reader = LogReader(LOG, storage=self.disk)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Failures that are armed wait for the next rule; looking does not use them up."""
        armed, self.disk.failures = self.disk.failures, {}
        yield
        self.disk.failures = armed

    def read_from(self, position: Position) -> tuple[list[Record], list[Damage], Position]:
        records: list[Record] = []
        damages: list[Damage] = []
        while True:
            batch = self.reader.read("0", position, max_records=7, max_bytes=900)
            records += batch.records
            damages += batch.damages
            if batch.next == position:
                return records, damages, position
            position = batch.next

    def segments(self) -> list[int]:
        return list_segments(self.disk.list(FOLDER))

    @rule(groups=st.lists(st.lists(PAYLOADS, min_size=1, max_size=6), min_size=1, max_size=5))
    def append(self, groups: list[list[bytes]]) -> None:
        for group in groups:
            self.append_group(group)

    def append_group(self, group: list[bytes]) -> None:
        self.now_ms += 1
        self.monotonic += 0.1
        numbered = []
        for payload in group:
            self.serial += 1
            numbered.append(self.serial.to_bytes(4, "big") + payload)
        self.offered.update(numbered)
        try:
            places = self.appender.commit(numbered)
        except NotDurable:
            return
        assert not self.acknowledged.keys() & set(places), "a place was used twice"
        self.acknowledged.update(zip(places, numbered, strict=True))

    @rule(seed=st.integers(0, 1 << 32))
    def cut_the_power(self, seed: int) -> None:
        self.disk.crash(Random(seed))
        self.start_writer()

    @rule()
    def restart_in_order(self) -> None:
        self.appender.seal()
        self.start_writer()

    @rule()
    def kill_the_process(self) -> None:
        self.start_writer()

    @rule(
        call=st.sampled_from(["append", "sync", "truncate", "open", "sync_directory", "unlink"]),
        number=st.sampled_from([errno.EIO, errno.ENOSPC]),
    )
    def arm_a_failure(self, call: str, number: int) -> None:
        self.disk.fail_next(call, number)

    @rule(free=st.sampled_from([0, 999, 1 << 40]))
    def change_free_space(self, free: int) -> None:
        self.disk.free = free
        self.monotonic += 1.0

    @rule(by_ms=st.sampled_from([-86_400_000, 3_600_000]))
    def let_the_clock_jump(self, by_ms: int) -> None:
        self.now_ms += by_ms

    @rule(max_records=st.integers(1, 5), max_bytes=st.integers(1, 2000))
    def follow(self, max_records: int, max_bytes: int) -> None:
        with self.undisturbed():
            batch = self.reader.read("0", self.position, max_records, max_bytes)
        assert len(batch.records) <= max_records
        assert len({record.segment for record in batch.records}) <= 1, "a batch spans segments"
        self.followed += batch.records
        self.position = batch.next

    @rule()
    def trim(self) -> None:
        self.trimmed_below = max(self.trimmed_below, self.position.segment)
        with contextlib.suppress(OSError):
            self.reader.trim("0", self.position, keep_since_ms=1 << 47)

    def counted_segments(self) -> list[int]:
        """Segments whose number of records is written down twice or at the end: not the last of a crashed writer."""
        found = []
        segments = self.segments()
        for number, successor in pairwise(segments):
            header = decode_header(self.disk.read(FOLDER / name_segment(successor), 0, HEADER_BYTES))
            neighbours = segments[max(0, segments.index(number) - 1) : segments.index(number) + 2]
            if (
                header is not None
                and (header.previous, header.previous_records is None) == (number, False)
                and not self.rotten.keys() & set(neighbours)
            ):
                found.append(number)
        return found

    @precondition(lambda self: self.counted_segments())
    @rule(data=st.data())
    def rot(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self.counted_segments()))
        places = sorted(place for place in self.acknowledged if place.segment == number)
        ends = [HEADER_BYTES]
        for place in places:
            ends.append(ends[-1] + PREFIX_BYTES + len(self.acknowledged[place]))
        offset = data.draw(st.integers(0, ends[-1] - 1))
        self.disk.flip_bit(FOLDER / name_segment(number), offset, data.draw(st.integers(0, 7)))
        hit = next(n for n, end in enumerate(ends) if offset < end)
        self.rotten[number] = places[hit - 1] if hit else None

    @invariant()
    def what_was_acknowledged_is_there_once_and_in_order(self) -> None:
        with self.undisturbed():
            records, damages, _ = self.read_from(Position.start())
            again = self.read_from(Position.start())
        assert [r.payload for r in records] == [r.payload for r in again[0]], "reading changes the log"
        assert len(damages) == len(again[1])

        places = [RecordPlace(record.segment, record.ordinal) for record in records]
        assert places == sorted(set(places)), "out of order, or twice"
        payloads = [record.payload for record in records]
        assert len(set(payloads)) == len(payloads), "a payload came back twice"
        assert self.offered.issuperset(payloads), "a record was invented"

        left = set(self.segments())
        gone = set(self.rotten.values())
        read = dict(zip(places, payloads, strict=True))
        for place, payload in self.acknowledged.items():
            if place.segment not in left:
                assert place.segment < self.trimmed_below, "a segment is gone"
            elif place not in gone:
                assert read.get(place) == payload, "an acknowledged record is gone"
        self.every_damage_is_told_and_none_is_made_up(damages, left)

    def every_damage_is_told_and_none_is_made_up(self, damages: list[Damage], left: set[int]) -> None:
        rotten = {number: place for number, place in self.rotten.items() if number in left}
        assert rotten.keys() <= {damage.segment for damage in damages}, "bit rot was not noticed"
        for damage in damages:
            expected = int(rotten.get(damage.segment) is not None)
            assert damage.records_lost in (0, expected), damage
        lost = sum(damage.records_lost or 0 for damage in damages)
        assert lost == sum(place is not None for place in rotten.values()), damages

    @invariant()
    def a_follower_misses_nothing(self) -> None:
        with self.undisturbed():
            rest, _, _ = self.read_from(self.position)
        seen = [*self.followed, *rest]
        places = [RecordPlace(record.segment, record.ordinal) for record in seen]
        assert places == sorted(set(places)), "out of order, or twice"
        missing = self.acknowledged.keys() - set(places) - set(self.rotten.values())
        assert not missing, f"the follower never saw {missing}"


TestLogOnAFailingDisk = LogOnAFailingDisk.TestCase
# TRACKWAY_TEST_EXAMPLES=20000 for a night.
TestLogOnAFailingDisk.settings = settings(
    max_examples=int(os.environ.get("TRACKWAY_TEST_EXAMPLES", "100")), stateful_step_count=40, deadline=None
)
