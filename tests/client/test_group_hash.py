"""Tracify's hash, wherever it is offered: the vectors of the documents page, one by one."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.client.vectors import VECTORS

from trackway.client import calc_group

SOURCES = Path(__file__).parents[2] / "src"


def run(*arguments: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "trackway", "calc-group", *arguments]
    return subprocess.run(command, input=given, check=False, capture_output=True, timeout=60)


def test_the_page_has_every_kind_of_vector() -> None:
    values = {value for value, _, _ in VECTORS}
    assert values >= {"", "jane.doe@example.com", "192.168.1.1|Mozilla/5.0", "jürgen@example.de"}
    assert " Jane.Doe@Example.com " in values


@pytest.mark.parametrize(("value", "right", "ruby"), VECTORS, ids=[repr(value) for value, _, _ in VECTORS])
def test_a_vector_of_the_page(value: str, right: str, ruby: str) -> None:
    assert calc_group(value) == right
    assert calc_group(value, dropped=4) == ruby


def test_the_command_hashes_values_and_lines_as_they_are() -> None:
    values = [value for value, _, _ in VECTORS]
    hashes = [right for _, right, _ in VECTORS]
    assert run(*values).stdout.decode().split() == hashes
    for line_break in ("\n", "\r\n"):
        assert run(given="".join(value + line_break for value in values).encode()).stdout.decode().split() == hashes


def test_a_last_line_without_a_line_break_counts() -> None:
    assert run(given=b"jane.doe@example.com").stdout.decode().split() == [calc_group("jane.doe@example.com")]
    assert run(given=b"").stdout == b""


def test_a_line_that_is_no_text_is_named() -> None:
    done = run(given=b"a\n\xff\n")
    assert done.returncode == 1
    assert b"line 2 of the standard input is not UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_client_loads_nothing_of_the_server() -> None:
    script = "import sys; import trackway.client; print(*sorted(m for m in sys.modules if m.startswith('trackway')))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    own = {name for name in loaded.stdout.split() if not name.startswith("trackway.client.")}
    assert own <= {"trackway", "trackway.client", "trackway.group_hash", "trackway.ids"}


def test_the_client_needs_nothing_but_python(tmp_path: Path) -> None:
    """Neither to be imported nor to send: the interpreter sees no installed package."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from trackway.client import Client\n"
        "client = Client('http://127.0.0.1:9', 'key', spool=sys.argv[2]); client.track('t'); client.close()\n"
        "print(client.stats.last_error)"
    )
    command = [sys.executable, "-I", "-S", "-c", script, str(SOURCES), str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert "Connection refused" in done.stdout


def test_importing_the_client_does_not_load_what_only_sending_needs() -> None:
    """It is 20 ms, and a program that only hashes does not send."""
    script = (
        "import sys; import trackway.client; print([m for m in ('http.client', 'ssl', 'email') if m in sys.modules])"
    )
    command = [sys.executable, "-S", "-c", script]
    assert subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=SOURCES).stdout == b"[]\n"
