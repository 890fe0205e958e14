"""`trackway sources set`: settings that change later, and what cannot be changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trackway.testing.commands import run_command
from trackway.testing.server import TestServer

RESHAPING = [{"reshaping": {"reshape_schema": {"properties": {"a": "event@type"}}}}]


def run(server: TestServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_command("sources", "set", *arguments, "--data", str(server.data), patience_s=120)


def read_settings(server: TestServer, source_id: str) -> dict[str, str]:
    listed = {s["id"]: s for s in json.loads(server.run_cli("sources", "list", "--json"))}
    settings: dict[str, str] = listed[source_id]["settings"]
    return settings


def test_settings_are_set_from_values_and_files_and_taken_away(server: TestServer, tmp_path: Path) -> None:
    source = server.add_source("set by cli", "tracardi", "web", bots="drop")["id"]
    template = tmp_path / "reshaping.json"
    template.write_text(json.dumps(RESHAPING))
    done = run(server, source, "debugger=yes", f"reshaping=@{template}", "bots=")
    assert done.returncode == 0, done.stderr
    assert "bots is not set any more" in done.stdout
    assert read_settings(server, source) == {"debugger": "yes", "reshaping": json.dumps(RESHAPING)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["never-added", "bots=drop"], "there is no source 'never-added'"),
        (["SOURCE", "bots=maybe"], "bots='maybe' is not a value"),
        (["SOURCE", "botz=drop"], "there is no source setting 'botz'"),
        (["SOURCE", "reshaping={"], "reshaping is not JSON"),
        (["SOURCE", 'mapping=[{"event_to_profile": 1}]'], "mapping[0].event_to_profile must be a list"),
        (["SOURCE", "reshaping=@/nowhere.json"], "/nowhere.json cannot be read"),
        (["SOURCE", "environment=test"], "environment is decided when a source is added"),
        (["trackway", "bots=drop"], "nobody sends as it"),
        (["SOURCE", "bots"], "KEY=VALUE, not 'bots'"),
    ],
)
def test_what_cannot_be_set_says_why_and_changes_nothing(
    server: TestServer, own_source: str, arguments: list[str], says: str
) -> None:
    done = run(server, *(own_source if each == "SOURCE" else each for each in arguments))
    assert done.returncode == 1
    assert says in done.stderr
    assert read_settings(server, own_source) == {"bots": "mark"}


@pytest.fixture(scope="module")
def own_source(server: TestServer) -> str:
    headers = {"authorization": f"Bearer {server.admin_token}", "content-type": "application/json"}
    # Makes the source of Trackway itself, too.
    server.request("PUT", "/api/v1/contacts/c-settings", '{"traits": {"a": 1}}', headers)
    source_id: str = server.add_source("left alone", "tracardi", "web", bots="mark")["id"]
    return source_id


def test_a_source_is_removed_once(server: TestServer) -> None:
    source = server.add_source("removed by cli", "tracardi", "web")["id"]
    assert "is removed" in server.run_cli("sources", "remove", source, "--yes")
    (line,) = [each for each in server.run_cli("sources", "list").splitlines() if each.startswith(f"{source} ")]
    assert line.endswith("removed by cli  (removed)")
    command = [sys.executable, "-m", "trackway", "sources", "remove", source, "--data", str(server.data)]
    done = subprocess.run(command, input="n\n", check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "Aborted" in done.stderr) == (1, True)


def test_a_key_made_of_settings_changes_with_them(server: TestServer) -> None:
    source = server.add_source("orbee moved", "orbee", "web", account_id="71", tracker_id="1")["id"]
    assert run(server, source, "tracker_id=2").returncode == 0
    listed = {s["id"]: s for s in json.loads(server.run_cli("sources", "list", "--json"))}
    assert listed[source]["key"] == {"tracker": "71/2"}
    server.add_source("orbee other", "orbee", "web", account_id="71", tracker_id="1")
    done = run(server, source, "tracker_id=1")
    assert (done.returncode, "another source has this name, or the key" in done.stderr) == (1, True)
    assert run(server, source, "tracker_id=").returncode == 1
