"""`make demo`: a Trackway server, a month of history in it, and the shop beside it.

What has to be remembered from run to run (keys, password, how far the history goes) is in
`shop.json` in the data folder. Everything is done through the public interface: the command
`trackway`, `GET /health/ready` and `POST /v1/events`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import uvicorn
from examples.shop.history import History, make_history
from examples.shop.sending import Sent, send_events
from examples.shop.site import Tracking, make_shop

HOST = "127.0.0.1"
START_PATIENCE_S = 60.0
STOP_PATIENCE_S = 30.0
DAY_MS = 24 * 3600 * 1000


class DemoFailed(click.ClickException):
    """The demo cannot go on; the text says why and what to do."""


@dataclass(frozen=True)
class Memory:
    """What `shop.json` holds. `history_until` is 0 until the whole history has been sent."""

    password: str
    web_key: str
    history_key: str
    back_end_key: str
    history_until: int = 0


def run_demo(data: Path, port: int, shop_port: int, days: int) -> None:
    """Run server and shop until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _check_port(port, "--port")
    _check_port(shop_port, "--shop-port")
    server, shop = f"http://{HOST}:{port}", f"http://{HOST}:{shop_port}"
    memory = _read_memory(data) or _prepare(data, shop)
    with _run_server(data, port) as process:
        _wait_until_ready(server, process)
        memory = _send_history(data, memory, server, shop, days)
        application = make_shop(Tracking(server, memory.web_key, memory.back_end_key, data / "shop-spool"))
        config = uvicorn.Config(application, HOST, shop_port, log_level="warning", server_header=False)
        _serve_shop(ShopServer(config, lambda: _greet(server, shop, memory)), process)


def _check_port(port: int, option: str) -> None:
    """DemoFailed when somebody listens there already; it would be asked instead of our server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DemoFailed(f"{HOST}:{port} cannot be used ({error.strerror}); choose another with {option}") from None


def _read_memory(data: Path) -> Memory | None:
    file = data / "shop.json"
    try:
        return Memory(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise DemoFailed(f"{file} cannot be read ({error}); remove the folder {data} to begin anew") from None


def _write_memory(data: Path, memory: Memory) -> None:
    """Whole or not at all, and readable by its owner only: it holds keys."""
    fresh = data / "shop.json.new"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(memory), file, indent=2)
    fresh.replace(data / "shop.json")


def _prepare(data: Path, shop: str) -> Memory:
    """A new data folder with three sources: the live pages, their made-up past, and the back end."""
    click.echo(f"Preparing {data} ...")
    data.mkdir(parents=True, exist_ok=True)
    said = _trackway(data, "password", "--generate")
    memory = Memory(
        password=said.rpartition(": ")[2].strip(),
        web_key=_add_source(data, "shop", "Sample shop", "web", f"origins={shop}"),
        history_key=_add_source(data, "shop-history", "Sample shop, its past", "server"),
        back_end_key=_add_source(data, "shop-back-end", "Sample shop, back end", "server"),
    )
    _write_memory(data, memory)
    return memory


def _add_source(data: Path, source_id: str, name: str, channel: str, *settings: str) -> str:
    """The new source's write key: public for the channel web, secret for server."""
    pairs = [part for pair in (f"source_id={source_id}", *settings) for part in ("--set", pair)]
    said = _trackway(data, "sources", "add", name, "--protocol", "native", "--channel", channel, *pairs, "--json")
    key: str = json.loads(said)["credentials"]["write_key"]
    return key


def _trackway(data: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "trackway", *arguments, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoFailed(
            f"trackway {' '.join(arguments)} failed: {done.stderr.strip()[-500:]}\n"
            f"If {data} is the folder of a demo that was broken off, remove it and begin anew."
        )
    return done.stdout


@contextmanager
def _run_server(data: Path, port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """`trackway serve` in a session of its own, so that Ctrl-C reaches us first and we stop it in order."""
    command = [sys.executable, "-m", "trackway", "serve", "--data", str(data), "--host", HOST, "--port", str(port)]
    with (data / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        click.echo("Stopped.")


def _wait_until_ready(server: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server}/health/ready", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.1)
    why = "ended" if process.poll() is not None else f"was not ready after {START_PATIENCE_S:.0f} s"
    raise DemoFailed(f"the Trackway server {why}; its last words are in server.log in the data folder")


def _send_history(data: Path, memory: Memory, server: str, shop: str, days: int) -> Memory:
    """Fill in what is missing: everything at first, then the whole days since the last run.

    A run that was broken off is repeated from the beginning; the dedupe keys see to it that
    nothing counts twice. On one day the history is sent once, so a second run adds nothing.
    """
    now = datetime.now(UTC)
    until = int(now.timestamp() * 1000)
    known = memory.history_until
    if known // DAY_MS == until // DAY_MS:
        return memory
    first = datetime.fromtimestamp(known / 1000, UTC).date() if known else (now - timedelta(days=days)).date()
    history = make_history(first, until, shop)
    missing = History(
        [pair for pair in history.web if pair[0] > known], [pair for pair in history.back_end if pair[0] > known]
    )
    total = len(missing.web) + len(missing.back_end)
    done = Sent()
    with click.progressbar(length=total, label=f"Sending {total:,} events of history") as bar:
        # The visits last, so that the live feed opens with a mixture of what visitors did.
        for key, timed in ((memory.back_end_key, missing.back_end), (memory.history_key, missing.web)):
            done += send_events(server, key, (event for _, event in timed), bar.update)
    if done.duplicate:
        click.echo(f"{done.duplicate:,} of them were there already.")
    memory = replace(memory, history_until=until)
    _write_memory(data, memory)
    return memory


def _greet(server: str, shop: str, memory: Memory) -> None:
    click.echo(
        f"""
  The shop       {shop}/
  Trackway       {server}/app/
  Log in as      admin
  Password       {memory.password}

  Put the two side by side, then:
   1. open the shop and click around: every step appears on {server}/app/tracking
   2. filter a category, read the boot guide (a PDF), sign up for the letter
   3. buy something: the page reports the purchase, the shop's back end the payment
   4. load the thank-you page again: the purchase still counts once

  Ctrl-C stops both. The data stays in the folder and is used again.
"""
    )
    sys.stdout.flush()


class ShopServer(uvicorn.Server):
    """The shop's web server; `listening` is called once it takes visitors."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def _serve_shop(shop: uvicorn.Server, process: "subprocess.Popen[bytes]") -> None:
    """Until told to stop, or until the Trackway server has ended by itself."""

    def watch() -> None:
        process.wait()
        shop.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    try:
        shop.run()
    except KeyboardInterrupt:
        return
    if process.poll() is not None:
        raise DemoFailed("the Trackway server ended by itself; its last words are in server.log in the data folder")
