"""What to paste to send a first event, ready with the address of this server and a key."""

from trackway.event import Source

_CURL = {
    "native": ("/v1/events", '{"event_type": "hello", "properties": {"from": "the command line"}}'),
    "pact": ("/v1/tracking/events", '{"event_type": "hello", "distinct_id": "visitor-1"}'),
}


def make_snippet(site: str, source: Source, key: str) -> str:
    """The script tag of a web page; empty for what our browser script does not speak."""
    if source.protocol != "native" or source.channel != "web":
        return ""
    return f'<script async src="{site}/js/trackway.js" data-key="{key}"></script>'


def make_curl(site: str, source: Source, key: str) -> str:
    """A command line that sends one event; empty for a protocol we have no example of."""
    if source.protocol not in _CURL:
        return ""
    path, body = _CURL[source.protocol]
    return f"curl {site}{path} \\\n  -H 'Authorization: Bearer {key}' \\\n  -d '{body}'"
