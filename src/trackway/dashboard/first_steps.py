"""What to paste to send a first event, ready with the address of this server and a key."""

import shlex

from trackway.dashboard.desk import Example
from trackway.event import Source


def make_snippet(site: str, source: Source, key: str) -> str:
    """The script tag of a web page; empty for what our browser script does not speak."""
    if source.protocol != "native" or source.channel != "web":
        return ""
    return f'<script async src="{site}/js/trackway.js" data-key="{key}"></script>'


def make_curl(site: str, example: Example) -> str:
    """The command line that sends it."""
    method = "" if example.method == "POST" else f" -X {example.method}"
    headers = [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in example.headers.items()]
    body = [f"-d {shlex.quote(example.body)}"] if example.body else []
    return " \\\n  ".join([f"curl{method} {shlex.quote(site + example.path)}", *headers, *body])
