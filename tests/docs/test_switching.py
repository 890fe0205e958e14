"""The commands of the page on switching from another system do what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trackway.collect.protocols import PROTOCOLS
from trackway.testing.server import TestServer

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "switch-from-another-system.md").read_text()
SIDE_BY_SIDE = (DOCS / "reference" / "protocols" / "README.md").read_text()
OTHERS = [protocol for protocol in PROTOCOLS if protocol.name != "native"]
PROMISED = {
    "pact": '"status":"accepted"',
    "tracardi": '"profile":{"id":',
    "tracify": '{"status":true}',
    "clarm": '"success":true',
    "orbee": "x-event-status: accepted",
}


def find_commands(protocol: str) -> list[str]:
    section = PAGE.split(f"\n## {protocol.capitalize()}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


@pytest.fixture(scope="module")
def tools(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell in which `trackway` is this one, and curl fails where the answer is an error."""
    folder = tmp_path_factory.mktemp("bin")
    scripts = {
        "trackway": f'exec "{sys.executable}" -m trackway "$@" --data "{server.data}"',
        "curl": 'exec /usr/bin/curl --silent --show-error --fail-with-body "$@"',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "TRACKWAY": server.url}


@pytest.mark.parametrize("protocol", OTHERS, ids=lambda p: p.name)
def test_the_pages_commands_bring_an_event_in(server: TestServer, tools: dict[str, str], protocol) -> None:  # type: ignore[no-untyped-def]
    register, send = find_commands(protocol.name)

    def run(command: str, **more: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], env={**tools, **more}, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    added = run(register)
    [key] = re.findall(r"^  [\w-]+: (\S+)$", added, re.M)
    [source] = re.findall(r"^source (\S+) ", added)
    answer = run(send, KEY=key)
    assert PROMISED[protocol.name] in answer
    assert PROMISED[protocol.name].split(":")[0].strip('{"') in PAGE
    server.wait_until_settled()
    events = server.api("events", source=source, limit=10)["items"]
    assert {event["protocol"] for event in events} == {protocol.name}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_every_dialect_stands_beside_the_others(protocol) -> None:  # type: ignore[no-untyped-def]
    rows = [
        line for line in SIDE_BY_SIDE.splitlines() if line.startswith((f"| [{protocol.name}]", f"| {protocol.name} "))
    ]
    assert len(rows) == 2
    assert f"]({protocol.name}.md)" in rows[0]
    assert any(route.path in rows[0] for route in protocol.routes)
