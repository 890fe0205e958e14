"""Personal data in properties is found, and hidden by one rule from the next event on."""

import time
from typing import Any

from tests.privacy.conftest import Privacy


def put_rule(privacy: Privacy, path: str, action: str) -> Any:
    return privacy.server.post("/api/v1/pii/rules", {"path": path, "action": action}, privacy.server.admin_token)


def test_it_is_found_masked_in_the_report_and_hidden_by_rules(privacy: Privacy) -> None:
    server = privacy.server

    def send() -> Any:
        event_id = privacy.send(
            privacy.web,
            event_type="signup",
            anonymous_id="pii-1",
            title="Hello jane@example.com",
            url="https://x.example/thanks?mail=jane%40example.com&page=2",
            properties={"form": {"mail": "jane@example.com"}, "items": [{"card": "4111 1111 1111 1111", "n": 1}]},
            traits={"email": "jane@example.com"},
        )
        server.wait_until_settled()
        return server.api(f"events/{event_id}")["event"]

    before = send()
    assert before["properties"]["form"] == {"mail": "jane@example.com"}
    found = {finding["path"]: finding for finding in server.api("pii")["findings"]}
    assert {path: finding["kind"] for path, finding in found.items()} == {
        "properties.form.mail": "email",
        "properties.items.card": "card",
        "title": "email",
        "url.query.mail": "email",
    }
    assert found["properties.items.card"]["example"] == "…1111"
    assert all("jane" not in finding["example"] for finding in found.values())

    for path, action in (
        ("properties.form.mail", "mask"),
        ("properties.items.card", "drop"),
        ("title", "drop"),
        ("url.query.mail", "drop"),
    ):
        assert put_rule(privacy, path, action).status == 200
    time.sleep(1.0)
    after = send()
    assert after["properties"] == {"form": {"mail": "[masked]"}, "items": [{"n": 1}]}
    assert after["title"] == ""
    assert after["url"] == "https://x.example/thanks?page=2"
    told = {finding["path"]: finding["rule"] for finding in server.api("pii")["findings"]}
    assert told["properties.form.mail"] == "mask"

    assert put_rule(privacy, "title", "keep").status == 200
    time.sleep(1.0)
    assert send()["title"] == "Hello jane@example.com"


def test_a_rule_that_hides_nothing_is_refused(privacy: Privacy) -> None:
    for path, action in (("user_id", "mask"), ("properties.", "drop"), ("properties.a", "blur"), ("", "drop")):
        assert put_rule(privacy, path, action).status == 422
