"""What is true of every dialect of the registry, put to the protocols themselves: no server, no network.

Over HTTP the same is said by test_ugly_requests.py and test_fuzz.py.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.collect.dialects import RECIPES, Sent

from trackway.app.pipeline_process import make_adapters
from trackway.clock import now_ms
from trackway.collect.limits import read_limits
from trackway.collect.paths import match_path
from trackway.collect.pixel import GIF
from trackway.collect.protocol import Answering, Parsed, Protocol, Reply, Request
from trackway.collect.protocols import PROTOCOLS
from trackway.collect.verdicts import KeyMemory
from trackway.event import Event, Source, Submission
from trackway.ids import make_submission_id
from trackway.outcome import Outcome, Reason, Refused, Rejection
from trackway.records import decode_record, encode_record
from trackway.settings import Settings
from trackway.store.keys import KeyIndex

SETTINGS = Settings()
LIMITS = read_limits(SETTINGS)
ADAPTERS = make_adapters(SETTINGS)
# Of two parts, as Orbee has it in its path.
KEY = "1/7"
ROUTES = [(protocol, route) for protocol in PROTOCOLS for route in protocol.routes]
AN_HOUR_AGO = now_ms() - 3_600_000

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["2026-01-01T00:00:00Z", "10,50", "1e999", "https://[", "-", "\x00", "%", "{}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)


def name_dialect(protocol: Protocol) -> str:
    return protocol.name


def name_route(value: Any) -> str:
    return value.name if isinstance(value, Protocol) else f"{'|'.join(value.methods)} {value.path}"


every_dialect = pytest.mark.parametrize("protocol", PROTOCOLS, ids=name_dialect)
every_route = pytest.mark.parametrize(("protocol", "route"), ROUTES, ids=name_route)


def source_of(protocol: Protocol) -> Source:
    recipe = RECIPES[protocol.name]
    return Source(
        id="s", workspace="main", name="S", protocol=protocol.name, channel=recipe.channel, settings=recipe.settings
    )  # type: ignore[arg-type]


def submit(
    protocol: Protocol, path: str, body: bytes, *, query: str = "", method: str = "POST", trusted: bool = True
) -> Submission:
    return Submission(
        submission_id=make_submission_id(AN_HOUR_AGO),
        received_at=AN_HOUR_AGO,
        workspace="main",
        source="s",
        protocol=protocol.name,
        trusted=trusted,
        method=method,
        path=path,
        query=query,
        headers={"user-agent": "Mozilla/5.0", "content-type": "application/json"},
        address="192.0.2.1",
        body=body,
        events=1,
    )


def submit_sent(protocol: Protocol, sent: Sent) -> Submission:
    return submit(protocol, sent.path, sent.body)


def parse_or_refuse(protocol: Protocol, submission: Submission) -> Parsed | Rejection:
    """Anything else that is raised is the protocol's fault and fails the test."""
    try:
        return protocol.parse(submission, submission.body, source_of(protocol), LIMITS)
    except Refused as refused:
        return refused.rejection


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyMemory]:
    reader = KeyIndex.open_reader(tmp_path_factory.mktemp("keys"))
    yield KeyMemory(reader, 86_400_000, now_ms)
    reader.close()


def check_reply(protocol: Protocol, reply: Reply) -> None:
    """Valid HTTP, and what every client of the dialect can read: JSON, the pixel's image, or nothing with a 204."""
    assert 200 <= reply.status < 600
    for name, value in reply.headers:
        assert name == name.lower()
        assert not set(b"\r\n\x00") & set(name + value)
    if reply.status == 204:
        assert reply.body == b""
    elif 300 <= reply.status < 400:
        assert dict(reply.headers)[b"location"]
    elif reply.content_type == b"image/gif":
        assert reply.body == GIF
        assert dict(reply.headers)[b"x-event-status"]
    else:
        assert reply.content_type.startswith(b"application/json")
        json.loads(reply.body)


def answer(protocol: Protocol, submission: Submission, parsed: Parsed | Rejection, memory: KeyMemory) -> Reply:
    if isinstance(parsed, Rejection):
        return protocol.refuse(parsed, source_of(protocol), None)
    return protocol.reply(Answering(submission, source_of(protocol), parsed, memory.judge(parsed)))


def good_requests(protocol: Protocol, key: str = KEY) -> list[Sent]:
    recipe = RECIPES[protocol.name]
    sent = [recipe.wrap(key, [event]) for event in recipe.events]
    return sent if recipe.single else [*sent, recipe.wrap(key, recipe.events)]


def test_every_dialect_has_a_recipe() -> None:
    assert {protocol.name for protocol in PROTOCOLS} <= set(RECIPES)


@every_dialect
def test_what_a_client_sends_is_understood(protocol: Protocol) -> None:
    for sent in good_requests(protocol):
        parsed = parse_or_refuse(protocol, submit_sent(protocol, sent))
        assert isinstance(parsed, Parsed), parsed
        assert parsed.items
        assert parsed.events == list(parsed.items)
        for event in parsed.events:
            assert event.event_type
            assert (event.protocol, event.source, event.workspace) == (protocol.name, "s", "main")


@st.composite
def mutated(draw: st.DrawFn, whole: Any, names: Sequence[str]) -> Any:
    """A valid body with something else in one to three places, wherever they are."""
    content = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 3))):
        places = [content] if isinstance(content, dict | list) else []
        for place in places:
            places += [v for v in (place.values() if isinstance(place, dict) else place) if isinstance(v, dict | list)]
        if not places:
            return content
        place = draw(st.sampled_from(places))
        if isinstance(place, dict):
            key = draw(st.sampled_from([*place, *names]) | st.text(max_size=8))
            if draw(st.booleans()) or key not in place:
                place[key] = draw(JSON_VALUES)
            else:
                del place[key]
        elif place:
            place[draw(st.integers(0, len(place) - 1))] = draw(JSON_VALUES)
    return content


def bodies(protocol: Protocol, key: str = KEY) -> st.SearchStrategy[bytes]:
    recipe = RECIPES[protocol.name]
    likely = st.dictionaries(st.sampled_from(recipe.names), JSON_VALUES, max_size=8)
    wholes = st.sampled_from([sent.content for sent in good_requests(protocol, key)])
    return st.one_of(
        st.binary(max_size=300),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        likely.map(lambda value: json.dumps(value).encode()),
        st.lists(likely, max_size=3).map(lambda value: json.dumps({"events": value}).encode()),
        wholes.flatmap(lambda whole: mutated(whole, recipe.names)).map(lambda value: json.dumps(value).encode()),
    )


SEGMENTS = st.text(min_size=1, max_size=12).map(lambda text: text.encode(errors="replace").hex()).map(
    lambda digits: "".join(f"%{digits[n : n + 2]}" for n in range(0, len(digits), 2))
) | st.sampled_from(["a", "1", "%ff", "%00", "..", "%2F", "event", "%e2%82", "a" * 300])  # fmt: skip
QUERIES = st.text(max_size=40) | st.sampled_from(
    ["", "a=1&a=2&b", "profile_less=true", "validate=1", "k=%ff", "&&==", "=".join("abc"), "x=" + "y" * 3000]
)


@every_route
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_nothing_that_arrives_makes_a_dialect_raise(protocol: Protocol, route: Any, data: st.DataObject) -> None:
    path = "/".join(data.draw(SEGMENTS) if part.startswith("{") else part for part in route.path.split("/"))
    query = data.draw(QUERIES)
    body = data.draw(bodies(protocol))
    method = data.draw(st.sampled_from(route.methods))
    params = match_path(route, path)
    assert params is not None
    headers = {"authorization": data.draw(st.sampled_from(["", "Bearer", "Bearer x", "Basic !", "Basic eA==", "\xff"]))}
    request = Request(method=method, path=path, query=query, headers=headers, body=body, params=params)
    assert isinstance(protocol.find_key(request), str)

    submission = submit(protocol, path, body, query=query, method=method, trusted=data.draw(st.booleans()))
    parsed = parse_or_refuse(protocol, submission)
    if isinstance(parsed, Rejection):
        assert parsed.message
        check_reply(protocol, protocol.refuse(parsed, source_of(protocol), request))
        return
    for item in parsed.items:
        if isinstance(item, Event):
            # What the store is given must be what it can keep.
            assert item.event_type
            assert len(item.event_type) <= 200
            msgspec.json.encode(item)
            assert "\x00" not in msgspec.json.encode(item).decode()
            assert b"\\u0000" not in msgspec.json.encode(item)
        else:
            assert item.message
            assert item.index is not None


@every_dialect
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_was_understood_is_answered(protocol: Protocol, memory: KeyMemory, data: st.DataObject) -> None:
    submission = submit(protocol, RECIPES[protocol.name].wrap(KEY, [{}]).path, data.draw(bodies(protocol)))
    check_reply(protocol, answer(protocol, submission, parse_or_refuse(protocol, submission), memory))


@every_dialect
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_submission_comes_out_of_the_log_as_it_went_in(protocol: Protocol, data: st.DataObject) -> None:
    submission = submit(protocol, RECIPES[protocol.name].wrap(KEY, [{}]).path, data.draw(bodies(protocol)))
    parsed = parse_or_refuse(protocol, submission)
    replayed = decode_record(encode_record(submission))
    assert replayed == submission
    assert isinstance(replayed, Submission)
    assert parse_or_refuse(protocol, replayed) == parsed
    if isinstance(parsed, Parsed):
        assert list(ADAPTERS[protocol.name](replayed, source_of(protocol))) == parsed.events


@every_dialect
def test_the_same_submission_gives_the_same_events_and_another_gives_other_ids(protocol: Protocol) -> None:
    for sent in good_requests(protocol):
        first = submit_sent(protocol, sent)
        again = submit_sent(protocol, sent)
        assert parse_or_refuse(protocol, first) == parse_or_refuse(protocol, first)
        one, two = parse_or_refuse(protocol, first), parse_or_refuse(protocol, again)
        assert isinstance(one, Parsed)
        assert isinstance(two, Parsed)
        assert not {event.event_id for event in one.events} & {event.event_id for event in two.events}
        assert len({event.event_id for event in one.events}) == len(one.events)
        # But for their ids they say the same.
        assert [msgspec.structs.replace(event, event_id="") for event in one.events] == [
            msgspec.structs.replace(event, event_id="") for event in two.events
        ]


@every_dialect
def test_every_reason_is_worded_in_the_dialects_shape(protocol: Protocol) -> None:
    sent = RECIPES[protocol.name].wrap(KEY, [RECIPES[protocol.name].events[0]])
    request = Request(method="POST", path=sent.path, query="", headers=sent.headers, body=sent.body)
    source = source_of(protocol)
    for reason in Reason:
        rejection = Rejection(reason=reason, message='a "reason" in words – \u20ac\r\n', field="events[0].x", index=0)
        if not rejection.status:
            continue
        for whose, what in ((None, None), (None, request), (source, None), (source, request)):
            reply = protocol.refuse(rejection, whose, what)
            check_reply(protocol, reply)
            if reply.status != 204:
                assert reply.status >= 400, reason


@every_dialect
def test_an_event_that_is_refused_does_not_count_as_one(protocol: Protocol, memory: KeyMemory) -> None:
    recipe = RECIPES[protocol.name]
    submission = submit_sent(protocol, recipe.wrap(KEY, [recipe.wrong]))
    parsed = parse_or_refuse(protocol, submission)
    if isinstance(parsed, Parsed):
        assert [v.outcome for v in memory.judge(parsed)] == [Outcome.REJECTED]
    check_reply(protocol, answer(protocol, submission, parsed, memory))
