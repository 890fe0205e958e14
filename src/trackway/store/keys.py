"""The dedupe key index: which keys have been seen, and by which event first.

Beside the event store on the road: the pipeline asks it before it stores an event and adds what
it stored; collectors read it to answer "duplicate" at once. Exact, on disk, one writer process,
any number of reader processes. Engine: RocksDB (why: docs/decisions/0002).
It does not make digests out of keys and does not judge what a repeat means; the pipeline does.
"""

import contextlib
import os
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from msgspec import Struct
from rocksdict import AccessType, BlockBasedOptions, Options, Rdict, WriteBatch, WriteOptions

KEY_BYTES = 16
_VALUE = struct.Struct("<B16s8s8sQ")
_TRUSTED, _LASTING = 1, 2

_WRITE_BUFFER_BYTES = 16 << 20
_REOPEN_AFTER_S = 600.0


class KeyIndexFailed(Exception):
    """The index could not be read or written; nothing of the call was applied, or all of it."""


class KeyEntry(Struct, frozen=True):
    """What is known of a key: the first event that carried it.

    `content` and `visitor` are 8-byte hashes, `first_event_id` is a UUID in its text form. A
    `lasting` entry (an order, a conversion) never expires.
    """

    first_event_id: str
    content: bytes
    visitor: bytes
    trusted: bool
    at_ms: int
    lasting: bool = False


class Expiry(Struct, frozen=True):
    """One step of the sweep: how many entries went, and whether the sweep has been once around."""

    removed: int
    finished: bool


def encode_entry(entry: KeyEntry) -> bytes:
    """41 bytes. ValueError when an id is no UUID or a hash is not 8 bytes."""
    event_id = bytes.fromhex(entry.first_event_id.replace("-", ""))
    if len(event_id) != 16 or len(entry.content) != 8 or len(entry.visitor) != 8:
        raise ValueError(f"{entry} needs a UUID as first_event_id and 8 bytes each as content and visitor")
    flags = _TRUSTED * entry.trusted | _LASTING * entry.lasting
    return _VALUE.pack(flags, event_id, entry.content, entry.visitor, entry.at_ms)


def decode_entry(value: bytes) -> KeyEntry:
    flags, event_id, content, visitor, at_ms = _VALUE.unpack(value)
    digits = event_id.hex()
    text = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return KeyEntry(text, content, visitor, bool(flags & _TRUSTED), at_ms, bool(flags & _LASTING))


class KeyIndex:
    """Look-ups, for the writer and for readers. Keys are 16-byte digests."""

    _database: Rdict | None

    @staticmethod
    def open_writer(path: Path) -> "KeyWriter":
        """The one writer of the index in the folder `path`, made when missing. KeyIndexFailed when taken."""
        return KeyWriter(path)

    @staticmethod
    def open_reader(path: Path) -> "KeyReader":
        """A follower of the index in `path`; it is empty until a writer has made the index."""
        return KeyReader(path)

    def get_many(self, keys: Sequence[bytes], since_ms: int = 0) -> list[KeyEntry | None]:
        """The entry of each key, None where there is none or it is older than `since_ms` and not lasting."""
        if self._database is None or not keys:
            return [None] * len(keys)
        with _named_errors():
            values: Any = self._database.get(list(keys))
        return [None if value is None else _keep_recent(decode_entry(value), since_ms) for value in values]


class KeyWriter(KeyIndex):
    """Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        with _named_errors(f"cannot open the key index {path}; does another pipeline run on this data folder?"):
            self._database: Rdict = Rdict(str(path), make_options())
        # RocksDB syncs its own folder; that the folder itself survives a power cut is up to us.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fsync(folder)
        os.close(folder)
        self._synced = WriteOptions()
        self._synced.sync = True
        self._swept_to = b""

    def put_many(self, items: Sequence[tuple[bytes, KeyEntry]], since_ms: int = 0) -> None:
        """Add keys, all or none, on disk when it returns. A key that is there already keeps its entry,
        unless that came by a public key and the new one by a secret key (see `dedupe.suppresses`).

        An entry older than `since_ms` that is not lasting counts as not there.
        """
        first: dict[bytes, KeyEntry] = {}
        for key, entry in items:
            if len(key) != KEY_BYTES:
                raise ValueError(f"a key is {KEY_BYTES} bytes, not {len(key)}")
            first.setdefault(key, entry)
        known = self.get_many(list(first), since_ms)
        batch = WriteBatch(raw_mode=True)
        for (key, entry), found in zip(first.items(), known, strict=True):
            if found is None or (entry.trusted and not found.trusted):
                batch.put(key, encode_entry(entry))
        if batch.len():
            with _named_errors("cannot write the key index"):
                self._database.write(batch, self._synced)

    def expire(self, before_ms: int, keys: int = 10_000) -> Expiry:
        """Look at the next `keys` keys of an endless sweep and remove what is older and not lasting.

        Some 20 ms a call with the default, so that a caller between two batches never stalls. Only
        disk space depends on it: `get_many(since_ms=…)` already hides what is out of date.
        """
        batch = WriteBatch(raw_mode=True)
        seen = 0
        with _named_errors("cannot sweep the key index"):
            entries = cast("Iterator[tuple[bytes, bytes]]", self._database.items(from_key=self._swept_to or None))
            for key, value in entries:
                if seen == keys:
                    self._swept_to = key
                    break
                seen += 1
                entry = decode_entry(value)
                if not entry.lasting and entry.at_ms < before_ms:
                    batch.delete(key)
            else:
                self._swept_to = b""
            removed = batch.len()
            if removed:
                # Without a sync: a removal that a power cut takes back is made again by the next sweep.
                self._database.write(batch)
        return Expiry(removed, self._swept_to == b"")

    def close(self) -> None:
        with _named_errors():
            self._database.close()


class KeyReader(KeyIndex):
    """Sees what the writer had written at the last `refresh`.

    `get_many` may run in one thread (50 keys take some 60 µs) while `refresh` runs in another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = None
        self._opened_at = float("-inf")
        self._scratch = tempfile.TemporaryDirectory(prefix="trackway-keys-")
        self._openings = 0
        self.refresh()

    def refresh(self) -> None:
        """Catch up with the writer: some 20 µs, and 1 to 2 µs for each new key.

        Once in ten minutes the follower is opened anew (0.1 s): RocksDB has open reports
        (facebook/rocksdb #12190, #14444) of followers that stayed behind after days.
        """
        if self._database is None or time.monotonic() - self._opened_at > _REOPEN_AFTER_S:
            self._open()
        else:
            with _named_errors(f"cannot follow the key index {self._path}"):
                self._database.try_catch_up_with_primary()

    def _open(self) -> None:
        if not (self._path / "CURRENT").exists():
            return
        self._openings += 1
        options = make_options()
        access = AccessType.secondary(f"{self._scratch.name}/{self._openings}")
        with _named_errors(f"cannot follow the key index {self._path}"):
            # Without `column_families` a follower ignores the options: no bloom filter, ten times slower.
            database = Rdict(str(self._path), options, column_families={"default": options}, access_type=access)
            database.try_catch_up_with_primary()
        # The old one closes when the last look-up in another thread lets go of it.
        self._database = database
        self._opened_at = time.monotonic()

    def close(self) -> None:
        self._database = None
        self._scratch.cleanup()


def _keep_recent(entry: KeyEntry, since_ms: int) -> KeyEntry | None:
    return entry if entry.lasting or entry.at_ms >= since_ms else None


def make_options() -> Options:
    """RocksDB as both sides open it; the benchmark measures the same."""
    table = BlockBasedOptions()
    table.set_bloom_filter(10, False)
    table.set_format_version(5)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    # Nearly every look-up is for a key that is not there: filters for the tables on disk and in memory.
    options.set_memtable_prefix_bloom_ratio(0.1)
    options.set_memtable_whole_key_filtering(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_background_jobs(2)
    # A follower would start 16 threads at each refresh to open one file.
    options.set_max_file_opening_threads(1)
    options.set_max_log_file_size(1 << 20)
    options.set_keep_log_file_num(2)
    return options


@contextlib.contextmanager
def _named_errors(doing: str = "cannot read the key index") -> Iterator[None]:
    """rocksdict raises plain `Exception`; give it a name that can be caught narrowly."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise KeyIndexFailed(f"{doing}: {error}") from error
