"""The order of the files; one running server for all tests that need no fresh one; an empty state; other browsers; folders of outside data."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.control.database import State, make_url, migrate_state
from trackway.control.workspaces import ensure_first_workspace
from trackway.testing.other_browsers import OtherBrowser, OtherBrowserMissing, launch_firefox, launch_webkit
from trackway.testing.server import TestServer, start_server

# Files of half a minute and more, longest first. They begin first, so that no worker is left alone with one at the end.
LONG_FILES = (
    "faults/test_crash_points.py",
    "faults/test_made_anew.py",
    "sdk/test_dropins.py",
    "cli/test_replay.py",
    "faults/test_kills.py",
    "sdk/test_shop_end_to_end.py",
    "faults/test_replays.py",
    "sdk/test_delivery.py",
    "sdk/test_core_consent.py",
    "cli/test_import_contacts.py",
    "query/test_sessions.py",
    "sdk/test_delivery_server.py",
    "dashboard/test_people_in_browser.py",
    "dashboard/test_in_browser.py",
    "sdk/test_core_calls.py",
    "sdk/test_browser_script.py",
    "dashboard/test_people.py",
    "privacy/test_erasure.py",
    "scenarios/test_dialects.py",
    "sdk/test_capture_media.py",
    "scenarios/test_guards.py",
    "dashboard/test_consent_page.py",
    "collect/test_ugly_requests.py",
    "collect/test_tracify.py",
    "dashboard/test_install_page.py",
    "collect/test_tracardi_ids.py",
    "client/test_against_the_server.py",
    "cli/test_import_access_log.py",
)
OUTSIDE_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    places = {here / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    # Most tests send one request and wait: there is little to gather for the next batch.
    with start_server(tmp_path_factory.mktemp("server") / "data", pipeline_linger_ms=50) as running:
        yield running


@pytest.fixture(scope="session")
def outside_data() -> Path:
    """Real input that is not part of the project; without it the test is skipped."""
    if not OUTSIDE_DATA.is_dir():
        pytest.skip(f"{OUTSIDE_DATA} is missing: this test needs input that is not part of the project")
    return OUTSIDE_DATA


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """Of a new installation, without a server."""
    state = State(make_url(tmp_path, ""))
    migrate_state(state)
    ensure_first_workspace(state)
    yield state
    state.close()


@contextlib.contextmanager
def skip_if_missing() -> Iterator[None]:
    """What needs a browser that is not installed here is skipped, and says how to get it."""
    try:
        yield
    except OtherBrowserMissing as error:
        pytest.skip(str(error))


@pytest.fixture(params=[launch_firefox, launch_webkit], ids=["firefox", "webkit"])
def other_browser(request: pytest.FixtureRequest) -> Iterator[OtherBrowser]:
    with skip_if_missing(), request.param() as browser:
        yield browser
