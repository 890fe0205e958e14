"""What no page documents is not there: settings, metrics, reasons, fields, routes, commands."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from trackway.api.routes import make_api_routes
from trackway.collect.protocols import PROTOCOLS
from trackway.control.sources import CREDENTIAL_FORMS, SOURCE_SETTINGS
from trackway.pipeline.pipeline import STAGES
from trackway.profiles.identifiers import BLOCKED, KINDS

DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()


@pytest.mark.parametrize("page", GENERATOR.PAGES)
def test_a_generated_page_is_what_the_code_says(page: str) -> None:
    written = (DOCS / "reference" / page).read_text()
    assert written == GENERATOR.PAGES[page](), f"docs/reference/{page} is old: run .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.name)
def test_every_protocol_has_a_page_that_names_its_routes(protocol) -> None:  # type: ignore[no-untyped-def]
    page = (DOCS / "reference" / "protocols" / f"{protocol.name}.md").read_text()
    for route in protocol.routes:
        assert f"{route.path}" in page
    assert CREDENTIAL_FORMS[protocol.name].field in page


def test_every_api_route_is_on_the_api_page() -> None:
    page = "".join(page.read_text() for page in sorted((DOCS / "reference").glob("api*.md")))
    paths = [route.path for route in make_api_routes() if hasattr(route, "path")]
    assert paths
    assert [path for path in paths if path not in page] == []


def test_every_stage_is_on_the_pipeline_page() -> None:
    page = (DOCS / "reference" / "pipeline.md").read_text()
    assert [stage.name for stage in STAGES if f"`{stage.name}`" not in page] == []


def test_every_kind_of_identifier_and_word_for_nobody_is_on_the_identity_page() -> None:
    page = (DOCS / "reference" / "identity.md").read_text()
    assert [kind for kind in KINDS if f"| `{kind}` |" not in page] == []
    fields = {"distinct_id", "anonymous_id", "user_id", "contact_id"}
    assert [word for word in BLOCKED - fields - {""} if f"`{word}`" not in page.lower()] == []


def test_every_source_setting_is_on_its_page() -> None:
    page = (DOCS / "reference" / "sources.md").read_text()
    assert [name for name in SOURCE_SETTINGS if f"`{name}`" not in page] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    broken = [
        (str(page.relative_to(ROOT)), link)
        for page in pages
        for link in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
