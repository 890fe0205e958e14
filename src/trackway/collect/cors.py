"""Cross-origin answers: the origin is echoed, never `*`, so that credentialed beacons work.

A preflight cannot say whose key will follow, so it allows any origin; the request itself is held
to its source's list `origins`.
"""

from collections.abc import Mapping

from trackway.event import Source

Headers = list[tuple[bytes, bytes]]


def allows_origin(source: Source, origin: str) -> bool:
    """True for a request without Origin, for a source without a list, for `*`, and for a listed origin."""
    allowed = source.settings.get("origins", "")
    if not origin or not allowed:
        return True
    return any(entry.strip() in ("*", origin) for entry in allowed.split(","))


def echo_origin(origin: str) -> Headers:
    if not origin or any(character in origin for character in "\r\n\x00"):
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def answer_preflight(headers: Mapping[str, str], methods: tuple[str, ...]) -> Headers:
    asked = headers.get("access-control-request-headers", "content-type")
    return [
        *echo_origin(headers.get("origin", "")),
        (b"access-control-allow-methods", ", ".join(methods).encode()),
        (b"access-control-allow-headers", asked[:1000].encode("latin-1", "replace")),
        (b"access-control-max-age", b"600"),
    ]
