"""Clients that are slow, break off, or speak HTTP oddly: told so in JSON, held no longer than the limit, and the books know."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from trackway.testing.server import TestServer, start_server

EVENT = json.dumps({"event_type": "view"}).encode()
SECONDS = 2


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with start_server(tmp_path_factory.mktemp("slow") / "data", request_seconds=SECONDS) as server:
        yield server


@pytest.fixture(scope="module")
def key(strict: TestServer) -> str:
    return str(strict.add_source("slow", channel="web")["credentials"]["write_key"])


def connect(server: TestServer) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def write_request(key: str, *lines: str, length: int = len(EVENT)) -> bytes:
    head = ["POST /v1/events HTTP/1.1", "Host: a", f"Authorization: Bearer {key}", *lines, f"Content-Length: {length}"]
    return "\r\n".join([*head, "", ""]).encode()


def read_answer(connection: socket.socket) -> tuple[str, Any]:
    """The status line and the JSON of the next answer; "" where the connection ends without one."""
    stream = connection.makefile("rb")
    status = stream.readline().decode().strip()
    length = 0
    while (line := stream.readline().strip()) and status:
        name, _, value = line.lower().partition(b":")
        length = int(value) if name == b"content-length" else length
    return status, json.loads(stream.read(length)) if length else None


@pytest.mark.parametrize("sent", ["half a head", "half a body", "byte by byte"])
def test_a_request_that_does_not_arrive_ends_after_the_limit(strict: TestServer, key: str, sent: str) -> None:
    whole = write_request(key, length=100_000)
    began = time.monotonic()
    with connect(strict) as slow:
        slow.sendall(whole[:40] if sent == "half a head" else whole)
        if sent == "byte by byte":
            while time.monotonic() < began + SECONDS / 2:
                slow.sendall(b" ")
                time.sleep(0.1)
        status, told = read_answer(slow)
        assert status == "HTTP/1.1 408 Request Timeout"
        assert told["error"]["reason"] == "request_seconds"
        assert time.monotonic() - began >= SECONDS - 0.1
        assert slow.recv(1) == b""


def test_a_connection_on_which_nothing_comes_ends_in_silence(strict: TestServer) -> None:
    with connect(strict) as idle:
        assert idle.recv(1) == b""


def test_a_connection_may_rest_between_two_requests(strict: TestServer, key: str) -> None:
    with connect(strict) as kept:
        for _ in range(2):
            kept.sendall(write_request(key) + EVENT)
            assert read_answer(kept)[0] == "HTTP/1.1 200 OK"
            time.sleep(SECONDS + 1.5)
        kept.sendall(write_request(key)[:30])
        assert read_answer(kept)[0] == "HTTP/1.1 408 Request Timeout"


@pytest.mark.parametrize(
    "lines",
    [
        [
            "Connection: Upgrade, HTTP2-Settings",
            "Upgrade: h2c",
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        ],
        ["connection: upgrade", "UPGRADE: websocket", "sec-websocket-version: 13"],
        ["Expect: 100-continue"],
        ["User-Agent: \xff\xfe", "Referer: https://x.example/\xc3("],
    ],
    ids=["HTTP/2", "websocket", "continue", "latin-1"],
)
def test_an_event_is_taken_whatever_else_its_sender_offers(strict: TestServer, key: str, lines: list[str]) -> None:
    before = count_stored(strict)
    with connect(strict) as odd:
        odd.sendall(write_request(key).replace(b"Host: a\r\n", "\r\n".join(["Host: a", *lines, ""]).encode("latin-1")))
        if "Expect: 100-continue" in lines:
            assert read_answer(odd)[0] == "HTTP/1.1 100 Continue"
        odd.sendall(EVENT)
        status, told = read_answer(odd)
        assert (status, told["accepted"]) == ("HTTP/1.1 200 OK", 1)
    assert count_stored(strict) == before + 1


def count_stored(server: TestServer) -> int:
    [line] = [each for each in server.wait_until_settled()["sources"] if each["source"] == "slow"]
    assert line["balanced"]
    return int(line["stored"])


@pytest.mark.parametrize("said", ["Basic \xff\xff==", "Basic !", "Basic /w==", "Basic", "Bearer", "\xff"])
def test_an_authorization_that_says_nothing_is_a_missing_key(strict: TestServer, said: str) -> None:
    answer = strict.request("POST", "/v1/events", EVENT, {"authorization": said})
    assert (answer.status, answer.json["error"]["reason"]) == (401, "missing_key")


def test_nothing_of_this_was_a_fault_of_the_servers(strict: TestServer) -> None:
    assert "Traceback" not in strict.log.read_text()
