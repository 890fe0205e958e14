"""trackway plan and catalogue, as a person and as a script use them."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trackway.testing.server import TestServer

TYPE = f"cli {time.time_ns()}"


@pytest.fixture(scope="module")
def sent(server: TestServer) -> str:
    source = server.add_source(f"plan of the command line {time.time_ns()}")
    events = [{"event_type": TYPE, "properties": {"price": n, "size": "xl"}} for n in range(5)]
    events.append({"event_type": f"{TYPE} too"})
    server.post("/v1/events", events, source["credentials"]["write_key"])
    server.wait_until_settled()
    return str(source["id"])


def fail(server: TestServer, *arguments: str, given: str = "") -> str:
    command = [sys.executable, "-m", "trackway", *arguments, "--data", str(server.data)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, input=given)
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_plan_goes_from_traffic_through_a_file_into_force_and_out_again(
    server: TestServer, sent: str, tmp_path: Path
) -> None:
    listed = server.run_cli("catalogue", "--event-type", TYPE)
    assert f"{TYPE}: 5 events" in listed
    assert "not planned" in listed
    assert "more types" not in listed
    assert f"{TYPE}: 5 events" in server.run_cli("catalogue", "--search", TYPE.upper())
    assert "and 1 more types; --search finds one" in server.run_cli("catalogue", "--search", TYPE, "--limit", "1")
    assert "100.0%  properties.size: string, such as xl" in listed
    file = tmp_path / "plan.json"
    file.write_text(server.run_cli("plan", "infer", "--event-type", TYPE, "--source", sent))
    assert json.loads(file.read_text())["entries"][0]["schema"]["required"] == ["price", "size"]
    assert f"{TYPE}: 0 of 5 events would break it" in server.run_cli("plan", "check", str(file))
    assert f"{TYPE} of source {sent}: mark, version 1" in server.run_cli("plan", "set", str(file), "--mode", "mark")
    assert server.run_cli("plan", "set", str(file), "--mode", "mark") == "1 unchanged\n"
    assert f"{TYPE} of source {sent}: mark" in server.run_cli("plan", "show")
    file.write_text(server.run_cli("plan", "show", "--json"))
    assert "unchanged" in server.run_cli("plan", "set", str(file))
    server.run_cli("plan", "delete", TYPE, "--source", sent)
    history = server.run_cli("plan", "history", TYPE, "--source", sent).splitlines()
    assert [line.split(": ")[1].split(",")[0] for line in history] == ["off", "mark"]


def test_one_schema_is_tried_and_set_for_a_type(server: TestServer, sent: str, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"required": ["sku"]}')
    tried = server.run_cli("plan", "check", str(file), "--event-type", TYPE)
    assert f"{TYPE}: 5 of 5 events would break it" in tried
    assert 'properties.sku: "sku" is a required property, event ' in tried
    assert "observe, version" in server.run_cli("plan", "set", str(file), "--event-type", f"{TYPE} 2")


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        ("{", (), "is not JSON"),
        ("[]", (), "must hold a JSON object"),
        ('{"required": ["a"]}', (), "give --event-type"),
        ('{"type": "objekt"}', ("--event-type", "t"), "entries[0].schema.type: "),
        (
            '{"entries": [{"event_type": "t", "schema": {"type": "object"}, "mode": "warn"}]}',
            (),
            "entries[0].mode: mode must be",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_explained(
    server: TestServer, tmp_path: Path, content: str, arguments: tuple[str, ...], words: str
) -> None:
    assert words in fail(server, "plan", "set", "-", *arguments, given=content)
