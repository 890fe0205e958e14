"""Batches, answers and new tries, against a real HTTP server that answers as each test says."""

import asyncio
import json
import logging
import threading
import time
from email.utils import formatdate
from typing import Any

import pytest
from tests.client.conftest import MakeClient
from tests.client.receiver import Call, Receiver, Said, accept, start_receiver

from trackway.client import Client, QueueFull, Rejected
from trackway.client.transport import Answer
from trackway.client.verdicts import judge, read_retry_after
from trackway.testing.waiting import wait_until


def check_books(client: Client) -> None:
    stats = client.stats
    ended = stats.accepted + stats.duplicate + stats.rejected + stats.dropped + stats.damaged + stats.waiting
    assert stats.tracked + stats.adopted == ended


def test_events_go_in_batches_over_one_connection(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client(flush_at=50, flush_every_s=60)
    sent = [client.track(f"t{n}") for n in range(500)]
    receiver.wait_for(500)
    assert [event["dedupe_key"] for event in receiver.taken] == sent
    assert len(receiver.calls) <= 10
    assert len(receiver.connections) == 1
    assert receiver.calls[0].path == "/v1/events"
    assert receiver.calls[0].headers["authorization"] == "Bearer tw_secret_of_the_receiver"
    assert receiver.calls[0].headers["content-encoding"] == "gzip"
    wait_until(lambda: client.stats.accepted == 500)
    check_books(client)


def test_a_few_events_go_after_a_moment(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client(flush_at=1000, flush_every_s=0.3)
    began = time.monotonic()
    client.track("one")
    client.track("two")
    receiver.wait_for(2)
    assert [call.names for call in receiver.calls] == [["one", "two"]]
    assert receiver.calls[0].at - began >= 0.29


def test_track_does_not_wait_for_a_server_that_hangs(make_client: MakeClient, receiver: Receiver) -> None:
    hanging = threading.Event()

    def hang(call: Call) -> Said:
        hanging.wait(20)
        return accept(call)

    receiver.answers = [hang]
    client = make_client(flush_at=1)
    client.track("first")
    wait_until(lambda: len(receiver.calls) == 1)
    began = time.monotonic()
    for _ in range(200):
        client.track("more")
    assert time.monotonic() - began < 5
    assert len(receiver.calls) == 1
    assert client.flush(0.1) is False
    hanging.set()
    assert client.flush()
    assert client.stats.accepted == 201


def test_a_call_that_takes_too_long_is_given_up_and_made_again(make_client: MakeClient, receiver: Receiver) -> None:
    def be_slow(call: Call) -> Said:
        time.sleep(1)
        return Said(500)

    receiver.answers = [be_slow]
    client = make_client(request_timeout_s=0.2)
    client.track("t")
    assert client.flush()
    assert "timed out" in client.stats.last_error or "Timeout" in client.stats.last_error
    assert client.stats.accepted == 1


def test_a_server_that_is_down_at_first_gets_everything_once_it_is_up(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    with start_receiver() as gone:
        port = int(gone.url.rsplit(":", 1)[1])
    client = make_client(gone.url, flush_at=1)
    sent = [client.track("t") for _ in range(20)]
    wait_until(lambda: client.stats.failed_calls >= 1)
    assert "Connection refused" in client.stats.last_error
    with start_receiver(port) as receiver:
        receiver.wait_for(20)
        assert [event["dedupe_key"] for event in receiver.taken] == sent
        wait_until(lambda: client.stats.waiting == 0)
    words = [record.getMessage() for record in caplog.records]
    assert any("Events wait, the next try is in" in line for line in words)
    assert any("takes events again" in line for line in words)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 507])
def test_a_passing_trouble_is_tried_again(make_client: MakeClient, receiver: Receiver, status: int) -> None:
    receiver.answers = [Said(status, "<html>try later</html>", {"Retry-After": "0"})] * 2
    client = make_client()
    client.track("t")
    assert client.flush()
    assert receiver.names == ["t"]
    assert client.stats.failed_calls == 2
    assert f"answered {status}" in client.stats.last_error


def test_retry_after_is_kept_even_when_somebody_flushes(make_client: MakeClient, receiver: Receiver) -> None:
    receiver.answers = [Said(429, "", {"Retry-After": "1"})]
    client = make_client(flush_at=1)
    client.track("t")
    wait_until(lambda: client.stats.failed_calls == 1)
    assert client.flush(0.2) is False
    assert client.flush()
    first, second = receiver.calls
    assert second.at - first.at >= 1.0


def test_a_flush_does_not_sit_out_the_backoff(make_client: MakeClient, receiver: Receiver) -> None:
    receiver.answers = [Said(401, "")]
    client = make_client(flush_at=1)
    client.track("t")
    wait_until(lambda: client.stats.failed_calls == 1)
    began = time.monotonic()
    assert client.flush()
    assert time.monotonic() - began < 10
    assert len(receiver.calls) == 2


def test_a_batch_that_is_too_large_is_halved_until_it_fits(make_client: MakeClient, receiver: Receiver) -> None:
    def take_ten(call: Call) -> Said:
        return accept(call) if len(call.events) <= 10 else Said(413, "too large", {"Connection": "close"})

    receiver.otherwise = take_ten
    client = make_client(flush_at=100, flush_every_s=60)
    sent = [client.track(f"t{n}", properties={"n": n}) for n in range(100)]
    assert client.flush()
    assert [event["dedupe_key"] for event in receiver.taken] == sent
    assert client.stats.accepted == 100
    assert client.stats.failed_calls == 0


@pytest.mark.parametrize("status", [400, 413, 422])
def test_one_event_that_spoils_its_batch_is_found_and_rejected_alone(
    make_client: MakeClient, receiver: Receiver, status: int
) -> None:
    def refuse_bad(call: Call) -> Said:
        if "bad" not in call.names:
            return accept(call)
        return Said(status, json.dumps({"error": {"reason": "spoilt", "field": "", "message": "this is bad"}}))

    receiver.otherwise = refuse_bad
    told: list[Rejected] = []
    client = make_client(flush_at=100, flush_every_s=60, on_rejected=told.append)
    for name in ["a", "b", "bad", "c", "d"]:
        client.track(name)
    assert client.flush()
    assert receiver.names == ["a", "b", "c", "d"]
    assert [(one.event["event_type"], one.reason, one.message) for one in told] == [
        ("bad", "spoilt", f"answered {status}: this is bad")
    ]
    assert (client.stats.accepted, client.stats.rejected) == (4, 1)
    check_books(client)


WRONG = {
    "a wrong key": (
        Said(401, '{"error": {"reason": "unknown_key", "message": "no source has this key"}}'),
        "no source",
    ),
    "a source that is off": (Said(403, "off"), "answered 403: off"),
    "a wrong path": (Said(404, "<html>nothing here</html>"), "answered 404"),
    "an HTTPS port": (Said(400, "<html>plain HTTP request was sent to HTTPS port</html>"), "answered 400: <html>plain"),
    "another site": (Said(200, "<html>welcome</html>"), "not as Trackway does; is the url right?"),
    "verdicts of something else": (Said(200, '{"results": []}'), "not as Trackway does"),
    "a redirect": (Said(308, "", {"Location": "https://right.example.com/"}), "give that address as url"),
}


@pytest.mark.parametrize(("said", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_key_or_address_costs_no_event(
    make_client: MakeClient, receiver: Receiver, caplog: pytest.LogCaptureFixture, said: Said, words: str
) -> None:
    receiver.answers = [said]
    told: list[Rejected] = []
    client = make_client(flush_at=1, on_rejected=told.append)
    client.track("t")
    wait_until(lambda: client.stats.failed_calls == 1)
    assert words in client.stats.last_error
    assert any(record.levelno == logging.ERROR and words in record.getMessage() for record in caplog.records)
    time.sleep(0.2)
    assert len(receiver.calls) == 1, "it is tried again in five minutes, or when somebody flushes"
    assert client.flush()
    assert receiver.names[-1] == "t"
    assert (client.stats.accepted, told) == (1, [])


def test_verdicts_are_read_one_by_one(make_client: MakeClient, receiver: Receiver) -> None:
    def judge_each(call: Call) -> Said:
        rejected = {"status": "rejected", "reason": "too_deep", "field": "events[1].properties", "message": "too deep"}
        return Said(207, json.dumps({"results": [{"status": "accepted"}, rejected, {"status": "duplicate"}]}))

    def fail(one: Rejected) -> None:
        told.append(one)
        raise RuntimeError("a bug of the program")

    receiver.answers = [judge_each]
    told: list[Rejected] = []
    client = make_client(flush_at=100, flush_every_s=60, on_rejected=fail)
    for name in ["a", "b", "c"]:
        client.track(name)
    assert client.flush()
    client.track("d")
    assert client.flush()
    assert client.stats._replace(last_error="")[2:6] == (2, 1, 1, 0)
    assert [(one.event["event_type"], one.reason, one.field) for one in told] == [
        ("b", "too_deep", "events[1].properties")
    ]
    check_books(client)


def test_many_threads_lose_and_double_nothing(make_client: MakeClient, receiver: Receiver) -> None:
    receiver.answers = [Said(503, "", {"Retry-After": "0"}), accept, Said(500, "", {"Retry-After": "0"})]
    client = make_client(flush_at=20)
    keys: list[str] = []

    def work(name: int) -> None:
        keys.extend([client.track(f"t{name}") for _ in range(250)])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush()
    assert sorted(event["dedupe_key"] for event in receiver.taken) == sorted(keys)
    check_books(client)


def test_it_serves_an_event_loop(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client()

    async def serve() -> bool:
        async def answer(number: int) -> None:
            client.track("request", properties={"number": number})

        await asyncio.gather(*(answer(number) for number in range(100)))
        return await asyncio.to_thread(client.flush)

    assert asyncio.run(serve())
    assert len(receiver.taken) == 100


def test_without_a_thread_of_its_own_it_sends_when_it_is_flushed(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client(background=False, flush_at=1)
    receiver.answers = [Said(503, "", {"Retry-After": "0"})]
    threads = threading.active_count()
    client.track("a")
    client.track("b")
    assert threading.active_count() == threads
    assert receiver.calls == []
    assert client.flush()
    assert receiver.names == ["a", "b"]
    client.track("c")
    assert client.close()
    assert receiver.names == ["a", "b", "c"]


def test_no_thread_is_started_before_the_first_event(make_client: MakeClient) -> None:
    threads = threading.active_count()
    client = make_client()
    assert threading.active_count() == threads
    client.track("t")
    assert threading.active_count() > threads


def test_leaving_the_with_block_sends_what_waits(receiver: Receiver) -> None:
    with Client(receiver.url, "k", flush_at=1000, flush_every_s=60) as client:
        for _ in range(2000):
            client.track("t")
    assert len(receiver.taken) == 2000
    with pytest.raises(ValueError, match="this client is closed"):
        client.track("t")
    assert client.close()
    assert client.flush()


def test_what_is_left_when_it_closes_without_a_spool_is_counted_and_said(
    make_client: MakeClient, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.otherwise = lambda _: Said(503)
    client = make_client()
    for _ in range(3):
        client.track("t")
    assert client.close(0.3) is False
    assert (client.stats.dropped, client.stats.waiting) == (3, 0)
    assert any("3 events could not be sent in time and are lost" in record.getMessage() for record in caplog.records)
    check_books(client)


def test_closing_does_not_wait_for_what_the_server_put_off_until_later(
    make_client: MakeClient, receiver: Receiver
) -> None:
    receiver.answers = [Said(429, "", {"Retry-After": "600"})]
    client = make_client()
    client.track("t")
    began = time.monotonic()
    assert client.close(20) is False
    assert time.monotonic() - began < 10


def fill(client: Client, count: int) -> None:
    for number in range(count):
        client.track("t", properties={"number": number, "filling": "x" * 900})


@pytest.mark.parametrize("spooled", [False, True])
def test_a_full_queue_drops_the_oldest_and_counts_them(
    make_client: MakeClient, receiver: Receiver, tmp_path: Any, caplog: pytest.LogCaptureFixture, spooled: bool
) -> None:
    receiver.answers = [Said(429, "", {"Retry-After": "60"})]
    client = make_client(queue_bytes=128 << 10, spool=tmp_path / "spool" if spooled else None, flush_at=1)
    fill(client, 1)
    wait_until(lambda: client.stats.failed_calls == 1)
    fill(client, 400)
    stats = client.stats
    assert 250 < stats.dropped < 320
    assert stats.dropped + stats.waiting == 401
    if spooled:
        assert sum(path.stat().st_size for path in tmp_path.rglob("*.events")) <= 128 << 10
    assert [r.getMessage() for r in caplog.records if "the oldest events are dropped" in r.getMessage()] != []
    check_books(client)


def test_a_full_queue_raises_if_the_program_wants_that(make_client: MakeClient, receiver: Receiver) -> None:
    receiver.answers = [Said(503, "", {"Retry-After": "0"})]
    client = make_client(queue_bytes=64 << 10, when_full="raise", background=False)
    with pytest.raises(QueueFull, match="events wait to be sent"):
        fill(client, 100)
    taken = client.stats.tracked
    assert taken < 70
    assert client.flush()
    fill(client, 20)
    assert client.flush()
    assert client.stats[2] == taken + 20
    assert client.stats.dropped == 0


def test_a_full_queue_lets_the_program_wait_if_it_wants_that(make_client: MakeClient, receiver: Receiver) -> None:
    client = make_client(queue_bytes=64 << 10, when_full="wait", flush_at=10, flush_every_s=0.05)
    fill(client, 1000)
    assert client.flush()
    assert len(receiver.taken) == 1000
    assert client.stats.dropped == 0


def test_an_event_larger_than_the_queue_is_a_mistake(make_client: MakeClient) -> None:
    with pytest.raises(ValueError, match="more than half of queue_bytes"):
        make_client(queue_bytes=64 << 10).track("t", properties={"a": "x" * 40_000})


def test_a_connection_that_the_server_closed_while_idle_is_no_failure(
    make_client: MakeClient, receiver: Receiver
) -> None:
    client = make_client()
    client.track("a")
    assert client.flush()
    connection = client._transport._connection
    assert connection is not None
    assert connection.sock is not None
    connection.sock.shutdown(2)
    client.track("b")
    assert client.flush()
    assert receiver.names == ["a", "b"]
    assert client.stats.failed_calls == 0


def test_retry_after_is_a_number_or_a_date_and_at_most_an_hour() -> None:
    now = 1_767_322_800.0
    assert read_retry_after("", now) is None
    assert read_retry_after("soon", now) is None
    assert read_retry_after("7", now) == 7
    assert read_retry_after("86400", now) == 3600
    assert read_retry_after(formatdate(now + 30, usegmt=True), now) == 30
    assert read_retry_after(formatdate(now - 30, usegmt=True), now) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 100_000, b'{"results": [1]}', b'{"error": 7}', b"\xff"])
@pytest.mark.parametrize("status", [200, 204, 400, 429, 500, 999])
def test_an_answer_that_makes_no_sense_never_counts_as_taken(status: int, body: bytes) -> None:
    assert judge(Answer(status, "", "", body), 1).kind != "settled"
