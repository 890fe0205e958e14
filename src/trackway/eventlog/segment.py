"""The bytes of a segment file: its header, its records, its seal, and finding them again.

`docs/reference/event-log.md` describes the same for people. Pure: bytes in, values out; which
file they come from and what to do about damage is decided by the reader.
"""

import struct
from collections.abc import Iterable
from zlib import crc32

from msgspec import Struct

from trackway.eventlog.interface import Record, UnknownFormat

SUFFIX = ".seg"
MAX_PAYLOAD = 1 << 28
UNKNOWN_COUNT = 0xFFFF_FFFF

_MAGIC = b"trackwLG"
_VERSION = 1
_HEADER = struct.Struct("<8sIQQQI32s")
HEADER_BYTES = _HEADER.size + 4

# Neither marker is valid UTF-8, so text payloads never hold one by accident.
_RECORD_MARKER = b"\xf5\x9etw"
_SEAL_MARKER = b"\xf5\x9ets"
_MARKER_START = _RECORD_MARKER[:3]
_PLACE = struct.Struct("<4sIII")
_PLACE_BYTES = _PLACE.size
_PREFIX = struct.Struct("<4sIIIII")
PREFIX_BYTES = _PREFIX.size


class Header(Struct, frozen=True):
    """`previous` is the segment the same stream wrote before this one, 0 for none or unknown.

    `previous_records` is how many records of it were acknowledged, where the same process wrote
    both; with it the loss of its end is noticed even if its seal is lost too.
    """

    segment: int
    stream: str
    created_ms: int
    previous: int
    previous_records: int | None


class Found(Struct, frozen=True):
    """A record or, with `record` None, the seal; `end` is the offset behind it.

    `group` is the offset at which the write that held it began. A later write begins only after
    the earlier one was synced: whatever lies before `group` was durable.
    """

    ordinal: int
    group: int
    end: int
    record: Record | None


def name_segment(number: int) -> str:
    return f"{number:016x}{SUFFIX}"


def read_segment_name(name: str) -> int | None:
    """The number in a segment's file name, None for other files."""
    if len(name) != 16 + len(SUFFIX) or not name.endswith(SUFFIX):
        return None
    try:
        return int(name[:16], 16)
    except ValueError:
        return None


def list_segments(names: Iterable[str]) -> list[int]:
    """Numbers of the segments among the file names of a stream's folder, rising."""
    return sorted(number for number in map(read_segment_name, names) if number is not None)


def encode_header(header: Header) -> bytes:
    count = UNKNOWN_COUNT if header.previous_records is None else header.previous_records
    body = _HEADER.pack(
        _MAGIC, _VERSION, header.segment, header.created_ms, header.previous, count, header.stream.encode()
    )
    return body + crc32(body).to_bytes(4, "little")


def decode_header(data: bytes) -> Header | None:
    """None when `data` does not begin with a whole header. UnknownFormat for a newer version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, segment, created_ms, previous, count, stream = _HEADER.unpack_from(data)
    checksum = int.from_bytes(data[_HEADER.size : HEADER_BYTES], "little")
    if magic != _MAGIC or crc32(data[: _HEADER.size]) != checksum:
        return None
    if version != _VERSION:
        raise UnknownFormat(f"segment {segment:016x} has format {version}, this Trackway reads {_VERSION}: upgrade it")
    return Header(
        segment, stream.rstrip(b"\0").decode(), created_ms, previous, None if count == UNKNOWN_COUNT else count
    )


def seed_checksum(segment: int) -> int:
    """Every checksum starts from the segment's number, so a record counts in its own file only."""
    return crc32(segment.to_bytes(8, "little"))


def encode_group(segment: int, first_ordinal: int, offset: int, payloads: list[bytes]) -> bytes:
    """The bytes of one write: `payloads` as records that begin at file offset `offset`."""
    pack, marker, seed = _PLACE.pack, _RECORD_MARKER, seed_checksum(segment)
    parts: list[bytes] = []
    ordinal = first_ordinal
    for payload in payloads:
        place = pack(marker, len(payload), ordinal, offset)
        checksum = crc32(place, seed)
        parts.append(place)
        parts.append(checksum.to_bytes(4, "little") + crc32(payload, checksum).to_bytes(4, "little"))
        parts.append(payload)
        ordinal += 1
    return b"".join(parts)


def encode_seal(segment: int, records: int, offset: int) -> bytes:
    """The last bytes of a segment that was closed in order; `records` is how many it holds."""
    place = _PLACE.pack(_SEAL_MARKER, 0, records, offset)
    checksum = crc32(place, seed_checksum(segment)).to_bytes(4, "little")
    return place + checksum + checksum


def decode_at(data: bytes, at: int, segment: int, base: int, seed: int) -> Found | None:
    """The whole and sound record or seal at `data[at]`, else None.

    `base` is the file offset of `data[0]`; `seed` is `seed_checksum(segment)`.
    """
    begin = at + PREFIX_BYTES
    if begin > len(data):
        return None
    marker, length, ordinal, group, checksum, payload_checksum = _PREFIX.unpack_from(data, at)
    end = begin + length
    if end > len(data) or crc32(data[at : at + _PLACE_BYTES], seed) != checksum:
        return None
    payload = data[begin:end]
    if crc32(payload, checksum) != payload_checksum:
        return None
    if marker == _RECORD_MARKER:
        return Found(ordinal, group, base + end, Record(segment, ordinal, payload))
    return Found(ordinal, group, base + end, None) if marker == _SEAL_MARKER else None


def announced_bytes(data: bytes, at: int, seed: int) -> int | None:
    """How many bytes the record whose sound prefix stands at `data[at]` takes, None without one."""
    if at + PREFIX_BYTES > len(data) or crc32(data[at : at + _PLACE_BYTES], seed) != _PREFIX.unpack_from(data, at)[4]:
        return None
    length: int = _PREFIX.unpack_from(data, at)[1]
    return PREFIX_BYTES + length


def find_next(data: bytes, after: int, segment: int, base: int, expected: int) -> tuple[int, Found] | None:
    """The first sound record or seal behind `data[after]` whose ordinal does not fall back.

    Returns where in `data` it begins, and what it is.
    """
    seed = seed_checksum(segment)
    at = data.find(_MARKER_START, after)
    while at >= 0:
        found = decode_at(data, at, segment, base, seed)
        if found is not None and found.ordinal >= expected and found.group <= base + at:
            return at, found
        at = data.find(_MARKER_START, at + 1)
    return None
