"""Tracardi: which session and which profile a request gets, and what of it outlives merges, erasures and crashes."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from tests.collect.tracardi_client import JSON, Source, Stored, add_source, find_traits, make_session, track

from trackway.control.database import State, make_url
from trackway.profiles.identifiers import read_profile_id
from trackway.profiles.visits import VISITS
from trackway.testing.server import TestServer, start_server
from trackway.testing.waiting import wait_until


@pytest.fixture
def source(server: TestServer) -> Source:
    return add_source(server)


def find_ids(server: TestServer, source: Source, *types: str, **fields: Any) -> tuple[str, str]:
    """The ids of session and profile that are answered."""
    answer = track(server, source, *(types or ("page-view",)), **fields)
    assert answer.status == 200, answer.body
    return answer.json["session"]["id"], answer.json["profile"]["id"]


def test_without_session_the_server_makes_one_and_remembers_it(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source, session=None)

    assert UUID(session)
    assert find_ids(server, source, session={"id": session}) == (session, profile)


def test_a_new_session_is_kept_under_the_clients_id(server: TestServer, source: Source) -> None:
    session = make_session()
    first = find_ids(server, source, session={"id": f" {session} "})

    assert first[0] == session
    assert find_ids(server, source, session={"id": session}) == first


@pytest.mark.parametrize("word", ["null", "undefined", "0", "00000000-0000-0000-0000-000000000000", "[object Object]"])
def test_words_for_nobody_make_no_session_that_thousands_share(server: TestServer, source: Source, word: str) -> None:
    first, second = (find_ids(server, source, session={"id": word}) for _ in range(2))

    assert first[0] != second[0]
    assert first[1] != second[1]
    assert word not in (first[0], second[0])


def test_an_unknown_profile_id_is_never_kept(server: TestServer, source: Source) -> None:
    for sent in (str(uuid4()), "profile-id", "", "\x00", "00000000-0000-0000-0000-000000000000"):
        _, profile = find_ids(server, source, profile={"id": sent})
        assert profile != sent
        assert UUID(profile)


def test_a_profile_of_another_workspace_is_unknown(server: TestServer, source: Source) -> None:
    elsewhere = add_source(server, environment="test")
    _, profile = find_ids(server, elsewhere)

    assert find_ids(server, source, profile={"id": profile})[1] != profile


def test_a_static_profile_id_is_kept(server: TestServer, stored: Stored) -> None:
    source = add_source(server, static_profile_id="yes", system_events="no")
    ours = f"customer-{make_session()}"
    first = find_ids(server, source, profile={"id": ours})
    second = find_ids(server, source, profile={"id": ours})

    assert first[1] == second[1] == ours
    assert len({event["profile_id"] for event in stored(source)}) == 1


def test_a_known_profile_id_is_used_in_a_new_session(server: TestServer, source: Source, stored: Stored) -> None:
    first, profile = find_ids(server, source)
    second, same = find_ids(server, source, profile={"id": profile})

    assert first != second
    assert same == profile
    assert find_traits(server, profile)["stats.visits"] == 2
    assert [event["event_type"] for event in stored(source)].count("profile-created") == 1


def test_a_known_session_wins_against_another_profile_id(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source)
    _, other = find_ids(server, source)

    assert find_ids(server, source, session={"id": session}, profile={"id": other}) == (session, profile)
    assert find_ids(server, source, session={"id": session}, profile={"id": "invented"}) == (session, profile)


def test_a_session_that_began_with_a_profile_keeps_it(server: TestServer, source: Source) -> None:
    _, profile = find_ids(server, source)
    session, _ = find_ids(server, source, profile={"id": profile})

    assert find_ids(server, source, session={"id": session}) == (session, profile)


@pytest.mark.parametrize(("query", "fields"), [("?profile_less=true", {}), ("", {"profile_less": True})])
def test_profile_less_events_have_a_session_and_no_profile(
    server: TestServer, source: Source, stored: Stored, query: str, fields: dict[str, Any]
) -> None:
    session = make_session()
    said = track(server, source, "coupon-received", query=query, session={"id": session}, **fields).json

    assert (said["profile"], said["session"]) == ({"id": None}, {"id": session})
    events = stored(source)
    assert {event["event_type"] for event in events} == {"coupon-received", "session-opened", "visit-started"}
    assert {(event["profile_id"], event["session_id"]) for event in events} == {("", session)}


def test_an_event_cannot_say_that_it_has_a_profile_after_all(
    server: TestServer, source: Source, stored: Stored
) -> None:
    events = [{"type": "a", "context": {"profile_less": False}}]
    track(server, source, query="?profile_less=true", events=events)

    assert {event["profile_id"] for event in stored(source)} == {""}


def test_the_query_wins_over_the_body_in_being_profile_less(server: TestServer, source: Source) -> None:
    said = track(server, source, "a", query="?profile_less=false", profile_less=True).json

    assert said["profile"]["id"]


def test_a_valid_profile_id_is_attached_to_a_session_that_had_none(server: TestServer, source: Source) -> None:
    _, profile = find_ids(server, source)
    session = {"id": make_session()}
    track(server, source, "a", query="?profile_less=true", session=session)

    assert find_ids(server, source, session=session, profile={"id": profile})[1] == profile
    assert find_ids(server, source, session=session)[1] == profile


def test_a_session_without_profile_gets_a_new_one(server: TestServer, source: Source, stored: Stored) -> None:
    session = {"id": make_session()}
    track(server, source, "a", query="?profile_less=true", session=session)
    _, profile = find_ids(server, source, session=session)

    assert UUID(profile)
    types = [event["event_type"] for event in stored(source)]
    assert (types.count("profile-created"), types.count("session-opened")) == (1, 1)


def test_a_profile_less_request_takes_nothing_from_its_session(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source)
    track(server, source, "visit-ended", query="?profile_less=true", session={"id": session})

    assert find_ids(server, source, session={"id": session})[1] == profile


def test_a_profile_passed_from_another_domain_is_taken(server: TestServer, source: Source) -> None:
    _, profile = find_ids(server, source)
    passed = {"profile": profile, "source": source["id"]}
    _, same = find_ids(server, source, context={"tracardi": {"pass": passed}}, profile={"id": "another"})
    strange = track(server, source, "a", context={"tracardi": {"pass": {**passed, "source": "never-added"}}}).json
    unknown = track(server, source, "a", context={"tracardi": {"pass": {**passed, "profile": str(uuid4())}}}).json

    assert same == profile
    for said in (strange, unknown):
        assert said["profile"]["id"] != profile
        assert "context.tracardi.pass" in said["warnings"][0]


def sign_in(server: TestServer, source: Source, mail: str, **fields: Any) -> tuple[str, str]:
    events = [{"type": "sign-in", "properties": {"email": {"main": mail}}}]
    return find_ids(server, source, events=events, **fields)


def test_the_ids_of_merged_profiles_lead_to_the_same_one_for_ever(server: TestServer, source: Source) -> None:
    mail = f"{make_session()}@wire.example"
    first_session, first = sign_in(server, source, mail)
    second_session, second = sign_in(server, source, mail)
    assert first != second
    server.wait_until_settled()

    # The original script goes on sending the first id it was given.
    wait_until(
        lambda: (
            len(
                {
                    find_ids(server, source, session={"id": first_session}, profile={"id": first})[1],
                    find_ids(server, source, session={"id": second_session}, profile={"id": second})[1],
                    find_ids(server, source, profile={"id": first})[1],
                    find_ids(server, source, profile={"id": second})[1],
                }
            )
            == 1
        )
    )


def is_remembered(server: TestServer, profile: str) -> bool:
    """Does a session lead to the profile?"""
    state = State(make_url(server.data, ""))
    try:
        with state.read() as connection:
            found = connection.execute(select(VISITS).where(VISITS.c.profile == read_profile_id(profile))).first()
            return found is not None
    finally:
        state.close()


def erase(server: TestServer, profile: str) -> None:
    about = {"kind": "profile_id", "value": profile}
    asked = server.post("/api/v1/privacy/erase", about, server.admin_token)
    assert asked.status == 200, asked.body
    wait_until(lambda: server.api(f"privacy/requests/{asked.json['id']}")["state"] != "waiting")


def test_who_was_erased_comes_back_as_somebody_else(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source)
    server.wait_until_settled()
    assert is_remembered(server, profile)
    erase(server, profile)
    assert not is_remembered(server, profile)
    wait_until(lambda: find_ids(server, source, session={"id": session})[1] != profile)
    _, again = find_ids(server, source, session={"id": session}, profile={"id": profile})

    assert again != profile
    assert find_ids(server, source, session={"id": session}) == (session, again)
    assert find_ids(server, source, profile={"id": profile})[1] not in (profile, again)


def test_requests_of_one_visitor_at_the_same_moment_lose_no_view(
    server: TestServer, source: Source, stored: Stored
) -> None:
    session = {"id": make_session()}
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: find_ids(server, source, session=session), range(60)))

    [(_, profile)] = set(ids)
    traits = find_traits(server, profile)
    assert (traits["stats.views"], traits["stats.visits"]) == (60, 1)
    types = [event["event_type"] for event in stored(source)]
    assert [types.count(each) for each in ("profile-created", "session-opened", "visit-started")] == [1, 1, 1]


def test_sessions_of_one_profile_at_the_same_moment_lose_no_view(server: TestServer, source: Source) -> None:
    _, profile = find_ids(server, source)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: find_ids(server, source, profile={"id": profile}), range(30)))

    traits = find_traits(server, profile)
    assert (traits["stats.views"], traits["stats.visits"]) == (31, 31)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[TestServer]:
    with start_server(tmp_path / "data", collectors=2) as running:
        yield running


def test_sessions_outlive_a_crash_and_two_collectors_agree(fresh: TestServer, tmp_path: Path) -> None:
    source = add_source(fresh)
    _, profile = find_ids(fresh, source)
    session = {"id": make_session()}
    assert find_ids(fresh, source, session=session, profile={"id": profile})[1] == profile
    fresh.wait_until_settled()
    # Each connection may meet the other collector.
    assert {find_ids(fresh, source, session=session)[1] for _ in range(20)} == {profile}
    new = {"id": make_session()}
    assert len({find_ids(fresh, source, session=new)[1] for _ in range(20)}) == 1
    fresh.kill()

    with start_server(tmp_path / "data") as again:
        assert find_ids(again, source, session=session)[1] == profile
        again.wait_until_settled()
        types = [event["event_type"] for event in again.api("events", source=source["id"], limit=1000)["items"]]
        assert (types.count("session-opened"), types.count("visit-started")) == (3, 3)


def test_a_session_that_the_pipeline_has_not_seen_yet_outlives_a_restart_of_the_door(fresh: TestServer) -> None:
    source = add_source(fresh)
    _, profile = find_ids(fresh, source)
    fresh.wait_until_settled()
    pipeline = fresh.child_pid("pipeline")
    session = {"id": make_session()}
    os.kill(pipeline, signal.SIGSTOP)
    find_ids(fresh, source, session=session, profile={"id": profile})
    doors = [fresh.kill_child(name) for name in ("server-0", "server-1")]
    wait_until(lambda: not {fresh.child_pid("server-0"), fresh.child_pid("server-1")} & {0, *doors})
    wait_until(lambda: answers(fresh))
    same = find_ids(fresh, source, session=session)[1]
    os.kill(pipeline, signal.SIGCONT)

    assert same == profile
    fresh.wait_until_settled()
    types = [event["event_type"] for event in fresh.api("events", source=source["id"])["items"]]
    assert (types.count("session-opened"), types.count("visit-started")) == (2, 2)


def test_a_setting_changed_meanwhile_makes_no_other_events_of_what_was_taken(fresh: TestServer) -> None:
    source = add_source(fresh)
    find_ids(fresh, source)
    fresh.wait_until_settled()
    pipeline = fresh.child_pid("pipeline")
    os.kill(pipeline, signal.SIGSTOP)
    find_ids(fresh, source)
    fresh.run_cli("sources", "set", source["id"], "system_events=no", "bridge=webhook")
    os.kill(pipeline, signal.SIGCONT)

    books = fresh.wait_until_settled()
    assert books["balanced"]
    line = next(each for each in books["sources"] if each["source"] == source["id"])
    assert (line["stored"], line["dead_lettered"]) == (8, 0)


def answers(server: TestServer) -> bool:
    try:
        return server.request("GET", "/health/live").status == 200
    except OSError:
        return False


def test_nobodys_session_is_remembered_who_does_not_agree(server: TestServer, stored: Stored) -> None:
    source = add_source(server, "web", system_events="no")
    session = make_session()
    body = {"source": {"id": source["id"]}, "session": {"id": session}, "events": [{"type": "page-view"}]}
    headers = {**JSON, "cf-ipcountry": "DE", "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Firefox/133.0"}
    told = [server.request("POST", "/track", json.dumps(body), headers) for _ in range(2)]

    assert len({answer.json["profile"]["id"] for answer in told}) == 1
    assert {(event["session_id"], event["profile_id"]) for event in stored(source)} == {("", "")}
    assert not is_remembered(server, told[0].json["profile"]["id"])


def consent(server: TestServer, source: str, session: str, profile: str, consents: Any, query: str = "") -> Any:
    body = {"source": {"id": source}, "session": {"id": session}, "profile": {"id": profile}, "consents": consents}
    return server.post(f"/customer/consent{query}", body)


def test_consent_is_taken_of_a_known_session_and_its_profile(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source)
    told = consent(server, source["id"], session, profile, {"newsletter": True, "ads": False})
    everything = consent(server, source["id"], session, profile, {}, "?all=true")

    assert (told.status, told.json) == (200, {"saved": 1, "errors": [], "ids": [profile]})
    assert everything.status == 200
    server.wait_until_settled()
    stands = server.api("consents", kind="profile_id", value=profile)["effective"]
    states = {(each["channel"], each["purpose"]): each["state"] for each in stands}
    assert states["", "newsletter"] == "granted"
    assert {states[channel, ""] for channel in ("tracking", "email", "sms", "voice", "ads")} == {"granted"}


def test_consent_of_whom_nobody_knows_is_denied(server: TestServer, source: Source) -> None:
    session, profile = find_ids(server, source)
    denied = [
        consent(server, "nobody", session, profile, {"a": True}),
        consent(server, source["id"], make_session(), profile, {"a": True}),
        consent(server, source["id"], session, str(uuid4()), {"a": True}),
        consent(server, source["id"], session, "profile-id", {"a": True}),
    ]

    assert {(answer.status, json.dumps(answer.json)) for answer in denied} == {(403, '{"detail": "Access denied"}')}
