"""Every route over real HTTP: what it answers, and how it refuses."""

import re
import socket
from urllib.parse import quote

import pytest

from trackway.api import routes
from trackway.api.events import EVENT_ROUTES
from trackway.api.replies import ApiError
from trackway.api.routes import API_ROUTES, PREFIX
from trackway.clock import now_ms
from trackway.ids import make_event_id
from trackway.outcome import Outcome, Reason
from trackway.store.client import EventStore
from trackway.testing.installation import next_moment


def fill(path: str) -> str:
    """A path with an id that nothing has."""
    return re.sub(r"\{\w+(:path)?\}", "019aa3b2-4c5d-7e6f-8a9b-0c1d2e3f0000", path)


METHODS: dict[str, set[str]] = {}
for _route in API_ROUTES:
    METHODS.setdefault(fill(_route.path), set()).add(_route.method)
READ = [path for path, methods in METHODS.items() if "GET" in methods]
# Routes that ask the event store whatever the ledger says.
PATHS = [fill(route.path) for route in EVENT_ROUTES]
# The live feed does not end by itself; test_live.py has it.
ANSWERING = [path for path in PATHS if not path.endswith("/live")]


def test_events_are_listed_filtered_and_paged(api) -> None:  # type: ignore[no-untyped-def]
    now = now_ms()
    source = api.installation.add_source("shop")
    stored = api.installation.store_events(source, [now - n for n in range(5)], event_type="page_view")
    api.installation.store_events(source, [now - 9], event_type="purchase")
    first = api.get("/api/v1/events?limit=2&event_type=page_view&source=shop")
    assert first.status == 200
    assert first.headers["content-type"] == "application/json"
    assert first.headers["cache-control"] == "no-store"
    assert [event["event_id"] for event in first.json["items"]] == [event.event_id for event in stored[:2]]
    second = api.get(f"/api/v1/events?event_type=page_view&cursor={quote(first.json['next'])}")
    assert [event["event_id"] for event in second.json["items"]] == [event.event_id for event in stored[2:]]
    assert second.json["next"] is None
    assert [e["event_type"] for e in api.get("/api/v1/events").json["items"]] == ["page_view"] * 5 + ["purchase"]


def test_sessions_are_listed_and_paged(api) -> None:  # type: ignore[no-untyped-def]
    now = now_ms()
    source = api.installation.add_source("shop")
    for name, ago in (("s1", 5_000), ("s2", 3_000)):
        api.installation.store_events(source, [now - ago, now - ago + 1000], session_id=name, visitor_key="a:1")
    first = api.get("/api/v1/sessions?limit=1&hours=1")
    assert first.status == 200
    assert [(s["session_id"], s["events"], s["duration_ms"]) for s in first.json["items"]] == [("s2", 2, 1000)]
    second = api.get(f"/api/v1/sessions?cursor={quote(first.json['next'])}").json
    assert [(s["session_id"], s["rebuilt"]) for s in second["items"]] == [("s1", False)]
    assert second["next"] is None


def test_properties_come_back_as_the_bytes_that_were_accepted(api) -> None:  # type: ignore[no-untyped-def]
    api.installation.store_events(
        api.installation.add_source("shop"), [now_ms()], properties={"z": 1, "a": 1.0, "n": None, "deep": [{"b": {}}]}
    )
    assert b'"properties":{"z":1,"a":1.0,"n":null,"deep":[{"b":{}}]}' in api.get("/api/v1/events").body


def test_an_event_is_explained_whatever_became_of_it(api) -> None:  # type: ignore[no-untyped-def]
    i = api.installation
    submission = i.make_submission(i.add_source("shop"), now_ms(), 3)
    (place,) = i.append([submission])
    i.store.insert_events([i.make_row(submission, place, 0, browser="Firefox")], next_moment())
    outcome = i.make_outcome(submission, place, Outcome.DUPLICATE, Reason.TRANSPORT_KEY, 1, first_event_id="first")
    i.store.insert_outcomes([outcome], next_moment())
    ids = [make_event_id(submission.submission_id, n) for n in range(4)]
    stored, duplicate, in_flight, unknown = (api.get(f"/api/v1/events/{event_id}") for event_id in ids)
    assert stored.json["outcome"] == "stored"
    assert stored.json["event"]["browser"] == "Firefox"
    assert stored.json["stages"] == [
        {"name": "read_device", "says": "Reads the browser", "filled": {"browser": "Firefox"}}
    ]
    assert (duplicate.json["outcome"], duplicate.json["first_event_id"]) == ("duplicate", "first")
    assert (in_flight.json["outcome"], in_flight.json["event"]) == ("in_flight", None)
    assert (unknown.status, unknown.error["reason"], unknown.error["field"]) == (404, "unknown_event", "event_id")


def test_sources_kpis_minutes_and_books_answer(api) -> None:  # type: ignore[no-untyped-def]
    i = api.installation
    now = now_ms()
    submission = i.make_submission(i.add_source("shop"), now)
    (place,) = i.append([submission])
    i.store.insert_events([i.make_row(submission, place, visitor_key="a")], next_moment())
    i.settle([submission], i.find_end())
    source = api.get("/api/v1/sources").json["items"][0]
    assert (source["id"], source["health"], source["events_24h"]) == ("shop", "healthy", 1)
    kpis = api.get("/api/v1/kpis?hours=1").json
    assert (kpis["items"], kpis["visitors"]) == ([{"event_type": "page_view", "count": 1}], 1)
    minutes = api.get("/api/v1/timeseries?minutes=2&event_type=page_view").json["items"]
    assert (len(minutes), sum(minute["events"] for minute in minutes)) == (2, 1)
    books = api.get("/api/v1/books?minutes=2").json
    assert (books["balanced"], books["sources"][0]["stored"], len(books["minutes"])) == (True, 1, 1)
    assert api.get("/api/v1/books").json["minutes"] == []


def test_a_head_request_gets_the_head_of_the_answer(api) -> None:  # type: ignore[no-untyped-def]
    for path in READ:
        answer = api.get(path, method="HEAD")
        assert answer.status in (200, 400, 404, 422), path
        assert answer.body == b""


WRONG = [
    ("events?limit=0", "out_of_range", "limit", "1 to 1000"),
    ("events?limit=1001", "out_of_range", "limit", "1 to 1000"),
    ("events?limit=-5", "out_of_range", "limit", "1 to 1000"),
    ("events?limit=", "wrong_type", "limit", "whole number"),
    ("events?limit=ten", "wrong_type", "limit", "whole number"),
    ("events?limit=1.5", "wrong_type", "limit", "whole number"),
    ("events?limit=%D9%A1", "wrong_type", "limit", "whole number"),
    ("events?limit=" + "9" * 5000, "wrong_type", "limit", "whole number"),
    ("events?limit=1&limit=2", "repeated_parameter", "limit", "more than once"),
    ("events?cursor=made-up", "out_of_range", "cursor", "leave it out"),
    ("events?cursor=%00", "out_of_range", "cursor", "leave it out"),
    ("events?event_type=" + "x" * 501, "out_of_range", "event_type", "at most 500"),
    ("events?source=a%00b", "out_of_range", "source", "NUL"),
    ("events?workspace=other", "out_of_range", "workspace", "`test`"),
    ("events?space=test", "unknown_parameter", "space", "limit, event_type, source"),
    ("events?Limit=1", "unknown_parameter", "Limit", "known"),
    ("events?%FF=1", "unknown_parameter", "\ufffd", "known"),
    ("events/not-an-id", "out_of_range", "event_id", "no event id"),
    ("events/%00", "out_of_range", "event_id", "no event id"),
    ("sources?limit=1", "unknown_parameter", "limit", "known: workspace"),
    ("kpis?hours=0", "out_of_range", "hours", "1 to 8784"),
    ("timeseries?minutes=1441", "out_of_range", "minutes", "1 to 1440"),
    ("books?minutes=-1", "out_of_range", "minutes", "0 to 1440"),
    ("live?cursor=made-up", "out_of_range", "cursor", "leave it out"),
]


@pytest.mark.parametrize(("path", "reason", "field", "says"), WRONG, ids=[path[:40] for path, *_ in WRONG])
def test_a_wrong_question_is_refused_with_what_to_do(api, path: str, reason: str, field: str, says: str) -> None:  # type: ignore[no-untyped-def]
    answer = api.get(f"{PREFIX}/{path}")
    assert answer.status == 400
    assert (answer.error["reason"], answer.error["field"]) == (reason, field)
    assert says in answer.error["message"]


@pytest.mark.parametrize("path", METHODS)
def test_a_method_that_a_route_does_not_have_is_named(api, path: str) -> None:  # type: ignore[no-untyped-def]
    offered = METHODS[path] | ({"HEAD"} if "GET" in METHODS[path] else set())
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - offered:
        answer = api.get(path, method=method)
        assert (answer.status, answer.error["reason"]) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) == offered


@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/events/a/b", "/api/v1/Events"])
def test_a_path_that_is_not_there_gets_json_that_names_those_that_are(api, path: str) -> None:  # type: ignore[no-untyped-def]
    answer = api.get(path)
    assert (answer.status, answer.error["reason"]) == (404, "unknown_route")
    assert "/api/v1/books" in answer.error["message"]


@pytest.mark.parametrize("path", PATHS)
def test_without_a_store_the_answer_is_503_and_when_to_ask_again(make_api, path: str) -> None:  # type: ignore[no-untyped-def]
    api = make_api(EventStore("http://default:secret@127.0.0.1:9/trackway"))
    answer = api.get(path)
    assert (answer.status, answer.error["reason"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"] == "2"


def test_a_store_that_never_answers_is_given_up(make_api, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(routes, "ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api = make_api(EventStore(f"http://default:secret@127.0.0.1:{silent.getsockname()[1]}/trackway"))
        answer = api.get("/api/v1/events")
        assert (answer.status, answer.error["reason"]) == (503, "store_unavailable")


def test_a_store_without_our_tables_refuses_and_that_is_no_500(engine_url: str, make_api) -> None:  # type: ignore[no-untyped-def]
    api = make_api(EventStore(engine_url.replace("/trackway", "/default")))
    for path in ANSWERING:
        answer = api.get(path)
        assert (answer.status, answer.error["reason"]) == (503, "store_refused")


def test_a_log_that_cannot_be_read_is_named(api) -> None:  # type: ignore[no-untyped-def]
    api.installation.append([api.installation.make_submission("shop", now_ms())])
    (segment,) = (api.installation.log_folder / "0").glob("*.seg")
    segment.unlink()
    segment.mkdir()
    for path in ("/api/v1/books", "/api/v1/events/019aa3b2-4c5d-7e6f-8a9b-0c1d2e3f0000"):
        answer = api.get(path)
        assert (answer.status, answer.error["reason"]) == (503, "log_unavailable")


def test_every_reason_has_a_name_of_its_own() -> None:
    assert len({error.value.reason for error in ApiError}) == len(ApiError)
