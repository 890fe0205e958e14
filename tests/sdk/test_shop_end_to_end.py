"""The sample shop beside a real Trackway server: what a visitor does appears in the API and the books."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import uvicorn
from examples.shop.site import Tracking, make_shop

from trackway.app.supervisor import find_free_port
from trackway.testing.server import ADMIN_TOKEN, start_server

ROOT = Path(__file__).resolve().parents[2]
BUYER = {
    "first_name": "Ada",
    "last_name": "L",
    "email": "ada@example.org",
    "street": "1 Row",
    "post_code": "1",
    "town": "Y",
}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_server(tmp_path_factory.mktemp("e2e") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def shop(server):
    port = find_free_port()
    address = f"http://127.0.0.1:{port}"
    web = server.add_source("shop", channel="web", origins=address)
    back_end = server.add_source("shop-back-end", channel="server")
    keys = [source["credentials"]["write_key"] for source in (web, back_end)]
    running = uvicorn.Server(uvicorn.Config(make_shop(Tracking(server.url, *keys)), port=port, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield address
    running.should_exit = True
    thread.join()


def wait_for_events(server, page, event_type, count, among=lambda event: True):
    deadline = time.monotonic() + 60
    while (
        len(found := [e for e in server.api("events", event_type=event_type, limit=1000)["items"] if among(e)]) < count
    ):
        if time.monotonic() > deadline:
            stored = [event["event_type"] for event in server.api("events", limit=1000)["items"]]
            pytest.fail(f"{count} {event_type} expected, stored are {stored}; books: {server.api('books')}")
        page.wait_for_timeout(50)
    return found


def test_a_visit_with_a_purchase_is_stored_step_by_step(server, shop, page):
    # Somebody in Berlin who has agreed, as the shop's banner would say on every page.
    page.add_init_script("(window.trackway ??= []).push(['consent', {tracking: 'granted'}])")
    page.goto(shop + "/?utm_source=newsletter&utm_medium=email")
    page.click("text=Start with the boots")
    page.click("main >> text=Fell boot")
    page.click("text=Add to cart")
    page.click("text=To the checkout")
    for name, value in BUYER.items():
        page.fill(f"#checkout [name={name}]", value)
    page.click("#checkout button")
    page.wait_for_url("**/thank-you/*")

    (purchase,) = wait_for_events(server, page, "purchase", 1)
    views = wait_for_events(server, page, "page_view", 6)
    clicks = wait_for_events(server, page, "click", 5)
    forms = wait_for_events(server, page, "form_submit", 2)
    (paid,) = wait_for_events(server, page, "order_paid", 1)

    paths = [view["path"] for view in sorted(views, key=lambda view: view["occurred_at"])]
    assert paths[:5] == ["/", "/category/boots", "/product/fell-boot", "/cart", "/checkout"]
    assert paths[5].startswith("/thank-you/T")
    landing = next(view for view in views if view["path"] == "/")
    assert (landing["utm_source"], landing["utm_medium"]) == ("newsletter", "email")
    assert landing["country"] == "DE"  # from the browser's time zone
    assert {form["properties"]["name"] for form in forms} == {"add-to-cart", "checkout"}
    assert "To the checkout" in {click["properties"]["text"] for click in clicks}

    of_visitor = [purchase, *views, *clicks, *forms]
    assert {event["source"] for event in of_visitor} == {"shop"}
    assert len({event["anonymous_id"] for event in of_visitor}) == 1
    assert len({event["session_id"] for event in of_visitor}) == 1
    assert not any(event["trusted"] for event in of_visitor)
    assert purchase["business_key"] == f"order_id:{purchase['properties']['order_id']}"
    assert paid["trusted"]
    assert paid["user_id"] == purchase["user_id"]
    assert "ada@example.org" not in json.dumps(server.api("events", limit=1000))


def test_loading_the_thank_you_page_again_counts_the_purchase_once(server, shop, page):
    page.goto(shop + "/product/day-pack-18")
    page.click("text=Add to cart")
    page.click("text=To the checkout")
    for name, value in BUYER.items():
        page.fill(f"#checkout [name={name}]", value)
    page.click("#checkout button")
    page.wait_for_url("**/thank-you/*")
    order_id = page.url.rpartition("/")[2]
    ours = lambda event: order_id in event["url"]  # noqa: E731
    wait_for_events(server, page, "purchase", 1, ours)

    page.reload()
    wait_for_events(server, page, "page_view", 2, ours)
    wait_for_events(server, page, "identify", 2, ours)
    server.wait_until_settled()
    assert len(wait_for_events(server, page, "purchase", 1, ours)) == 1
    shop_books = next(book for book in server.api("books")["sources"] if book["source"] == "shop")
    # The script may also repeat what it sent while the page went away.
    assert shop_books["duplicate"] >= 1


def test_another_site_cannot_send_with_the_shops_key(server, shop, site, page):
    key = re.search(r'data-key="([^"]+)"', urllib.request.urlopen(shop, timeout=10).read().decode())[1]
    tag = f'<script async src="{server.url}/js/trackway.js" data-key="{key}"></script>'
    with page.expect_response("**/v1/events") as answered:
        page.goto(site.add("/", tag=tag, title="Thief"))
    assert answered.value.status == 403
    server.wait_until_settled()
    assert "Thief" not in {event["title"] for event in server.api("events", limit=1000)["items"]}


def run_demo(data, port, shop_port):
    command = [sys.executable, "-m", "examples.shop", "--data", str(data), "--port", str(port)]
    command += ["--shop-port", str(shop_port), "--days", "2"]
    environment = {**os.environ, "TRACKWAY_ADMIN_TOKEN": ADMIN_TOKEN, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def read_until_greeted(demo):
    said = []
    for line in demo.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            return "".join(said)
    pytest.fail("the demo ended: " + "".join(said))


def ask(address):
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {ADMIN_TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def wait_for_books(port):
    """Events per source, once nothing is in flight."""
    for _ in range(600):
        sources = json.loads(ask(f"http://127.0.0.1:{port}/api/v1/books"))["sources"]
        if not any(source["in_flight"] for source in sources):
            return {source["source"]: (source["stored"], source["duplicate"]) for source in sources}
        time.sleep(0.05)
    pytest.fail(f"still in flight: {sources}")


def stop_demo(demo, how):
    demo.send_signal(how)
    rest, _ = demo.communicate(timeout=60)
    assert rest.rstrip().endswith("Stopped."), rest
    assert "Traceback" not in rest


def is_up(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


@pytest.mark.timeout(300)
def test_the_demo_starts_fills_in_its_history_once_and_stops_both_servers(tmp_path):
    port, shop_port, data = find_free_port(), find_free_port(), tmp_path / "demo data"
    demo = run_demo(data, port, shop_port)
    try:
        said = read_until_greeted(demo)
        assert f"http://127.0.0.1:{shop_port}/" in said
        assert f"http://127.0.0.1:{port}/app/" in said
        password = json.loads((data / "shop.json").read_text())["password"]
        assert password in said
        assert (data / "shop.json").stat().st_mode & 0o077 == 0
        assert b"Tussock" in ask(f"http://127.0.0.1:{shop_port}/")
        first = wait_for_books(port)
        assert first["shop-history"][0] > 500
        assert first["shop-history"][1] == first["shop-back-end"][1] == 0
        stop_demo(demo, signal.SIGINT)
        assert not is_up(port)
        assert not is_up(shop_port)

        demo = run_demo(data, port, shop_port)
        assert password in read_until_greeted(demo)
        assert wait_for_books(port) == first

        # Even where it is forgotten that the history was sent, nothing counts twice.
        stop_demo(demo, signal.SIGTERM)
        memory = json.loads((data / "shop.json").read_text())
        (data / "shop.json").write_text(json.dumps({**memory, "history_until": 0}))
        demo = run_demo(data, port, shop_port)
        read_until_greeted(demo)
        again = wait_for_books(port)
        assert again["shop-history"][1] == first["shop-history"][0]
        stop_demo(demo, signal.SIGINT)
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.communicate(timeout=60)


def test_a_demo_folder_that_cannot_be_read_is_explained(tmp_path):
    (tmp_path / "shop.json").write_text('{"password": 1')
    demo = run_demo(tmp_path, find_free_port(), find_free_port())
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "shop.json cannot be read" in said
    assert "Traceback" not in said


def test_a_port_in_use_is_explained_before_anything_is_started(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        demo = run_demo(tmp_path / "data", find_free_port(), listener.getsockname()[1])
        said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert "choose another with --shop-port" in said
    assert not (tmp_path / "data").exists()
