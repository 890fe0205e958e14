"""The export of a person: one zip with everything, for them and about nobody else."""

import io
import json
import zipfile
from typing import Any

import pytest
from tests.privacy.conftest import Privacy

pytestmark = pytest.mark.timeout(300)


def fetch(privacy: Privacy, request_id: str) -> Any:
    return privacy.server.request(
        "GET",
        f"/api/v1/privacy/requests/{request_id}/export.zip",
        headers={"authorization": f"Bearer {privacy.server.admin_token}"},
    )


def read_zip(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    events = [json.loads(line) for line in files.pop("events.ndjson").splitlines()]
    held = [json.loads(line) for line in files.pop("held.ndjson").splitlines()]
    readme = files.pop("README.txt")
    return {name: json.loads(text) for name, text in files.items()} | {"events": events, "held": held, "readme": readme}


def test_an_export_holds_everything_and_nothing_of_others(privacy: Privacy) -> None:
    for n in range(30):
        privacy.send(privacy.web, event_type="page_view", anonymous_id="export-1", url=f"https://x.example/{n}")
    privacy.send(
        privacy.web,
        event_type="identify",
        anonymous_id="export-1",
        user_id="export-user",
        traits={"name": "Jane", "email": "export@example.com"},
        consent={"marketing": "granted"},
    )
    privacy.send(privacy.web, event_type="page_view", anonymous_id="not-in-the-export", url="https://x.example/")
    waiting = privacy.send(privacy.add_held_source(), event_type="login", user_id="export-user")
    privacy.server.wait_until_settled()
    asked = privacy.ask("export", kind="email", value="Export@Example.com", reason="asked by phone")
    assert (asked["state"], asked["kind"]) == ("done", "export")

    answer = fetch(privacy, asked["id"])
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/zip"
    content = read_zip(answer.body)
    assert len(content["events"]) == 31
    assert [event["event_id"] for event in content["held"]] == [waiting]
    assert {event["anonymous_id"] for event in content["events"]} == {"export-1"}
    assert {trait["name"]: trait["value"] for trait in content["profile.json"]["traits"]}["name"] == "Jane"
    assert {(i["kind"], i["value"]) for i in content["profile.json"]["identities"]} >= {
        ("anonymous_id", "export-1"),
        ("user_id", "export-user"),
        ("email", "export@example.com"),
    }
    assert len(content["links.json"]["links"]) >= 2
    assert content["sessions.json"][0]["page_views"] == 30
    assert content["consents.json"]["said"][0]["state"] == "granted"
    assert b"not-in-the-export" not in json.dumps(content).encode()
    assert privacy.server.api("privacy/requests")["items"][0]["id"] == asked["id"]


def test_the_command_line_writes_the_same_file(privacy: Privacy, tmp_path: Any) -> None:
    privacy.send(privacy.back, event_type="view", user_id="export-cli")
    privacy.server.wait_until_settled()
    file = tmp_path / "person.zip"
    privacy.server.run_cli("privacy", "export", "export-cli", "--kind", "user_id", "--to", str(file))
    content = read_zip(file.read_bytes())
    assert [event["user_id"] for event in content["events"]] == ["export-cli"]
    assert content["profile.json"]["identities"][0]["value"] == "export-cli"


def test_after_an_erasure_an_earlier_export_has_nothing_to_send_and_names_nobody(privacy: Privacy) -> None:
    privacy.send(privacy.back, event_type="view", user_id="export-gone")
    privacy.server.wait_until_settled()
    exported = privacy.ask("export", kind="user_id", value="export-gone")
    erased = privacy.ask("erase", kind="user_id", value="export-gone")
    privacy.wait(erased["id"], past="outcomes")
    answer = fetch(privacy, exported["id"])
    assert (answer.status, answer.json["error"]["reason"]) == (410, "gone")
    assert "value" not in privacy.show(exported["id"])["about"]
    assert fetch(privacy, erased["id"]).json["error"]["reason"] == "refused"
    assert fetch(privacy, "no-such-request").json["error"]["reason"] == "unknown_request"


def test_an_export_of_somebody_unknown_is_empty_and_says_so(privacy: Privacy) -> None:
    asked = privacy.ask("export", kind="email", value="nobody-at-all@example.com")
    content = read_zip(fetch(privacy, asked["id"]).body)
    assert content["events"] == []
    assert content["sessions.json"] == []
