"""Test vectors of Tracify's hash, as the page prints them: value, hash, what the Ruby sample makes of it."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/reference/protocols/tracify.md"
ROW = re.compile(r"^\| `(.*)` \| `([0-9a-f]{64})` \| `([0-9a-f]{64})` \|$", re.MULTILINE)
# Markdown needs the backslash before a pipe in a table; the value has none. `""` stands for nothing at all.
VECTORS = [(shown.replace("\\|", "|").strip('"'), right, ruby) for shown, right, ruby in ROW.findall(PAGE.read_text())]
