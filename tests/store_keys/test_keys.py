"""The dedupe key index: first wins, nothing acknowledged is lost, readers follow, old keys go."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from trackway.store.keys import KeyEntry, KeyIndex, KeyIndexFailed, decode_entry, encode_entry

ENTRY = KeyEntry(
    first_event_id="0192f0c1-2345-7abc-8def-0123456789ab",
    content=b"contents",
    visitor=b"visitor!",
    trusted=True,
    at_ms=1_700_000_000_000,
)
DAY_MS = 86_400_000


def make_key(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("lasting", [True, False])
def test_an_entry_comes_back_as_it_was_put(tmp_path: Path, trusted: bool, lasting: bool) -> None:
    entry = replace(ENTRY, trusted=trusted, lasting=lasting)
    assert decode_entry(encode_entry(entry)) == entry
    writer = KeyIndex.open_writer(tmp_path / "keys")
    writer.put_many([(make_key(1), entry)])
    assert writer.get_many([make_key(1), make_key(2)]) == [entry, None]
    writer.close()


def test_the_first_entry_of_a_key_wins_within_and_across_batches(tmp_path: Path) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    second = replace(ENTRY, at_ms=ENTRY.at_ms + 1)
    writer.put_many([(make_key(1), ENTRY), (make_key(1), second)])
    writer.put_many([(make_key(1), second), (make_key(2), second)])
    assert writer.get_many([make_key(1), make_key(2)]) == [ENTRY, second]
    writer.close()


def test_a_key_that_is_out_of_its_window_can_be_taken_again_but_a_lasting_one_cannot(tmp_path: Path) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    lasting = replace(ENTRY, lasting=True)
    writer.put_many([(make_key(1), ENTRY), (make_key(2), lasting)])
    since = ENTRY.at_ms + 1
    assert writer.get_many([make_key(1), make_key(2)], since) == [None, lasting]
    later = replace(ENTRY, at_ms=since)
    writer.put_many([(make_key(1), later), (make_key(2), replace(lasting, at_ms=since))], since)
    assert writer.get_many([make_key(1), make_key(2)], since) == [later, lasting]
    writer.close()


def test_the_sweep_removes_what_is_old_in_small_steps_and_keeps_the_rest(tmp_path: Path) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    old = [(make_key(n), replace(ENTRY, at_ms=ENTRY.at_ms - n % 3 * DAY_MS, lasting=n % 10 == 0)) for n in range(1000)]
    writer.put_many(old)
    steps = [writer.expire(ENTRY.at_ms - DAY_MS, keys=300) for _ in range(4)]
    assert [step.finished for step in steps] == [False, False, False, True]
    kept = [(key, entry) for key, entry in old if entry.lasting or entry.at_ms >= ENTRY.at_ms - DAY_MS]
    assert sum(step.removed for step in steps) == len(old) - len(kept)
    expected = dict(kept)
    assert writer.get_many([key for key, _ in old]) == [expected.get(key) for key, _ in old]
    assert writer.expire(ENTRY.at_ms - DAY_MS, keys=10_000).removed == 0
    writer.close()


def test_a_reader_is_empty_before_there_is_an_index_and_follows_the_writer_afterwards(tmp_path: Path) -> None:
    reader = KeyIndex.open_reader(tmp_path / "keys")
    assert reader.get_many([make_key(1)]) == [None]
    writer = KeyIndex.open_writer(tmp_path / "keys")
    for n in range(5):
        writer.put_many([(make_key(n), ENTRY)])
        reader.refresh()
        assert reader.get_many([make_key(n), make_key(99)]) == [ENTRY, None]
    writer.expire(ENTRY.at_ms + 1)
    reader.refresh()
    assert reader.get_many([make_key(0)]) == [None]
    reader.close()
    assert reader.get_many([make_key(0)]) == [None]
    writer.close()


def test_a_reader_keeps_up_while_memory_is_flushed_to_tables(tmp_path: Path) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    reader = KeyIndex.open_reader(tmp_path / "keys")
    put = 0
    while len(list((tmp_path / "keys").glob("*.sst"))) < 3:
        writer.put_many([(os.urandom(16), ENTRY) for _ in range(10_000)])
        last = make_key(put)
        writer.put_many([(last, ENTRY)])
        put += 1
        reader.refresh()
        assert reader.get_many([last]) == [ENTRY]
    assert None not in reader.get_many([make_key(n) for n in range(put)])
    reader.close()
    writer.close()


def test_a_reader_that_is_opened_anew_loses_no_look_up_of_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackway.store.keys._REOPEN_AFTER_S", 0.0)
    writer = KeyIndex.open_writer(tmp_path / "keys")
    writer.put_many([(make_key(n), ENTRY) for n in range(50)])
    reader = KeyIndex.open_reader(tmp_path / "keys")
    ended = threading.Event()

    def refresh() -> None:
        for _ in range(20):
            reader.refresh()
        ended.set()

    thread = threading.Thread(target=refresh)
    thread.start()
    while not ended.is_set():
        assert reader.get_many([make_key(n) for n in range(50)]) == [ENTRY] * 50
    thread.join()
    reader.close()
    writer.close()


def test_a_reader_goes_on_when_the_writer_is_opened_again(tmp_path: Path) -> None:
    reader = KeyIndex.open_reader(tmp_path / "keys")
    for n in range(4):
        writer = KeyIndex.open_writer(tmp_path / "keys")
        writer.put_many([(make_key(n), ENTRY)])
        reader.refresh()
        assert reader.get_many([make_key(m) for m in range(n + 1)]) == [ENTRY] * (n + 1)
        writer.close()
    reader.close()


def test_a_second_writer_is_turned_away(tmp_path: Path) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    with pytest.raises(KeyIndexFailed, match="does another pipeline run on this data folder"):
        KeyIndex.open_writer(tmp_path / "keys")
    writer.close()


@pytest.mark.parametrize(
    ("key", "entry", "message"),
    [
        (b"short", ENTRY, "a key is 16 bytes, not 5"),
        (make_key(1), replace(ENTRY, content=b"short"), "8 bytes each"),
        (make_key(1), replace(ENTRY, first_event_id="0192"), "needs a UUID"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_of_the_batch_is_put(
    tmp_path: Path, key: bytes, entry: KeyEntry, message: str
) -> None:
    writer = KeyIndex.open_writer(tmp_path / "keys")
    with pytest.raises(ValueError, match=message):
        writer.put_many([(make_key(7), ENTRY), (key, entry)])
    assert writer.get_many([make_key(7)]) == [None]
    writer.close()


# Puts numbered batches and says each number only once `put_many` has returned.
WRITER = """
import itertools, os, sys
from pathlib import Path
from trackway.store.keys import KeyEntry, KeyIndex
writer = KeyIndex.open_writer(Path(sys.argv[1]))
entry = KeyEntry("0192f0c1-2345-7abc-8def-0123456789ab", b"contents", b"visitor!", True, 1)
for number in itertools.count(int(sys.argv[2])):
    writer.put_many([((number * 100 + n).to_bytes(16, "big"), entry) for n in range(100)])
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.faults
def test_a_killed_writer_has_lost_nothing_it_acknowledged_and_no_batch_is_half_there(tmp_path: Path) -> None:
    batches: list[int] = []
    for life in range(5):
        first = life * 1_000_000
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "keys"), str(first)], stdout=subprocess.PIPE
        )
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(20 + life * 30)]
        process.kill()
        lines += process.communicate()[0].splitlines()
        batches += [int(line) for line in lines]
        reader = KeyIndex.open_reader(tmp_path / "keys")
        for batch in batches:
            assert None not in reader.get_many([make_key(batch * 100 + n) for n in range(100)])
        doubtful = reader.get_many([make_key((batches[-1] + 1) * 100 + n) for n in range(100)])
        assert doubtful.count(None) in (0, 100)
        reader.close()
