"""Torn tails, flipped bits, lost and swapped files: what is told, and what survives."""

import asyncio
import shutil
from pathlib import Path
from random import Random

import pytest

from trackway.eventlog.embedded import LogReader, LogWriter, check
from trackway.eventlog.interface import Damage, Position, UnknownFormat
from trackway.eventlog.segment import HEADER_BYTES, PREFIX_BYTES, Header, encode_header, list_segments, name_segment


def write(log: Path, payloads: list[bytes], *, segment_bytes: int = 64_000_000, in_groups: bool = False) -> None:
    """One writer's life, closed in order: each payload a write of its own, or all in one."""

    async def append() -> None:
        writer = LogWriter(log, "0", segment_bytes=segment_bytes, reserve_bytes=0)
        if in_groups:
            await asyncio.gather(*(writer.append(payload) for payload in payloads))
        else:
            for payload in payloads:
                await writer.append(payload)
        await writer.close()

    asyncio.run(append())


def read(log: Path) -> tuple[list[bytes], list[Damage]]:
    reader, position = LogReader(log), Position.start()
    payloads: list[bytes] = []
    damages: list[Damage] = []
    while (batch := reader.read("0", position)).next != position:
        payloads += [record.payload for record in batch.records]
        damages += batch.damages
        position = batch.next
    return payloads, damages


def segment_files(log: Path) -> list[Path]:
    return [log / "0" / name_segment(number) for number in list_segments(p.name for p in (log / "0").iterdir())]


def cut_seal(file: Path) -> bytes:
    """The segment as a killed writer leaves it."""
    data = file.read_bytes()[:-PREFIX_BYTES]
    file.write_bytes(data)
    return data


def test_a_torn_tail_at_any_byte_is_told_and_the_records_before_it_survive(tmp_path: Path) -> None:
    payloads = [b"%d" % n * 9 for n in range(6)]
    write(tmp_path, payloads)
    (file,) = segment_files(tmp_path)
    data = cut_seal(file)
    ends = [HEADER_BYTES]
    for payload in payloads:
        ends.append(ends[-1] + PREFIX_BYTES + len(payload))
    assert ends[-1] == len(data)

    for length in range(ends[3], len(data)):
        file.write_bytes(data[:length])
        whole = sum(end <= length for end in ends) - 1
        assert read(tmp_path) == (payloads[:whole], []), "a growing segment was called damaged"
        damages = check(tmp_path)
        if length in ends:
            assert damages == []
        else:
            (damage,) = damages
            assert (damage.offset, damage.length, damage.records_lost) == (ends[whole], length - ends[whole], 0)
            assert "never acknowledged" in damage.reason


@pytest.mark.parametrize("tail", [bytes(1000), b"\xf5\x9etw" * 100, b"\xff" * 30], ids=["zeros", "markers", "ones"])
def test_garbage_behind_the_last_record_is_told_once_a_new_writer_has_begun(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, [b"one", b"two"])
    (file,) = segment_files(tmp_path)
    file.write_bytes(cut_seal(file) + tail)
    write(tmp_path, [b"three"])
    payloads, damages = read(tmp_path)
    assert payloads == [b"one", b"two", b"three"]
    (damage,) = damages
    assert (damage.length, damage.records_lost) == (len(tail), 0)


def test_a_hole_in_the_last_write_is_passed_over(tmp_path: Path) -> None:
    payloads = [b"%d" % n * 700 for n in range(20)]
    write(tmp_path, payloads, in_groups=True)
    (file,) = segment_files(tmp_path)
    data = bytearray(cut_seal(file))
    begin = HEADER_BYTES + 5 * (PREFIX_BYTES + 700)
    data[begin + 100 : begin + 612] = bytes(512)
    file.write_bytes(data)
    kept, damages = read(tmp_path)
    assert [p for p in payloads if p not in kept] == [payloads[5]]
    (damage,) = damages
    assert damage.records_lost in (0, 1)


def test_every_flipped_bit_in_a_closed_segment_is_noticed_and_costs_one_record_at_most(tmp_path: Path) -> None:
    payloads = [b"%d" % n * (n * 13 % 200) + b"!" for n in range(60)]
    write(tmp_path, payloads, segment_bytes=2_000)
    files = segment_files(tmp_path)
    assert len(files) > 2
    random = Random(11)
    for _ in range(400):
        file = random.choice(files)
        sound = file.read_bytes()
        data = bytearray(sound)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        file.write_bytes(data)
        kept, _ = read(tmp_path)
        (damage,) = check(tmp_path)
        lost = [payload for payload in payloads if payload not in kept]
        assert kept == [payload for payload in payloads if payload not in lost]
        assert len(lost) <= 1
        assert damage.records_lost == len(lost)
        file.write_bytes(sound)
    assert check(tmp_path) == []


def test_damaged_bytes_are_kept_aside(tmp_path: Path) -> None:
    write(tmp_path, [b"a" * 50, b"b" * 50, b"c" * 50])
    (file,) = segment_files(tmp_path)
    data = bytearray(file.read_bytes())
    begin = HEADER_BYTES + PREFIX_BYTES + 50
    data[begin + PREFIX_BYTES + 10] ^= 4
    file.write_bytes(data)
    for _ in range(2):
        payloads, (damage,) = read(tmp_path)
    assert payloads == [b"a" * 50, b"c" * 50]
    (copy,) = (tmp_path / "damaged").iterdir()
    assert copy.name == f"0-{damage.segment:016x}-{damage.offset}.bin"
    assert copy.read_bytes() == data[begin : begin + PREFIX_BYTES + 50]
    assert LogReader(tmp_path).streams() == ["0"]


def test_a_closed_segment_that_was_cut_short_says_how_many_records_are_gone(tmp_path: Path) -> None:
    write(tmp_path, [b"x" * 100] * 40, segment_bytes=2_000)
    file = segment_files(tmp_path)[1]
    data = file.read_bytes()
    records = (len(data) - HEADER_BYTES - PREFIX_BYTES) // (PREFIX_BYTES + 100)
    file.write_bytes(data[: HEADER_BYTES + 3 * (PREFIX_BYTES + 100) + 60])
    payloads, (damage,) = read(tmp_path)
    assert damage.records_lost == records - 3
    assert len(payloads) == 40 - damage.records_lost


def test_a_missing_segment_is_told_with_its_number_of_records(tmp_path: Path) -> None:
    write(tmp_path, [b"x" * 100] * 40, segment_bytes=2_000)
    segment_files(tmp_path)[1].unlink()
    payloads, (damage,) = read(tmp_path)
    assert "missing" in damage.reason
    assert damage.records_lost == 40 - len(payloads) > 0


def test_files_that_belong_elsewhere_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "here", [b"mine"])
    write(tmp_path / "there", [b"foreign"])
    (mine,), (foreign,) = segment_files(tmp_path / "here"), segment_files(tmp_path / "there")
    number = int(mine.stem, 16)
    shutil.copy(foreign, mine.with_name(name_segment(number + 1)))
    shutil.copy(mine, mine.with_name(name_segment(number + 2)))
    write(tmp_path / "here", [b"later"])
    payloads, damages = read(tmp_path / "here")
    assert payloads == [b"mine", b"later"]
    assert [damage.segment for damage in damages] == [number + 1, number + 2]
    assert all("passed over" in damage.reason and damage.records_lost is None for damage in damages)


def test_empty_and_foreign_named_files_do_not_stop_reading(tmp_path: Path) -> None:
    write(tmp_path, [b"one"])
    folder = tmp_path / "0"
    number = int(segment_files(tmp_path)[0].stem, 16)
    (folder / name_segment(number + 1)).touch()
    (folder / "notes.txt").write_text("hello")
    (folder / "zzzzzzzzzzzzzzzz.seg").touch()
    write(tmp_path, [b"two"])
    assert read(tmp_path) == ([b"one", b"two"], [])


def test_a_segment_of_a_newer_version_is_left_alone_with_a_clear_message(tmp_path: Path) -> None:
    write(tmp_path, [b"one"])
    (file,) = segment_files(tmp_path)
    number = int(file.stem, 16)
    header = bytearray(encode_header(Header(number, "0", 0, 0, None)))
    header[8] = 2
    header[-4:] = __import__("zlib").crc32(header[:-4]).to_bytes(4, "little")
    file.write_bytes(header + file.read_bytes()[HEADER_BYTES:])
    with pytest.raises(UnknownFormat, match="format 2, this Trackway reads 1: upgrade it"):
        read(tmp_path)


def test_a_position_from_before_a_power_cut_goes_on_with_what_is_there(tmp_path: Path) -> None:
    write(tmp_path, [b"one", b"two"])
    (file,) = segment_files(tmp_path)
    cut_seal(file)
    reader = LogReader(tmp_path)
    position = reader.read("0", Position.start()).next
    file.write_bytes(file.read_bytes()[: HEADER_BYTES + PREFIX_BYTES + 3])
    assert reader.read("0", position).records == []
    write(tmp_path, [b"three"])
    batch = reader.read("0", position)
    while batch.next != position and not batch.records:
        position = batch.next
        batch = reader.read("0", position)
    assert ([record.payload for record in batch.records], batch.damages) == ([b"three"], [])
