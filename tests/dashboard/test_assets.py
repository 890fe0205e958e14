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


def read_palettes() -> list[dict[str, str]]:
    """Light, dark, and dark by the system's choice."""
    blocks = re.findall(r":root[^{]*\{([^{}]*)\}", (STATIC / "css/tokens.css").read_text())
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(color: str) -> float:
        parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", read_palettes(), ids=["light", "dark", "dark by the system"])
def test_every_text_can_be_read_on_what_it_stands_on(palette: dict[str, str]) -> None:
    inks = ("ink", "ink-soft", "ink-dim", "accent", "accent-strong", "good", "warn", "bad")
    pairs = [(ink, ground) for ink in inks for ground in ("paper", "sheet", "sunk")]
    pairs += [
        ("good", "good-wash"),
        ("warn", "warn-wash"),
        ("bad", "bad-wash"),
        ("ink", "warn-wash"),
        ("ink", "accent-wash"),
    ]
    pairs += [("accent-strong", "accent-wash"), ("on-accent", "accent"), ("on-accent", "accent-strong")]
    weak = {pair: round(contrast(palette[pair[0]], palette[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    edges = {ink: contrast(palette[ink], palette["sheet"]) for ink in ("line-strong", "sand", "accent")}
    assert {ink: ratio for ink, ratio in edges.items() if ratio < 3} == {}


def test_both_dark_palettes_are_the_same() -> None:
    _, chosen, system = read_palettes()
    assert chosen == system
