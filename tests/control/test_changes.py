"""Whether anybody has committed to the state is known without asking the database a question."""

import subprocess
import sys
from pathlib import Path

import pytest

from trackway.control.database import ChangeWatch, State, bump_version, read_version


def hear(watch: ChangeWatch) -> bool:
    """As who reads what has changed, and does not fail."""
    changed = watch.has_changed()
    watch.note_seen()
    return changed


def test_each_watch_hears_of_each_commit_once(state: State) -> None:
    first, second = state.watch(), state.watch()
    assert [hear(first), hear(first), hear(second), hear(second)] == [True, False] * 2
    for _ in range(3):
        with state.write() as connection:
            bump_version(connection)
            assert not hear(first)
        assert [hear(first), hear(first)] == [True, False]
    assert [hear(second), hear(second)] == [True, False]
    read_version(state)
    assert not hear(first)


def test_it_says_so_until_what_changed_has_been_read(state: State) -> None:
    watch = state.watch()
    assert [watch.has_changed(), watch.has_changed()] == [True, True]
    watch.note_seen()
    assert not watch.has_changed()


def test_a_transaction_that_is_rolled_back_is_no_news(state: State) -> None:
    watch = state.watch()
    hear(watch)
    with pytest.raises(LookupError), state.write() as connection:
        bump_version(connection)
        raise LookupError
    assert not watch.has_changed()


def test_a_commit_of_another_process_is_heard(state: State, tmp_path: Path) -> None:
    watch = state.watch()
    hear(watch)
    program = (
        "import sys; from pathlib import Path; from trackway.control.database import *\n"
        "state = State(make_url(Path(sys.argv[1]), ''))\n"
        "with state.write() as connection: bump_version(connection)"
    )
    before = read_version(state)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert hear(watch)
    assert read_version(state) == before + 1


def test_a_watch_keeps_nobody_from_emptying_the_write_ahead_log(state: State, tmp_path: Path) -> None:
    watch = state.watch()
    with state.write() as connection:
        bump_version(connection)
    assert hear(watch)
    assert state.forget_old_pages()
    assert (tmp_path / "state.db-wal").stat().st_size == 0
    with state.write() as connection:
        bump_version(connection)
    assert hear(watch)
