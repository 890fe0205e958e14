import hashlib
import re

import pytest

from trackway.dashboard.assets import STATIC, hash_assets, make_asset_url
from trackway.testing.server import TestServer

OWN = sorted(file for kind in ("js", "css") for file in (STATIC / kind).iterdir())


def test_vendored_files_are_those_of_the_list() -> None:
    listed = dict(re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (STATIC / "vendor/README.md").read_text(), re.M))
    files = {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest()
        for f in (STATIC / "vendor").iterdir()
        if f.suffix in (".js", ".css")
    }
    assert files == listed


def test_a_static_file_is_kept_for_ever_under_the_hash_of_its_content(server: TestServer) -> None:
    answer = server.request("GET", make_asset_url("js/page.js"))
    assert (answer.status, answer.body) == (200, (STATIC / "js/page.js").read_bytes())
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_under_any_other_hash_it_is_asked_for_again(server: TestServer) -> None:
    answer = server.request("GET", make_asset_url("js/page.js").replace(hash_assets(), "0" * 12))
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "path", ["js/none.js", "js", "", "../assets.py", "%2e%2e/assets.py", "..%2f..%2fassets.py", "/etc/passwd"]
)
def test_nothing_but_static_files_is_served(server: TestServer, path: str) -> None:
    assert server.request("GET", make_asset_url(path)).status == 404


def test_own_scripts_and_styles_stay_small_and_ask_nobody_else() -> None:
    for file in OWN:
        text = file.read_text()
        assert text.count("\n") < 300, file
        assert not re.search(r"https?://", text), file


def test_own_scripts_never_turn_text_into_markup_or_code() -> None:
    for file in OWN:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", file.read_text()
        ), file


def test_templates_hold_no_inline_script_or_style_and_switch_no_escaping_off() -> None:
    for file in (STATIC.parent / "templates").rglob("*.html"):
        text = file.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|<script(?![^>]*\ssrc=)|\|\s*safe|autoescape", text), (
            file
        )
        assert text.count("\n") < 150, file
