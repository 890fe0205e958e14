"""Whether anybody has committed to the state is known without asking the database a question."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.control.database import State, bump_version, make_url, migrate_state, read_version
from trackway.control.workspaces import ensure_first_workspace


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = State(make_url(tmp_path, ""))
    migrate_state(state)
    ensure_first_workspace(state)
    yield state
    state.close()


def test_each_watch_hears_of_each_commit_once(state: State) -> None:
    first, second = state.watch(), state.watch()
    assert [first.has_changed(), first.has_changed(), second.has_changed(), second.has_changed()] == [True, False] * 2
    for _ in range(3):
        with state.write() as connection:
            bump_version(connection)
            assert not first.has_changed()
        assert [first.has_changed(), first.has_changed()] == [True, False]
    assert [second.has_changed(), second.has_changed()] == [True, False]
    read_version(state)
    assert not first.has_changed()


def test_a_transaction_that_is_rolled_back_is_no_news(state: State) -> None:
    watch = state.watch()
    watch.has_changed()
    with pytest.raises(LookupError), state.write() as connection:
        bump_version(connection)
        raise LookupError
    assert not watch.has_changed()


def test_a_commit_of_another_process_is_heard(state: State, tmp_path: Path) -> None:
    watch = state.watch()
    watch.has_changed()
    program = (
        "import sys; from pathlib import Path; from trackway.control.database import *\n"
        "state = State(make_url(Path(sys.argv[1]), ''))\n"
        "with state.write() as connection: bump_version(connection)"
    )
    before = read_version(state)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert watch.has_changed()
    assert read_version(state) == before + 1


def test_a_watch_keeps_nobody_from_emptying_the_write_ahead_log(state: State, tmp_path: Path) -> None:
    watch = state.watch()
    with state.write() as connection:
        bump_version(connection)
    assert watch.has_changed()
    assert state.forget_old_pages()
    assert (tmp_path / "state.db-wal").stat().st_size == 0
    with state.write() as connection:
        bump_version(connection)
    assert watch.has_changed()
