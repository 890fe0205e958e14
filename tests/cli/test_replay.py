"""trackway replay: what was refused, and what the log holds, tried again; nothing changes without --apply."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from trackway.clock import now_ms
from trackway.control.database import State, bump_version, make_url
from trackway.control.plans import change_plan, read_change
from trackway.control.tables import SOURCES
from trackway.control.workspaces import list_workspaces
from trackway.profiles.policies import DEFAULT_POLICY
from trackway.profiles.policy_versions import change_policy, read_policies
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

LONG_AGO = "2020-01-01"


class Shop:
    """A source whose tracking plan asks for a price, until it is mended."""

    def __init__(self, server: TestServer, state: State, name: str) -> None:
        self.server, self.state = server, state
        made = server.add_source(name, "native", "server")
        self.source, self.key = made["id"], next(iter(made["credentials"].values()))

    def ask_for(self, *required: str) -> None:
        said = {
            "event_type": "sale",
            "mode": "reject",
            "schema": {"type": "object", "required": list(required)},
            "source": self.source,
        }
        workspace = list_workspaces(self.state)[0].id
        change_plan(self.state, workspace, [read_change(said, [self.source])], "tests", 1)
        time.sleep(1.2)

    @contextlib.contextmanager
    def policy(self, without_consent: str) -> Iterator[None]:
        """What is done meanwhile with whoever has not agreed."""
        workspace = list_workspaces(self.state)[0].id
        before = [msgspec.to_builtins(each) for each in read_policies(self.state).get(workspace, DEFAULT_POLICY).rules]
        rule = {"id": "x", "jurisdictions": ["*"], "sources": [self.source], "mode": "opt_in"}
        change_policy(self.state, workspace, [rule | {"without_consent": without_consent}, *before], "tests", now_ms())
        time.sleep(1.2)
        yield
        self.server.wait_until_settled()
        change_policy(self.state, workspace, before, "tests", now_ms())
        time.sleep(1.2)

    def change_channel(self, channel: str) -> None:
        """What an adapter makes of a request depends on the source too."""
        with self.state.write() as connection:
            connection.execute(update(SOURCES).where(SOURCES.c.id == self.source).values(channel=channel))
            bump_version(connection)
        time.sleep(1.2)

    def send(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        answer = self.server.post("/v1/events", {"events": list(events)}, self.key)
        assert answer.status in (200, 207, 422), answer.body
        self.server.wait_until_settled()
        results: list[dict[str, Any]] = answer.json["results"]
        return results

    def wait_for_letter(self) -> str:
        return str(wait_until(lambda: self.server.api("rejections", source=self.source)["items"])[0]["id"])

    def replay(self, *arguments: str) -> str:
        return self.server.run_cli("replay", *arguments, "--source", self.source)

    def read_traits(self, user: str) -> dict[str, Any]:
        profile = self.server.api("profiles/lookup", kind="user_id", value=user)
        return {trait["name"]: trait["value"] for trait in profile["traits"]}

    def line(self) -> dict[str, Any]:
        books = self.server.wait_until_settled()
        found: dict[str, Any] = next(each for each in books["sources"] if each["source"] == self.source)
        assert found["balanced"]
        return found


@pytest.fixture
def shop(server: TestServer, request: pytest.FixtureRequest) -> Iterator[Shop]:
    state = State(make_url(server.data, ""))
    yield Shop(server, state, f"{request.node.name[:90]} {time.time_ns()}")
    state.close()


VIEW, SALE = {"event_type": "view", "anonymous_id": "a", "properties": {"n": 1.5}}, {"event_type": "sale"}


def test_what_was_refused_is_previewed_then_stored_and_a_second_time_nothing_waits(shop: Shop) -> None:
    shop.ask_for("price")
    shop.send(VIEW, SALE)
    letter = shop.wait_for_letter()
    assert "still refused: event 1, plan_violation" in shop.replay("--rejected")
    shop.ask_for()
    preview = shop.replay("--rejected")
    assert letter in preview
    assert "1 events of 1 letters would be replayed" in preview
    assert "nothing was changed; --apply does it" in preview
    assert shop.line()["stored"] == 1
    assert "1 events of 1 letters replayed" in shop.replay("--rejected", "--apply")
    assert shop.line()["stored"] == 2
    assert "nothing waits that fits" in shop.replay("--rejected", "--apply")
    named = json.loads(shop.server.run_cli("replay", "--rejected", letter, "--json"))
    assert named["items"][0]["why_not"] == "it was replayed"


def test_the_log_parsed_again_is_what_is_stored(shop: Shop) -> None:
    shop.send(VIEW, VIEW | {"dedupe_key": "k"}, VIEW | {"dedupe_key": "k"})
    said = shop.replay("--from", LONG_AGO, "--dry-run")
    assert "1 submissions: 2 events as they are stored, 0 different, 0 new, 0 gone" in said
    assert "1 events were not stored and are not now: transport_key" in said


def test_a_log_replay_stores_what_never_was_once(shop: Shop) -> None:
    shop.ask_for("price")
    results = shop.send(SALE, VIEW, SALE)
    shop.wait_for_letter()
    shop.ask_for()
    preview = shop.replay("--from", LONG_AGO)
    assert "1 events as they are stored, 0 different, 2 new, 0 gone" in preview
    assert "nothing was changed" in preview
    assert shop.line()["stored"] == 1
    assert "2 new events were put into the log" in shop.replay("--from", LONG_AGO, "--apply")
    line = shop.line()
    assert (line["received"], line["stored"], line["duplicate"]) == (3, 3, 0)
    ids = {event["event_id"] for event in shop.server.api("events", source=shop.source)["items"]}
    first = results[1]["event_id"]
    assert ids == {f"{first[:-4]}{index:04x}" for index in range(3)}
    assert "3 events as they are stored, 0 different, 0 new" in shop.replay("--from", LONG_AGO, "--apply")
    assert shop.line()["received"] == 3
    # The rejection knows of it.
    [letter] = shop.server.api("rejections", source=shop.source)["items"]
    assert (letter["events"], letter["replayed_events"]) == (0, 2)


def test_what_is_different_is_shown_field_by_field_and_replaced_once(shop: Shop) -> None:
    user = f"user {time.time_ns()}"
    said = {"logins": {"$add": 1}, "points": {"$points": 5}, "plan": "pro"}
    [result] = shop.send(VIEW | {"anonymous_id": user, "user_id": user, "traits": said})
    traits = shop.read_traits(user)
    assert traits == {"logins": 1, "points": 5, "plan": "pro"}
    shop.change_channel("mobile")
    preview = json.loads(shop.replay("--from", LONG_AGO, "--json"))
    assert (preview["changed"], preview["same"], preview["replaced"]) == (1, 0, [])
    assert preview["fields"]["native"] == {"channel": 1}
    [example] = preview["examples"]["native"]["channel"]
    assert example == {"event_id": result["event_id"], "old": "server", "new": "mobile"}
    assert "--apply stores the new ones and replaces the different ones" in shop.replay("--from", LONG_AGO)
    assert shop.server.api(f"events/{result['event_id']}")["event"]["channel"] == "server"
    done = shop.replay("--from", LONG_AGO, "--apply")
    assert "changed  native channel: 1 events" in done
    assert "1 different events were put into the log and take the place of their rows" in done
    [event] = shop.server.api("events", source=shop.source)["items"]
    assert (event["event_id"], event["channel"], event["properties"]) == (result["event_id"], "mobile", {"n": 1.5})
    line = shop.line()
    assert (line["received"], line["stored"], line["dropped"]) == (2, 1, {"replaced": 1})
    assert shop.read_traits(user) == traits
    told = shop.server.run_cli("explain", result["event_id"])
    assert f"{result['event_id']}: stored" in told
    assert told.count("a replay replaced its row of segment") == 1
    assert "1 events as they are stored, 0 different, 0 new, 0 gone" in shop.replay("--from", LONG_AGO, "--apply")
    assert shop.line() == line


def test_what_todays_policy_would_not_store_leaves_with_its_reason(shop: Shop) -> None:
    [result] = shop.send(VIEW)
    shop.change_channel("mobile")
    with shop.policy("drop"):
        shop.replay("--from", LONG_AGO, "--apply")
    line = shop.line()
    assert (line["received"], line["stored"], line["dropped"]) == (2, 0, {"no_consent": 1, "replaced": 1})
    told = shop.server.run_cli("explain", result["event_id"])
    assert f"{result['event_id']}: dropped (no_consent)" in told
    assert "a replay replaced its row" in told
    assert "0 different, 0 new, 0 gone" in shop.replay("--from", LONG_AGO, "--apply")
    assert shop.line() == line


def test_a_row_whose_person_would_be_asked_first_now_stays(shop: Shop) -> None:
    [result] = shop.send(VIEW)
    shop.change_channel("mobile")
    with shop.policy("hold"):
        shop.replay("--from", LONG_AGO, "--apply")
    assert shop.server.api(f"events/{result['event_id']}")["event"]["channel"] == "server"
    line = shop.line()
    assert (line["stored"], line["duplicate"], line["held"], line["dropped"]) == (1, 1, 0, {})


def test_a_row_without_its_person_is_neither_compared_nor_replaced(shop: Shop) -> None:
    with shop.policy("anonymise"):
        [result] = shop.send(VIEW)
    shop.change_channel("mobile")
    said = shop.replay("--from", LONG_AGO, "--apply")
    assert "1 events are stored without their person and were not compared" in said
    assert shop.server.api(f"events/{result['event_id']}")["event"]["channel"] == "server"
    assert shop.line()["received"] == 1


def test_templates_that_were_mended_reach_what_is_stored(server: TestServer) -> None:
    made = server.add_source(f"Templates {time.time_ns()}", "tracardi", "web")
    source, address = made["id"], f"t{time.time_ns()}@example.com"
    events = [{"type": "signup", "properties": {"mail": address, "total": 5}}]
    sent = {"source": {"id": source}, "session": {"id": f"s{time.time_ns()}"}, "events": events}
    assert server.post("/track", sent).status == 200
    server.wait_until_settled()
    before = {event["event_id"]: event for event in server.api("events", source=source)["items"]}
    [signup] = [event for event in before.values() if event["event_type"] == "signup"]
    reshaping = [
        {"event_type": "signup", "reshaping": {"reshape_schema": {"properties": {"email": "event@properties.mail"}}}}
    ]
    line = {
        "event": {"value": "properties.email", "ref": True},
        "op": 0,
        "profile": {"value": "traits.mail", "ref": True},
    }
    mapping = [{"event_type": "signup", "event_to_profile": [line]}]
    settings = (f"reshaping={json.dumps(reshaping)}", f"mapping={json.dumps(mapping)}")
    server.run_cli("sources", "set", source, *settings)
    arguments = ("replay", "--from", LONG_AGO, "--source", source)
    assert "tracardi properties: 1 events" in server.run_cli(*arguments)
    server.run_cli(*arguments, "--apply")
    after = {event["event_id"]: event for event in server.api("events", source=source)["items"]}
    assert after.keys() == before.keys()
    event = after[signup["event_id"]]
    assert event["properties"] == {"email": address}
    assert event["traits"]["mail"] == address
    books = server.wait_until_settled()
    found = next(each for each in books["sources"] if each["source"] == source)
    assert (found["balanced"], found["stored"]) == (True, len(before))
    assert "0 different, 0 new, 0 gone" in server.run_cli(*arguments, "--apply")


def test_a_span_and_a_protocol_choose_what_is_compared(shop: Shop) -> None:
    shop.send(VIEW)
    assert "0 submissions" in shop.replay("--from", LONG_AGO, "--until", "2020-01-02")
    assert "0 submissions" in shop.replay("--from", LONG_AGO, "--protocol", "pact")
    assert "1 submissions" in shop.replay("--from", LONG_AGO, "--protocol", "native")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say what to replay"),
        (("--rejected", "--from", LONG_AGO), "say what to replay"),
        (("--from", "yesterday"), "is no time"),
        (("--from", LONG_AGO, "--reason", "bot"), "go with --rejected"),
        (("--rejected", "--reason", "nonsense"), "reason must be one of"),
        (("--rejected", "rejected:1", "--protocol", "pact"), "not both"),
    ],
    ids=str,
)
def test_a_command_that_makes_no_sense_says_what_to_do(
    server: TestServer, arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        server.run_cli("replay", *arguments)


def test_an_event_that_would_not_be_made_any_more_is_named_and_left(server: TestServer) -> None:
    made = server.add_source(f"Cars {time.time_ns()}", "orbee", "web")
    aid, _, tid = next(iter(made["credentials"].values())).partition("/")
    event = {"action": "view", "object": "vehicle", "vendor": "Dealer", "product": "site", "instance_id": "i-1"}
    assert server.post(f"/collect/{aid}/{tid}/event", event).status == 204
    server.wait_until_settled()
    [stored] = server.api("events", source=made["id"])["items"]
    server.run_cli("sources", "set", made["id"], "vendors=Somebody else")
    said = server.run_cli("replay", "--from", LONG_AGO, "--apply", "--source", made["id"])
    assert "0 events as they are stored, 0 different, 0 new, 1 gone" in said
    assert f"gone     {stored['event_id']}: " in said
    assert "1 events that are gone were left as they are" in said
    assert server.api(f"events/{stored['event_id']}")["outcome"] == "stored"


def test_the_test_space_is_replayed_apart(server: TestServer) -> None:
    made = server.add_source(f"Trial {time.time_ns()}", "native", "server", environment="test")
    source, key = made["id"], next(iter(made["credentials"].values()))
    server.run_cli("sources", "switch", source, "off")
    wait_until(lambda: server.post("/v1/events", VIEW, key).status, lambda seen: seen == 403)
    server.run_cli("sources", "switch", source, "on")
    wait_until(lambda: server.api("rejections", source=source, workspace="test")["items"])
    assert "nothing waits that fits" in server.run_cli("replay", "--rejected", "--source", source, "--apply")
    arguments = ("replay", "--source", source, "--test")
    assert "1 events of 1 letters replayed" in server.run_cli(*arguments, "--rejected", "--apply")
    items = server.api("events", source=source, workspace="test")["items"]
    assert {event["event_type"] for event in items} == {"view"}
    said = server.run_cli(*arguments, "--from", LONG_AGO, "--apply")
    assert f"{len(items)} events as they are stored, 0 different, 0 new, 0 gone" in said
