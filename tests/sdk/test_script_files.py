"""The script's files as a page gets them: packed, pinned, under the operator's own names."""

import base64
import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest

from trackway.app.aliases import Aliases
from trackway.collect.script_files import choose_encoding, read_manifest
from trackway.settings import SettingError, Settings
from trackway.testing.server import TestServer, start_server

BUILT = read_manifest()


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    data = tmp_path_factory.mktemp("renamed") / "data"
    with start_server(data, script_path="/a/s.js", collect_path="/a/e", pipeline_linger_ms=20) as running:
        yield running


@pytest.mark.parametrize("name", sorted(BUILT))
def test_a_pinned_file_never_changes_and_has_the_hash_that_is_published(server: TestServer, name: str) -> None:
    built = BUILT[name]
    pinned, stable = server.request("GET", f"/js/{built.file}"), server.request("GET", f"/js/{name}")
    assert (pinned.status, pinned.body) == (200, stable.body)
    digest = base64.b64encode(hashlib.sha384(pinned.body).digest()).decode()
    assert built.integrity == f"sha384-{digest}"
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert stable.headers["cache-control"] == "public, max-age=3600"
    for answer in (pinned, stable):
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_comes_packed_for_whoever_takes_that(server: TestServer) -> None:
    plain = server.request("GET", "/js/trackway.js")
    assert "content-encoding" not in plain.headers
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress}
    for encoding in ("br", "gzip"):
        packed = server.request("GET", "/js/trackway.js", headers={"accept-encoding": encoding})
        assert (packed.status, packed.headers["content-encoding"]) == (200, encoding)
        assert packed.headers["vary"] == "Accept-Encoding"
        assert unpack[encoding](packed.body) == plain.body
        assert len(packed.body) < len(plain.body) * 0.6
        again = server.request(
            "GET", "/js/trackway.js", headers={"accept-encoding": encoding, "if-none-match": packed.headers["etag"]}
        )
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("GZIP", "gzip"),
        ("identity", ""),
        ("", ""),
        ("br;q=0, gzip; q=0", ""),
    ],
)
def test_brotli_comes_first_and_what_is_refused_never(accepted: str, chosen: str) -> None:
    assert choose_encoding(accepted) == chosen


def test_types_and_manifest_are_served(server: TestServer) -> None:
    types = server.request("GET", "/js/trackway.d.ts")
    assert (types.status, types.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert server.request("GET", "/js/manifest.json").json["trackway.js"]["integrity"] == BUILT["trackway.js"].integrity
    assert server.request("GET", "/js/none.js").status == 404


def test_script_and_events_have_the_names_that_the_operator_chose(renamed: TestServer) -> None:
    version = BUILT["trackway.js"].file.removeprefix("trackway")
    for theirs, ours in (("/a/s.js", "trackway.js"), (f"/a/s{version}", "trackway.js"), ("/a/s.mjs", "trackway.mjs")):
        answer = renamed.request("GET", theirs)
        assert (answer.status, len(answer.body)) == (200, BUILT[ours].bytes), theirs
    assert "immutable" in renamed.request("GET", f"/a/s{version}").headers["cache-control"]
    source = renamed.add_source("renamed", channel="web")
    key = source["credentials"]["write_key"]
    for path in ("/a/e", "/v1/events"):
        assert renamed.post(path, {"event_type": "named"}, key).status == 200
    assert renamed.request("GET", f"/a/e.gif?k={key}&t=dot").headers["x-event-status"] == "accepted"
    assert renamed.request("OPTIONS", "/a/e", headers={"origin": "https://a.example"}).status == 204
    renamed.wait_until_settled()
    stored = renamed.api("events", source=source["id"])["items"]
    assert sorted(item["event_type"] for item in stored) == ["dot", "named", "named"]
    assert renamed.request("GET", "/js/trackway.js").status == 200
    for path in ("/a/s", "/a/s.", "/a/s.none.js", "/a/s.js/", "/a/s./../manifest.json"):
        assert renamed.request("GET", path).status == 404


@pytest.mark.parametrize(
    "chosen",
    [
        {"collect_path": "a/e"},
        {"collect_path": "/"},
        {"collect_path": "/a/../e"},
        {"collect_path": "/a e"},
        {"collect_path": "/a?b"},
        {"collect_path": "/app/e"},
        {"collect_path": "/track"},
        {"script_path": "/js/other.js"},
        {"script_path": "/metrics"},
        {"script_path": "/a", "collect_path": "/a"},
    ],
    ids=str,
)
def test_a_name_that_cannot_be_is_refused_when_the_server_starts(tmp_path: Path, chosen: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=r"setting (script|collect)_path"):
        Aliases(Settings(**chosen))
    if "script_path" in chosen and "collect_path" in chosen:
        with pytest.raises(RuntimeError, match="script_path"), start_server(tmp_path / "data", **chosen):
            pass
