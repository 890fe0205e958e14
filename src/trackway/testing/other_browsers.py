"""Firefox and WebKit (Safari's engine) for tests, where the system has them; nothing is downloaded.

Part of the public test kit, beside `browser.py`. Playwright drives only its own builds of these two, so Firefox is
spoken to by Marionette, which every Firefox has built in, and WebKit by the WebDriver of WebKitGTK. Both take the same
commands; here are the few that a page's tracking needs.
"""

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from trackway.app.supervisor import find_free_port

FIREFOXES = ("firefox-esr", "firefox")
WEBKIT_DRIVER = "WebKitWebDriver"
SCREEN = "Xvfb"
GET_FIREFOX = "No Firefox found: sudo apt-get install firefox-esr"
GET_WEBKIT = "No WebKit found: sudo apt-get install webkit2gtk-driver xvfb"
START_PATIENCE_S = 60.0

# What a profile of tests needs: no first-run pages, films that play, and a PDF that is saved instead of shown.
PREFERENCES: Mapping[str, bool | int | str] = {
    "browser.aboutwelcome.enabled": False,
    "browser.download.alwaysOpenPanel": False,
    "browser.helperApps.neverAsk.saveToDisk": "application/pdf",
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.autoplay.default": 0,
    "pdfjs.disabled": True,
}

Command = Callable[[str, str, Mapping[str, Any]], Any]


class OtherBrowserMissing(RuntimeError):
    """It is not on this system; the text says how to get it."""


class OtherBrowser:
    """One window of a fresh profile. `name` is that of the engine."""

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self._command = command

    def goto(self, url: str) -> None:
        """Opens a page and waits until it has loaded."""
        self._command("Navigate", "/url", {"url": url})

    def back(self) -> None:
        self._command("Back", "/back", {})

    def click(self, selector: str) -> None:
        """A click as a visitor makes it, on the first element that matches."""
        found = self._command("FindElement", "/element", {"using": "css selector", "value": selector})
        (element,) = found.values()
        self._command("ElementClick", f"/element/{element}/click", {"id": element})

    def run(self, body: str, *arguments: Any) -> Any:
        """What the body of an async function returns in the page, as JSON. Its arguments are `given`.

        Raises RuntimeError with the page's own words when it throws.
        """
        script = (
            "const done = arguments[arguments.length - 1];"
            f"(async (given) => {{ {body} }})([...arguments].slice(0, -1))"
            ".then((value) => done({value}), (error) => done({error: String(error)}))"
        )
        answer = self._command("ExecuteAsyncScript", "/execute/async", {"script": script, "args": list(arguments)})
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")


def find_firefox() -> str:
    for name in FIREFOXES:
        if path := shutil.which(name):
            return path
    raise OtherBrowserMissing(GET_FIREFOX)


def find_webkit() -> str:
    """The driver, which knows where its browser is. It has no headless mode, so a screen in memory is needed, too."""
    driver = shutil.which(WEBKIT_DRIVER)
    if driver is None or shutil.which(SCREEN) is None:
        raise OtherBrowserMissing(GET_WEBKIT)
    return driver


@contextmanager
def launch_firefox(**preferences: bool | int | str) -> Iterator[OtherBrowser]:
    """A headless Firefox. Names of `preferences` are those of about:config with `__` for the dots."""
    program, port = find_firefox(), find_free_port()
    said = {name.replace("__", "."): value for name, value in preferences.items()}
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        lines = {
            **PREFERENCES,
            "marionette.port": port,
            "browser.download.dir": profile,
            "browser.download.folderList": 2,
        }
        text = "".join(
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in (lines | said).items()
        )
        (Path(profile) / "user.js").write_text(text)
        command = [program, "--headless", "--marionette", "--no-remote", "--profile", profile]
        with _running(command, {"HOME": profile}), _connect(port) as connection:
            ask = _speak_marionette(connection)
            ask("NewSession", "", {"capabilities": {}})
            yield OtherBrowser("firefox", ask)


@contextmanager
def launch_webkit() -> Iterator[OtherBrowser]:
    """The small browser of WebKitGTK, on a screen in memory."""
    driver, port = find_webkit(), find_free_port()
    with contextlib.ExitStack() as stack:
        screen = stack.enter_context(_screen())
        # Its own sandbox needs name spaces that containers and root do not have; the pages are the tests'.
        room = {"DISPLAY": screen, "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "LIBGL_ALWAYS_SOFTWARE": "1"}
        # Of a system without a language it makes "C", which is no language that a page can use.
        room["LANG"] = "en_US.UTF-8"
        stack.enter_context(_running([driver, f"--port={port}"], room))
        _connect(port).close()
        connection = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)))
        made = _ask_webdriver(connection, "POST", "/session", {"capabilities": {"alwaysMatch": {}}})
        session = f"/session/{made['sessionId']}"
        stack.callback(_ask_webdriver, connection, "DELETE", session)
        yield OtherBrowser("webkit", lambda _, path, said: _ask_webdriver(connection, "POST", session + path, said))


def _ask_webdriver(
    connection: http.client.HTTPConnection, method: str, path: str, said: Mapping[str, Any] | None = None
) -> Any:
    connection.request(method, path, None if said is None else json.dumps(said), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    value = json.loads(answer.read())["value"]
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: {value['error']}: {value['message']}")
    return value


def _speak_marionette(connection: socket.socket) -> Command:
    """Messages are `LENGTH:JSON`: [0, id, command, parameters] and [1, id, error, result]."""
    stream, numbers = connection.makefile("rwb"), count(1)

    def read() -> Any:
        length = b""
        while (digit := stream.read(1)) != b":":
            if not digit:
                raise RuntimeError("Firefox has closed the connection")
            length += digit
        return json.loads(stream.read(int(length)))

    def ask(name: str, path: str, parameters: Mapping[str, Any]) -> Any:
        message = json.dumps([0, next(numbers), f"WebDriver:{name}", parameters]).encode()
        stream.write(b"%d:%b" % (len(message), message))
        stream.flush()
        _, _, error, result = read()
        if error:
            raise RuntimeError(f"{name}: {error['error']}: {error['message']}")
        return result["value"] if isinstance(result, dict) and "value" in result else result

    read()  # it says who it is
    return ask


@contextmanager
def _screen() -> Iterator[str]:
    """The name of a screen in memory; the server picks the number and says it."""
    reads, writes = os.pipe()
    command = [SCREEN, "-displayfd", str(writes), "-screen", "0", "1280x900x24", "-nolisten", "tcp"]
    with os.fdopen(reads) as said, _running(command, {}, keep=writes):
        os.close(writes)
        number = said.readline().strip()
        if not number:
            raise RuntimeError(f"{SCREEN} did not start")
        yield f":{number}"


@contextmanager
def _running(command: list[str], room: Mapping[str, str], keep: int | None = None) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **room},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=() if keep is None else (keep,),
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connect(port: int) -> socket.socket:
    """As soon as the browser listens. RuntimeError after a minute."""
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing listens on port {port}: the browser did not start") from error
            time.sleep(0.1)
        else:
            connection.settimeout(60)
            return connection
