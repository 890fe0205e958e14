"""The tree keeps its own rules: names, sizes, supervisors, nothing of one machine."""

import ast
import subprocess
from pathlib import Path

from trackway.metrics import METRICS

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
SAYS_NOTHING = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "misc",
    "base",
    "core",
    "service",
    "manager",
    "handler",
    "processor",
    "data",
    "info",
}
# Where a broad except may stand: each logs, counts and goes on; the key index's names the bare
# `Exception` that its library raises.
SUPERVISORS = {
    "store/keys.py": 1,
    "collect/collector.py": 1,
    "app/parsing.py": 1,
    "pipeline/runner.py": 1,
    "api/live.py": 1,
    # The thread that sends, and the program's own callback.
    "client/sender.py": 2,
}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [p.name for p in SOURCES if p.stem in SAYS_NOTHING] == []


def test_no_module_is_longer_than_a_reader_can_hold() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := p.read_text().count("\n")) > 400}
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(p.relative_to(ROOT))
        for p in SOURCES
        if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert silent == []


def test_broad_excepts_stand_in_supervisors_only() -> None:
    found: dict[str, int] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")
            ):
                name = str(path.relative_to(ROOT / "src" / "trackway"))
                found[name] = found.get(name, 0) + 1
    assert {name: n for name, n in found.items() if n > SUPERVISORS.get(name, 0)} == {}


def test_the_layers_hold() -> None:
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_metric_is_counted_somewhere() -> None:
    code = "".join(p.read_text() for p in SOURCES if p.name != "metrics.py")
    names = [name for name in vars(METRICS) if name != "registry"]
    assert names
    assert [name for name in names if f"METRICS.{name}" not in code] == []
