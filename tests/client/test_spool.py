"""What is in the spool survives: crashes of the program, damage, full disks, other processes, other keys."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.client.conftest import MakeClient
from tests.client.receiver import KEY, Receiver, Said
from tests.client.test_delivery import check_books

from trackway.client import Client
from trackway.client.segments import HEAD_BYTES, adopt_segment, create_segment
from trackway.testing.waiting import wait_until

NOWHERE = "http://127.0.0.1:9"

# Tracks without end, and prints each key once its event is in the spool.
TRACKING = """
import sys
from trackway.client import Client
client = Client(sys.argv[1], sys.argv[2], spool=sys.argv[3], flush_at=10, flush_every_s=0.05)
number = 0
while True:
    print(client.track("t", user_id=number, properties={"number": number}), flush=True)
    number += 1
"""


def find_files(spool: Path) -> list[Path]:
    return sorted(spool.rglob("*.events"))


def count_cut_off(spool: Path) -> int:
    """Events that were being written when their process was killed; their call had not returned."""
    return sum(not file.read_bytes().endswith(b"\n") for file in find_files(spool))


def leave(spool: Path, names: list[str], key: str = KEY) -> list[str]:
    """A process that tracked and could reach nobody; the dedupe keys."""
    with Client(NOWHERE, key, spool=spool, flush_every_s=60) as client:
        return [client.track(name) for name in names]


def kill_while_tracking(url: str, spool: Path, least: int, key: str = KEY) -> list[str]:
    """Runs the program above, kills it with -9 in the middle of its work; the keys that it printed."""
    command = [sys.executable, "-c", TRACKING, url, key, str(spool)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(least)]
        process.kill()
        printed += process.stdout.readlines()
    return [line.strip() for line in printed if line.endswith("\n")]


def test_events_are_in_the_folder_when_track_returns_and_gone_when_they_are_taken(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path
) -> None:
    client = make_client(spool=tmp_path, flush_every_s=60)
    key = client.track("secret", user_id="jane")
    (file,) = find_files(tmp_path)
    assert key in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert client.close()
    assert find_files(tmp_path) == []
    assert receiver.names == ["secret"]


def test_a_program_that_could_reach_nobody_leaves_its_events_to_the_next(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path
) -> None:
    began = time.monotonic()
    left = leave(tmp_path, ["a", "b"])
    assert time.monotonic() - began < 5, "with a spool there is no reason to wait for a server that is away"
    client = make_client(spool=tmp_path)
    receiver.wait_for(2)
    assert [event["dedupe_key"] for event in receiver.taken] == left
    wait_until(lambda: client.stats.waiting == 0)
    assert (client.stats.adopted, client.stats.accepted) == (2, 2)
    assert find_files(tmp_path) == []


def test_opening_and_closing_sends_what_was_left(receiver: Receiver, tmp_path: Path) -> None:
    leave(tmp_path, ["a"])
    with Client(receiver.url, KEY, spool=tmp_path, background=False):
        pass
    leave(tmp_path, ["b"])
    with Client(receiver.url, KEY, spool=tmp_path):
        pass
    assert receiver.names == ["a", "b"]


def test_more_than_fits_is_adopted_bit_by_bit(receiver: Receiver, tmp_path: Path) -> None:
    left = [key for number in range(12) for key in leave(tmp_path, [f"{number}-{'x' * 150}"] * 60)]
    with Client(receiver.url, KEY, spool=tmp_path, queue_bytes=64 << 10) as client:
        assert client.flush()
    assert sorted(event["dedupe_key"] for event in receiver.taken) == sorted(left)
    assert client.stats.dropped == 0


@pytest.mark.parametrize("least", [1, 300])
def test_a_program_killed_in_the_middle_loses_nothing(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path, least: int
) -> None:
    """Some batches it has sent, of one it does not know any more; the receiver counts keys as the server does."""
    printed = kill_while_tracking(receiver.url, tmp_path, least)
    cut_off = count_cut_off(tmp_path)
    client = make_client(spool=tmp_path)
    assert client.flush()
    assert set(printed) <= {event["dedupe_key"] for event in receiver.taken}
    assert client.stats.damaged <= cut_off
    check_books(client)


def test_two_programs_share_a_folder_and_send_each_event_once(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path
) -> None:
    one, two = make_client(spool=tmp_path), make_client(spool=tmp_path)
    keys = [client.track("t") for _ in range(200) for client in (one, two)]
    assert one.flush()
    assert two.flush()
    assert sorted(event["dedupe_key"] for event in receiver.taken) == sorted(keys)
    assert (one.stats.adopted, two.stats.adopted) == (0, 0)


def test_a_file_that_a_living_process_holds_is_not_adopted(tmp_path: Path) -> None:
    segment = create_segment(tmp_path)
    segment.add(b"{}")
    assert adopt_segment(segment.path) is None
    segment.close()
    adopted = adopt_segment(segment.path)
    assert adopted is not None
    assert adopted.waiting == 1
    assert adopt_segment(segment.path) is None
    adopted.delete()
    assert adopt_segment(segment.path) is None


def damage_tail(file: Path) -> None:
    """As a power cut leaves it: half a line."""
    os.truncate(file, file.stat().st_size - 20)


def damage_middle(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b'"e2"') + 1] = ord("x")
    file.write_bytes(content)


def add_zeros(file: Path) -> None:
    """As a file system leaves it that knew the length but not the content."""
    file.write_bytes(file.read_bytes() + bytes(5000))


def damage_head(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(b"?" * HEAD_BYTES + content[HEAD_BYTES:])


def advance_head(file: Path) -> None:
    """A place behind the end of the file is none."""
    content = file.read_bytes()
    file.write_bytes(content[:17] + b"%020d" % 10**9 + content[37:])


DAMAGE = {
    "the tail": (damage_tail, ["e0", "e1", "e2", "e3"], 1),
    "the middle": (damage_middle, ["e0", "e1", "e3", "e4"], 1),
    "zeros at the end": (add_zeros, ["e0", "e1", "e2", "e3", "e4"], 1),
    "the head": (damage_head, ["e0", "e1", "e2", "e3", "e4"], 0),
    "the place": (advance_head, ["e0", "e1", "e2", "e3", "e4"], 0),
}


@pytest.mark.parametrize(("damage", "saved", "lost"), DAMAGE.values(), ids=DAMAGE)
def test_damage_costs_the_lines_that_it_hits(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Any, saved: list[str], lost: int
) -> None:
    leave(tmp_path, ["e0", "e1", "e2", "e3", "e4"])
    (file,) = find_files(tmp_path)
    damage(file)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.flush()
    assert receiver.names == saved
    assert client.stats.damaged == lost
    assert any("events of the spool are damaged" in record.getMessage() for record in caplog.records) is bool(lost)
    assert find_files(tmp_path) == []
    check_books(client)


def test_a_file_that_was_cut_under_the_programs_feet_ends_no_program(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path
) -> None:
    client = make_client(spool=tmp_path, flush_every_s=60)
    for _ in range(5):
        client.track("t")
    (file,) = find_files(tmp_path)
    os.truncate(file, HEAD_BYTES)
    assert client.flush()
    client.track("after")
    assert client.flush()
    assert receiver.names == ["after"]
    assert client.stats.damaged == 5
    check_books(client)


def test_a_rejected_event_is_kept_beside_with_the_verdict(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path
) -> None:
    verdict = {"status": "rejected", "reason": "out_of_range", "field": "events[0].occurred_at", "message": "too late"}
    receiver.answers = [Said(422, json.dumps({"results": [verdict]}))]
    client = make_client(spool=tmp_path)
    key = client.track("t", user_id="u")
    assert client.flush()
    (file,) = tmp_path.rglob("rejected.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (line,) = file.read_text().splitlines()
    kept = json.loads(line)
    assert kept["event"]["dedupe_key"] == key
    assert (kept["reason"], kept["message"]) == ("out_of_range", "too late")
    assert client.stats.rejected == 1


def test_kept_rejections_have_a_bound(make_client: MakeClient, receiver: Receiver, tmp_path: Path) -> None:
    client = make_client(spool=tmp_path)
    (folder,) = tmp_path.iterdir()
    with (folder / "rejected.jsonl").open("wb") as file:
        file.truncate(9 << 20)
    receiver.answers = [Said(422, '{"results": [{"status": "rejected"}]}')]
    client.track("t")
    assert client.flush()
    assert (folder / "rejected.jsonl").stat().st_size < 1000
    assert (folder / "rejected.old.jsonl").stat().st_size == 9 << 20


def test_events_of_another_key_are_left_alone_and_somebody_is_told(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left = leave(tmp_path, ["a"], key="tw_secret_former")
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.flush()
    assert receiver.taken == []
    (told,) = [r.getMessage() for r in caplog.records if "unsent events of another write key" in r.getMessage()]
    (file,) = find_files(tmp_path)
    assert str(file.parent) in told
    file.rename(tmp_path / told.rsplit("into ", 1)[1] / file.name)
    with Client(receiver.url, KEY, spool=tmp_path):
        pass
    assert [event["dedupe_key"] for event in receiver.taken] == left


def test_a_folder_that_cannot_be_used_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Client(NOWHERE, KEY, spool=tmp_path / "file")


def test_a_disk_that_takes_no_more_is_answered_with_memory(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """/dev/full takes every write with ENOSPC, as a full disk does."""
    client = make_client(spool=tmp_path, flush_every_s=60)
    client.track("on disk")
    segment: Any = client._queue._segments[0]
    full, kept = os.open("/dev/full", os.O_RDWR), os.dup(segment._descriptor)
    os.dup2(full, segment._descriptor)
    try:
        client.track("no room")
        client.track("no room either")
    finally:
        os.dup2(kept, segment._descriptor)
        os.close(full)
        os.close(kept)
    assert any(os.strerror(errno.ENOSPC) in record.getMessage() for record in caplog.records)
    assert client.flush()
    assert receiver.names == ["on disk", "no room", "no room either"]
    assert client.stats.dropped == 0
    check_books(client)


@pytest.mark.parametrize("fsync", ["always", "everysec", "no"])
def test_every_policy_of_fsync_delivers(
    make_client: MakeClient, receiver: Receiver, tmp_path: Path, fsync: str
) -> None:
    client = make_client(spool=tmp_path, spool_fsync=fsync, flush_every_s=0.05)
    for _ in range(20):
        client.track("t")
        time.sleep(0.01)
    assert client.flush()
    assert len(receiver.taken) == 20


COUNTING = """
import os, sys, time
plain, synced = os.fsync, []
def count(descriptor):
    synced.append(os.fstat(descriptor).st_ino)
    plain(descriptor)
os.fsync = count
from trackway.client import Client
client = Client("http://127.0.0.1:9", "k", spool=sys.argv[1], spool_fsync=sys.argv[2], flush_every_s=60, queue_bytes=65536)
for _ in range(30):
    client.track("t", properties={"filling": "x" * 1000})
    time.sleep(0.04)
time.sleep(1.1)
files = [os.stat(entry).st_ino for folder, _, names in os.walk(sys.argv[1]) for entry in [os.path.join(folder, n) for n in names]]
assert len(files) > 3
print(len([inode for inode in synced if inode in files]), sum(inode not in synced for inode in files))
"""


@pytest.mark.parametrize(("fsync", "least", "most"), [("always", 30, 30), ("everysec", 4, 20), ("no", 0, 0)])
def test_files_are_brought_to_the_disk_as_often_as_promised(tmp_path: Path, fsync: str, least: int, most: int) -> None:
    """Thirty events in about two seconds, in several files; none of them is forgotten."""
    command = [sys.executable, "-c", COUNTING, str(tmp_path), fsync]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    calls, forgotten = map(int, done.stdout.split())
    assert least <= calls <= most
    assert forgotten == 0 or fsync == "no"


def test_a_file_of_another_version_is_left_alone(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave(tmp_path, ["a"])
    (file,) = find_files(tmp_path)
    newer = file.read_bytes().replace(b"trackway-spool 1 ", b"trackway-spool 2 ")
    file.write_bytes(newer)
    with Client(receiver.url, KEY, spool=tmp_path) as client:
        assert client.flush()
    assert receiver.taken == []
    assert file.read_bytes() == newer
    assert any("another version of the client made it" in record.getMessage() for record in caplog.records)


def test_the_files_of_a_thousand_crashes_do_not_take_all_descriptors(receiver: Receiver, tmp_path: Path) -> None:
    leave(tmp_path, ["a"])
    (file,) = find_files(tmp_path)
    for number in range(200):
        (file.parent / f"{number}.events").write_bytes(file.read_bytes())
    script = (
        "import resource, sys\nfrom trackway.client import Client\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))\n"
        "client = Client(sys.argv[1], sys.argv[2], spool=sys.argv[3])\n"
        "client.close(50)\n"
        "print(client.stats.adopted, client.stats.accepted)"
    )
    command = [sys.executable, "-c", script, receiver.url, KEY, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("201 201\n", "")
    assert find_files(tmp_path) == []


def test_flushing_from_many_threads_waits_for_all_that_crashes_left(receiver: Receiver, tmp_path: Path) -> None:
    leave(tmp_path, ["a"])
    (file,) = find_files(tmp_path)
    left_behind = file.read_bytes()
    seen: list[tuple[bool, int]] = []

    def flush(client: Client) -> None:
        seen.append((client.flush(30), len(find_files(tmp_path))))

    # The client takes over fifty files at once: whoever wakes late finds the others taken over already.
    for trial in range(20):
        for number in range(70):
            (file.parent / f"{trial}-{number}.events").write_bytes(left_behind)
        with Client(receiver.url, KEY, spool=tmp_path, flush_every_s=600) as client:
            threads = [threading.Thread(target=flush, args=(client,)) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert set(seen) == {(True, 0)}
