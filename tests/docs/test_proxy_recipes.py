"""The proxy recipes of the documentation, run by the real programs in front of a real server.

Where nginx or Caddy is not installed its test is skipped: `apt-get install nginx-light caddy`.
"""

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.dashboard.conftest import Visitor

from trackway.app.supervisor import find_free_port
from trackway.collect.script_files import read_manifest
from trackway.testing.server import Answer, TestServer, start_server

PAGE = Path(__file__).parents[2] / "docs/how-to/serve-from-your-own-domain.md"
# In loopback's network, but no trusted proxy of this server.
VISITOR = "127.9.8.7"
PATIENCE_S = 20


def read_recipe(language: str) -> str:
    """The first block of that language on the page, leading to plain http."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"the page has no recipe in {language}"
    return found[1].replace("https://HOST", "http://HOST")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    data = tmp_path_factory.mktemp("own-domain") / "data"
    settings: dict[str, Any] = {"script_path": "/a/s.js", "collect_path": "/a/e", "trusted_proxies": "127.0.0.1/32"}
    with start_server(data, pipeline_linger_ms=20, **settings) as running:
        yield running


@contextmanager
def run_proxy(name: str, folder: Path, server: TestServer) -> Iterator[int]:
    """The program with its recipe; the port it listens on."""
    program = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    port, host = find_free_port(), urlsplit(server.url).netloc
    recipe = read_recipe("nginx" if name == "nginx" else "caddy").replace("HOST", host)
    file = folder / f"{name}.conf"
    if name == "nginx":
        paths = "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file.write_text(
            f"pid {folder}/pid;\nerror_log {folder}/error.log;\ndaemon off;\nmaster_process off;\nevents {{}}\n"
            f"http {{\n{paths}access_log off;\nserver {{\nlisten 127.0.0.1:{port};\n{recipe}}}\n}}\n"
        )
        command = [program, "-c", str(file), "-p", str(folder)]
    else:
        file.write_text(f"{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind 127.0.0.1\n{recipe}}}\n")
        command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "output").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """As a visitor whose address is not the proxy's."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=(VISITOR, 0))
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("name", ["nginx", "caddy"])
def test_a_recipe_passes_on_script_events_pixel_address_and_cookie(
    name: str, server: TestServer, tmp_path: Path
) -> None:
    source = server.add_source(f"behind {name}", channel="web", origins="https://www.shop.example")
    key = source["credentials"]["write_key"]
    built = read_manifest()["trackway.js"]
    with run_proxy(name, tmp_path, server) as port:
        script = ask(port, "GET", "/a/s.js")
        assert (script.status, len(script.body)) == (200, built.bytes)
        pinned = ask(port, "GET", "/a/s" + built.file.removeprefix("trackway"))
        assert pinned.body == script.body
        assert "immutable" in pinned.headers["cache-control"]
        event = {"event_type": "page_view", "anonymous_id": "visitor-1", "url": "https://www.shop.example/"}
        headers = {
            **{"origin": "https://www.shop.example", "sec-fetch-site": "same-origin", "cookie": "tw_aid=visitor-1"},
            **{"x-forwarded-for": "203.0.113.66", "user-agent": "Mozilla/5.0 Firefox/133.0"},
        }
        body = json.dumps({"write_key": key, "events": [event]})
        answer = ask(port, "POST", "/a/e", body, headers)
        assert answer.status == 200, answer.body
        assert "Domain=shop.example; Secure" in answer.headers["set-cookie"]
        pixel = ask(port, "GET", f"/a/e.gif?k={key}&t=pixel")
        assert (pixel.status, pixel.headers["x-event-status"]) == (200, "accepted")
        # What the recipe does not name stays the site's own.
        assert ask(port, "GET", "/js/trackway.js").body != script.body
    server.wait_until_settled()
    stored = server.api("events", source=source["id"])["items"]
    assert {item["event_type"] for item in stored} == {"page_view", "pixel"}
    # The visitor's own, as the workspace keeps it; not the proxy's, and not the one that the visitor claimed.
    assert {item["ip"] for item in stored} <= {VISITOR, "127.9.8.0"}


def test_the_page_install_writes_the_tag_for_the_sites_own_domain(server: TestServer) -> None:
    member = Visitor(server)
    assert member.log_in().status == 303
    pinned = "s" + read_manifest()["trackway.js"].file.removeprefix("trackway")
    assert f'<script async src="/a/{pinned}"' in member.text("/app/install")
    assert 'data-endpoint="/a/e"' in member.text("/app/install?for=wordpress")
    assert f'src="{server.url}/a/{pinned}"' in member.text("/app/install?host=server")
    # A shop can pass no paths on, whatever is asked for.
    shop = member.text("/app/install?for=shopify&host=site")
    assert f'src="{server.url}/a/{pinned}"' in shop
    assert "Script and events come from" not in shop
    assert member.get("/app/install?host=none").status == 400
