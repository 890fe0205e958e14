"""The pages docs/reference/api*.md say what the code does."""

from pathlib import Path

import pytest

from trackway.api.replies import ApiError
from trackway.api.routes import API_ROUTES, ApiRoute
from trackway.api.tracardi import TRACARDI_ROUTES

PAGES = sorted((Path(__file__).parents[2] / "docs" / "reference").glob("api*.md"))
PAGE = "".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("route", [*API_ROUTES, *TRACARDI_ROUTES], ids=lambda route: f"{route.method} {route.path}")
def test_every_route_has_a_section_with_an_example_and_all_its_parameters(route: ApiRoute) -> None:
    section = PAGE.split(f"\n## {route.method} {route.path}\n", 1)[1].split("\n## ", 1)[0]
    assert "curl " in section
    for parameter in route.parameters:
        shown = "" if parameter.default == "" else f"{parameter.default} "
        assert f"| `{parameter.name}` | {shown}| {parameter.says} |" in section


def test_every_error_is_in_the_table() -> None:
    for error in ApiError:
        meaning = error.value
        assert f"| `{meaning.reason}` | {meaning.status} | {meaning.meaning} |" in PAGE
