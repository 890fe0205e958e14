"""A real web server's log through the import, checked against what awk and grep count."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trackway.testing.server import TestServer, start_server


def shell(command: str) -> str:
    """What the shell's own tools say: no code of ours."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True, text=True
    ).stdout.strip()


def count_by(command: str) -> dict[str, int]:
    """Lines of `uniq -c` as a dictionary."""
    return {key: int(count) for count, key in (line.split(maxsplit=1) for line in shell(command).splitlines())}


@pytest.fixture(scope="module")
def log(outside_data: Path) -> Path:
    return outside_data / "access.log.gz"


@pytest.fixture(scope="module")
def imported(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestServer, str]]:
    """A server with the log in it, addresses kept whole, and what the import said."""
    with start_server(tmp_path_factory.mktemp("import") / "data") as server:
        server.run_cli("workspaces", "set", "main", "--ip-mode", "full")
        yield (
            server,
            server.run_cli(
                "import", "access-log", str(log), "--source", "semicomplete", "--site", "http://semicomplete.com"
            ),
        )


def ask(server: TestServer, sql: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.run_cli("query", sql, "--format", "json").splitlines()]


def test_every_line_is_stored(imported: tuple[TestServer, str], log: Path) -> None:
    server, said = imported
    lines = int(shell(f"zcat {log} | wc -l"))
    assert lines == 10_000
    assert f"read {lines:,} lines: stored {lines:,}" in said
    [books] = [s for s in server.wait_until_settled()["sources"] if s["source"] == "semicomplete"]
    assert (books["received"], books["stored"], books["balanced"]) == (lines, lines, True)


def test_lines_per_day_are_awks(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    rows = ask(
        server, "SELECT toString(toDayOfMonth(occurred_at)) AS day, count() AS n FROM events GROUP BY day ORDER BY day"
    )
    expected = count_by(f"zcat {log} | awk '{{print substr($4, 2, 2)}}' | sort | uniq -c")
    assert {row["day"]: row["n"] for row in rows} == expected
    assert list(expected.values()) == [1632, 2893, 2896, 2579]


def test_status_classes_are_awks(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    rows = ask(
        server, "SELECT substring(toString(properties.status), 1, 1) AS class, count() AS n FROM events GROUP BY class"
    )
    assert {row["class"]: row["n"] for row in rows} == count_by(
        f"zcat {log} | awk '{{print substr($9, 1, 1)}}' | sort | uniq -c"
    )


def test_distinct_client_addresses_are_awks(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    [row] = ask(server, "SELECT uniqExact(ip) AS n FROM events")
    assert row["n"] == int(shell(f"zcat {log} | awk '{{print $1}}' | sort -u | wc -l"))


def test_page_views_follow_the_documented_rule(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    [row] = ask(server, "SELECT count() AS n FROM events WHERE event_type = 'page_view'")
    rule = (
        '$6 == "\\"GET" && ($9 == 200 || $9 == 304) '
        '{ path = $7; sub(/\\?.*/, "", path); sub(/.*\\//, "", path); '
        "if (path !~ /\\./ || tolower(path) ~ /\\.(html|htm|php|asp|aspx|jsp|xhtml)$/) pages++ } END { print pages }"
    )
    assert row["n"] == int(shell(f"zcat {log} | awk '{rule}'"))


def test_referrers_and_bots_are_recognised(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    [google] = ask(server, "SELECT count() AS n FROM events WHERE bot = 'Googlebot'")
    assert google["n"] <= int(shell(f"zcat {log} | grep -ci googlebot"))
    assert google["n"] > 0
    [internal] = ask(server, "SELECT count() AS n FROM events WHERE referrer_class = 'internal'")
    assert internal["n"] == int(
        shell(f"""zcat {log} | awk -F'"' '$4 ~ /^https?:\\/\\/(www\\.)?semicomplete\\.com/' | wc -l""")
    )


def test_a_second_import_adds_nothing(imported: tuple[TestServer, str], log: Path) -> None:
    server, _ = imported
    said = server.run_cli("import", "access-log", str(log), "--source", "semicomplete")
    assert "stored 0 " in said
    assert "duplicate 10,000" in said
    [row] = ask(server, "SELECT count() AS n FROM events")
    assert row["n"] == 10_000


def test_addresses_are_cut_by_default(log: Path, tmp_path: Path, server: TestServer) -> None:
    first = tmp_path / "first.log"
    first.write_text(shell(f"zcat {log} | sed -n 1,200p"))
    server.run_cli("import", "access-log", str(first), "--source", "cut addresses")
    [row] = ask(
        server,
        "SELECT uniqExact(ip) AS n, countIf(ip NOT LIKE '%.0') AS whole FROM events WHERE source = 'cut-addresses'",
    )
    assert row["whole"] == 0
    assert row["n"] == int(shell(f"awk '{{print $1}}' {first} | cut -d. -f1-3 | sort -u | wc -l"))


def test_the_import_does_the_work_alone_where_no_server_runs(log: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.log"
    lines = shell(f"zcat {log} | sed -n 1,50p")
    first.write_text(lines + "\nthis is no log line\n" + lines.splitlines()[0] + "\n")
    data = tmp_path / "alone"
    stopped = TestServer(data, "", None, tmp_path / "none")  # type: ignore[arg-type]
    said = stopped.run_cli("import", "access-log", str(first))
    assert "read 52 lines: stored 51" in said
    assert "rejected 1" in said
    assert "line 51 is not in the combined log format" in said
    assert "stored 0 " in stopped.run_cli("import", "access-log", str(first))
