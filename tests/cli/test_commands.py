"""The command line as scripts rely on it."""

import json
import subprocess
import time

import pytest

from trackway.testing.commands import run_command
from trackway.testing.server import TestServer


def run(server: TestServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return run_command(*arguments, "--data", str(server.data), patience_s=120)


@pytest.mark.parametrize(
    ("protocol", "channel", "field", "prefix", "path", "event"),
    [
        ("native", "web", "write_key", "tw_pub_", "/v1/events", {"event_type": "a"}),
        ("native", "server", "write_key", "tw_secret_", "/v1/events", {"event_type": "a"}),
        ("pact", "web", "api_key", "pact_pub_", "/v1/tracking/events", {"event_type": "a", "distinct_id": "d"}),
        ("pact", "api", "api_key", "pact_live_", "/v1/tracking/events", {"event_type": "a", "distinct_id": "d"}),
    ],
)
def test_a_source_added_while_the_server_runs_works_at_once(
    server: TestServer, protocol: str, channel: str, field: str, prefix: str, path: str, event: dict[str, str]
) -> None:
    name = f"cli {protocol} {channel}"
    added = json.loads(server.run_cli("sources", "add", name, "--protocol", protocol, "--channel", channel, "--json"))
    assert set(added) == {"id", "name", "protocol", "channel", "workspace", "credentials"}
    assert (added["name"], added["protocol"], added["channel"], added["workspace"]) == (name, protocol, channel, "main")
    key = added["credentials"][field]
    assert key.startswith(prefix)
    assert server.post(path, event, key).status in (200, 202)
    listed = {s["id"]: s for s in json.loads(server.run_cli("sources", "list", "--json"))}
    shown = listed[added["id"]]["key"][field]
    assert (shown == key) is (channel == "web")


def test_a_source_that_is_switched_off_is_refused_until_it_is_on_again(server: TestServer) -> None:
    source = server.add_source("switched")
    key = source["credentials"]["write_key"]
    statuses = [server.post("/v1/events", {"event_type": "a"}, key).status]
    for word in ("off", "on"):
        server.run_cli("sources", "switch", source["id"], word)
        time.sleep(1)
        statuses.append(server.post("/v1/events", {"event_type": "a"}, key).status)
    assert statuses == [200, 403, 200]
    assert "no source 'never-added'" in run(server, "sources", "switch", "never-added", "off").stderr


def test_source_id_can_be_fixed_and_mistakes_are_explained(server: TestServer) -> None:
    assert (
        json.loads(
            server.run_cli(
                "sources",
                "add",
                "Fixed",
                "--protocol",
                "native",
                "--channel",
                "web",
                "--set",
                "source_id=web-1",
                "--json",
            )
        )["id"]
        == "web-1"
    )
    for arguments, said in [
        (("Fixed", "--protocol", "native", "--channel", "web"), "already"),
        (("Other", "--protocol", "native", "--channel", "web", "--set", "source_id=web-1"), "already"),
        (("Other", "--protocol", "native", "--channel", "web", "--set", "colour=red"), "no source setting 'colour'"),
        (("Other", "--protocol", "native", "--channel", "web", "--set", "origins=shop.example"), "origins="),
        (("Other", "--protocol", "fax", "--channel", "web"), "'fax' is not one of"),
        (("", "--protocol", "native", "--channel", "web"), "needs a name"),
    ]:
        done = run(server, "sources", "add", *arguments)
        assert done.returncode != 0
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_token_made_on_the_command_line_opens_the_api(server: TestServer) -> None:
    token = json.loads(server.run_cli("tokens", "create", "script", "--json"))["token"]
    assert server.request("GET", "/api/v1/kpis", headers={"authorization": f"Bearer {token}"}).status == 200
    assert server.request("GET", "/api/v1/kpis", headers={"authorization": f"Bearer {token}x"}).status == 401


def test_explain_says_what_became_of_an_event(server: TestServer) -> None:
    key = server.add_source("explained")["credentials"]["write_key"]
    event = {
        "event_type": "signup",
        "anonymous_id": "a",
        "dedupe_key": "once",
        "url": "https://a.example/?utm_source=news",
    }
    first = server.post("/v1/events", event, key).json["results"][0]["event_id"]
    second = server.post("/v1/events", event, key).json["results"][0]["event_id"]
    server.wait_until_settled()
    stored, duplicate = run(server, "explain", first).stdout, run(server, "explain", second).stdout
    assert f"{first}: stored" in stored
    assert "utm_source=news" in stored
    assert f"{second}: duplicate (transport_key)" in duplicate
    assert first in duplicate
    unknown = run(server, "explain", "01a1fc2b-785d-789d-85b9-b950727b0000")
    assert (unknown.returncode, "no event" in unknown.stderr) == (1, True)


def test_doctor_finds_a_running_server_well(server: TestServer) -> None:
    server.wait_until_settled()
    done = run(server, "doctor")
    assert done.returncode == 0, done.stdout
    assert "ok    store: ok" in done.stdout


def test_query_reads_and_only_reads(server: TestServer) -> None:
    assert "n" in server.run_cli("query", "SELECT count() AS n FROM events")
    for sql in ("DROP TABLE events", "SELECT file('/etc/passwd')", "SELECT 1; SELECT 2", "SELECT nothing FROM events"):
        done = run(server, "query", sql)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr


def test_a_changed_address_rule_is_followed_within_a_second(server: TestServer) -> None:
    source = server.add_source("addresses")
    event = {"event_type": "a", "context": {"ip": "203.0.113.77"}}
    kept = []
    for mode in ("full", "hashed", "dropped", "truncated"):
        server.run_cli("workspaces", "set", "main", "--ip-mode", mode)
        time.sleep(1)
        server.post("/v1/events", event, source["credentials"]["write_key"])
        server.wait_until_settled()
        kept.append(server.api("events", source=source["id"], limit=1)["items"][0]["ip"])
    assert kept[0] == "203.0.113.77"
    assert kept[1].startswith("h:")
    assert kept[2:] == ["", "203.0.113.0"]


def test_migrate_has_nothing_to_do_twice(server: TestServer) -> None:
    assert server.run_cli("migrate").strip() == "nothing to do"
