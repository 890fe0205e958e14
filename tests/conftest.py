"""The order of the files; one running server for all tests that need no fresh one; folders of outside data."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
