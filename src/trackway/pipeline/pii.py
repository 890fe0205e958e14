"""Personal data in properties, address and title: hidden by the workspace's rules, looked for in a sample.

`hide_pii` is the last stage: what it hides reaches neither the store nor a dead letter. `look_for_pii` is no stage: it
looks at some stored events of each batch, and what it finds is written with the batch. Identifiers and traits are
not looked at: there, personal data is in its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec.structs import replace

from trackway.control.personal_values import find_personal
from trackway.control.pii import DROP, ELSEWHERE, LONGEST_PATH, ROOTS, TITLE, Finding, split_rules
from trackway.control.sources import OWN_SOURCES
from trackway.event import Event, Row
from trackway.pipeline.desk import Desk

FILLS = ("properties", "url", "title")

MASKED = "[masked]"
SAMPLED_EVENTS = 40
MOST_VALUES = 100
MOST_LEVELS = 6


def hide_pii(event: Event, desk: Desk) -> Event:
    """`mask` puts "[masked]" in the place of a value, `drop` takes it away with its name."""
    return hide_paths(event, desk.pii_rules)


def hide_paths(event: Event, rules: Mapping[str, str]) -> Event:
    """The event as the rules, path to action, leave it. Hidden twice is as hidden once."""
    if not rules:
        return event
    properties: Any = event.properties
    for parts, action in split_rules(rules):
        properties = _hide(properties, parts, action)
    title = event.title
    if title and TITLE in rules:
        title = "" if rules[TITLE] == DROP else MASKED
    return replace(event, properties=properties, title=title, url=_hide_query(event.url, rules))


def _hide(value: Any, parts: tuple[str, ...], action: str) -> Any:
    """A copy where the path is there, else the value itself. Lists are passed through; a name may hold dots."""
    if isinstance(value, list):
        return [_hide(item, parts, action) for item in value]
    if not isinstance(value, dict):
        return value
    changed = dict(value)
    for length in range(1, len(parts) + 1):
        name = ".".join(parts[:length])
        if name not in changed:
            continue
        if length < len(parts):
            changed[name] = _hide(changed[name], parts[length:], action)
        elif action == DROP:
            del changed[name]
        else:
            changed[name] = MASKED
    return changed


def _hide_query(url: str, rules: Mapping[str, str]) -> str:
    hidden = {path.removeprefix(ROOTS[1]): action for path, action in rules.items() if path.startswith(ROOTS[1])}
    if not hidden or "?" not in url:
        return url
    try:
        split = urlsplit(url)
        pairs = parse_qsl(split.query, keep_blank_values=True)
    except ValueError:
        return url
    if not any(name in hidden for name, _ in pairs):
        return url
    kept = [(name, MASKED if name in hidden else value) for name, value in pairs if hidden.get(name) != DROP]
    return urlunsplit(split._replace(query=urlencode(kept)))


def look_for_pii(rows: Sequence[Row]) -> list[Finding]:
    """What a sample of a batch's events holds: every n-th, so that it costs the same however large the batch is."""
    step = max(1, len(rows) // SAMPLED_EVENTS)
    return [finding for row in islice(rows, 0, None, step) for finding in _look_at(row.event)]


def _look_at(event: Event) -> Iterator[Finding]:
    if event.source in OWN_SOURCES:
        return
    seen: set[tuple[str, str]] = set()
    for path, text in islice(_list_texts(event), MOST_VALUES):
        found = find_personal(text)
        if found is None or (path, found[0]) in seen:
            continue
        seen.add((path, found[0]))
        kind, example = found
        # A name that a sender made up may be a mail address itself, and what is told here outlives an erasure.
        told = ELSEWHERE if find_personal(path) else path[:LONGEST_PATH]
        yield Finding(event.workspace, event.source, event.event_type, told, kind, event.received_at, example)


def _list_texts(event: Event) -> Iterator[tuple[str, str]]:
    yield from _walk("properties", event.properties, MOST_LEVELS)
    if event.title:
        yield TITLE, event.title
    if "?" in event.url:
        try:
            pairs = parse_qsl(urlsplit(event.url).query)
        except ValueError:
            return
        yield from ((ROOTS[1] + name, value) for name, value in pairs)


def _walk(path: str, value: Any, levels: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif type(value) is int and value > 10**11:
        yield path, str(value)
    elif isinstance(value, dict) and levels:
        for name, item in value.items():
            yield from _walk(f"{path}.{name}", item, levels - 1)
    elif isinstance(value, list) and levels:
        for item in value:
            yield from _walk(path, item, levels - 1)
