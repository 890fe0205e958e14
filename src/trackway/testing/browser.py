"""A headless Chromium for tests that need a browser.

Part of the public test kit: own sites can test their tracking with it. Needs the package
`playwright` and a Chromium or Chrome of the system; it downloads no browser.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class BrowserMissing(RuntimeError):
    """There is no Chromium here; the text says how to get one."""


def find_chromium() -> str:
    """Path of the browser: TRACKWAY_TEST_CHROMIUM, else the first of `NAMES` on the PATH."""
    named = os.environ.get("TRACKWAY_TEST_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise BrowserMissing(f"TRACKWAY_TEST_CHROMIUM is {named!r}, which is no program that can be run")
        return named
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise BrowserMissing("No Chromium found: run 'sudo apt-get install chromium', or set TRACKWAY_TEST_CHROMIUM")


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """A running browser, closed at the end. Contexts made from it share nothing with each other."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
