"""A desk with the real look-ups, events to lay on it, and real .mmdb files made on the spot."""

import gzip
import json
import struct
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from trackway.event import Event, Source
from trackway.pipeline.desk import Desk, Knowledge, load_knowledge
from trackway.profiles.identifiers import ProfileKeys

SHARED = Path(__file__).parents[3] / "shared" / "data"

UINT16, UINT32, UINT64 = 5, 6, 9

MakeEvent = Callable[..., Event]
MakeDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    return load_knowledge()


@pytest.fixture(scope="session")
def make_event() -> MakeEvent:
    def make(**fields: Any) -> Event:
        given = {
            "event_id": "01890000-0000-7000-8000-000000000000",
            "workspace": "shop",
            "source": "web-1",
            "protocol": "native",
            "channel": "web",
            "trusted": False,
            "event_type": "page_view",
            "occurred_at": 1_750_000_000_000,
            "received_at": 1_750_000_000_000,
        }
        return Event(**(given | fields))

    return make


@pytest.fixture(scope="session")
def make_desk(knowledge: Knowledge) -> MakeDesk:
    def make(*, settings: dict[str, str] | None = None, **fields: Any) -> Desk:
        source = Source(
            id="web-1", workspace="shop", name="Shop", protocol="native", channel="web", settings=settings or {}
        )
        given = {
            "source": source,
            "ip_mode": "truncated",
            "ip_key": b"k" * 32,
            "visitor_salt": b"s" * 32,
            "profile_keys": ProfileKeys(b"k" * 32),
            "knowledge": knowledge,
        }
        return Desk(**(given | fields))

    return make


@pytest.fixture(scope="session")
def naughty_strings() -> list[str]:
    file = SHARED / "naughty-strings.json"
    if not file.exists():
        pytest.skip(f"{file.name} is not there: the shared data folder is missing")
    return json.loads(file.read_text("utf-8"))


@pytest.fixture(scope="session")
def log_lines() -> list[str]:
    file = SHARED / "access.log.gz"
    if not file.exists():
        pytest.skip(f"{file.name} is not there: the shared data folder is missing")
    with gzip.open(file, "rt", encoding="utf-8", errors="replace") as lines:
        return list(lines)


@pytest.fixture(scope="session")
def write_mmdb() -> Callable[[Path, dict[str, dict[str, Any]]], None]:
    return _write_mmdb


def _write_mmdb(path: Path, records: dict[str, dict[str, Any]]) -> None:
    """A MaxMind DB (format 2.0, 32-bit records, IPv6 tree; IPv4 under ::/96) of {network: record}."""
    nodes: list[list[Any]] = [[None, None]]
    for network, record in records.items():
        parsed = ip_network(network)
        bits = int(parsed.network_address)
        length = parsed.prefixlen + (96 if parsed.version == 4 else 0)
        _place_record(nodes, [(bits >> (127 - depth)) & 1 for depth in range(length)], record)
    content, offsets = b"", {}
    for record in records.values():
        offsets[id(record)] = len(content)
        content += _encode(record)
    tree = b""
    for node in nodes:
        for child in node:
            if child is None:
                tree += struct.pack(">I", len(nodes))
            elif isinstance(child, int):
                tree += struct.pack(">I", child)
            else:
                tree += struct.pack(">I", len(nodes) + 16 + offsets[id(child)])
    described = {
        "binary_format_major_version": (UINT16, b"\2"),
        "binary_format_minor_version": (UINT16, b""),
        "build_epoch": (UINT64, struct.pack(">Q", 1_750_000_000)),
        "database_type": "Test",
        "description": {"en": "made by a test"},
        "ip_version": (UINT16, b"\6"),
        "languages": ["en"],
        "node_count": (UINT32, struct.pack(">I", len(nodes))),
        "record_size": (UINT16, b"\x20"),
    }
    path.write_bytes(tree + bytes(16) + content + b"\xab\xcd\xefMaxMind.com" + _encode(described))


def _place_record(nodes: list[list[Any]], bits: list[int], record: dict[str, Any]) -> None:
    at = 0
    for bit in bits[:-1]:
        if nodes[at][bit] is None:
            nodes.append([None, None])
            nodes[at][bit] = len(nodes) - 1
        at = nodes[at][bit]
    nodes[at][bits[-1]] = record


def _encode(value: Any) -> bytes:
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_encode(key) + _encode(item) for key, item in value.items())
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(_encode(item) for item in value)
    if isinstance(value, str):
        raw = value.encode()
        return _head(2, len(raw)) + raw
    kind, raw = value
    return _head(kind, len(raw)) + raw


def _head(kind: int, size: int) -> bytes:
    assert size < 29
    return bytes([kind << 5 | size]) if kind <= 7 else bytes([size, kind - 7])
