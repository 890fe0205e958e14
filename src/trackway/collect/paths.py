"""Which protocols answer at a path: exact paths first, then those with parameters.

Two dialects may claim the same path (Tracardi's webhooks and Orbee's tracker); the collector asks
them in the order of the registry.
"""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from msgspec import Struct

from trackway.collect.protocol import Protocol, Route


class Match(Struct, frozen=True):
    protocol: Protocol
    route: Route
    params: dict[str, str]


class Paths:
    def __init__(self, protocols: Sequence[Protocol]) -> None:
        self._exact: dict[str, list[Match]] = {}
        self._patterns: dict[int, list[tuple[Protocol, Route]]] = {}
        for protocol in protocols:
            for route in protocol.routes:
                if "{" in route.path:
                    self._patterns.setdefault(route.path.count("/"), []).append((protocol, route))
                else:
                    self._exact.setdefault(route.path, []).append(Match(protocol, route, {}))
        self._heads = {route.path.split("{")[0] for claims in self._patterns.values() for _, route in claims}

    def find(self, path: str) -> Sequence[Match]:
        """All claims on `path` (as it was sent, percent-encoded), first the one to ask first."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        if not any(path.startswith(head) for head in self._heads):
            return ()
        claims = []
        for protocol, route in self._patterns.get(path.count("/"), ()):
            params = match_path(route, path)
            if params is not None:
                claims.append(Match(protocol, route, params))
        return claims


def match_path(route: Route, path: str) -> dict[str, str] | None:
    """The decoded parameters of `path`; None when it is another path."""
    params = {}
    parts = path.split("/")
    template = _split(route.path)
    if len(parts) != len(template):
        return None
    for part, (name, literal) in zip(parts, template, strict=True):
        if name:
            if not part:
                return None
            params[name] = unquote(part)
        elif part != literal:
            return None
    return params


def read_params(routes: Sequence[Route], path: str) -> dict[str, str]:
    """The parameters by the first of a protocol's routes that matches the path of a submission."""
    return next((params for route in routes if (params := match_path(route, path)) is not None), {})


@lru_cache(256)
def _split(template: str) -> list[tuple[str, str]]:
    """Each segment as (name of its parameter, "") or ("", its text)."""
    return [(part[1:-1], "") if part.startswith("{") else ("", part) for part in template.split("/")]
