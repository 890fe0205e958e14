"""Turns values of an answer into the texts that pages show. Pure; escapes nothing, templates do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

SHORT_ID = 8
SUMMARY_PROPERTIES = 3
LONGEST_VALUE = 40
_SCRIPTS_WRITE_EXPONENTS_FROM = 1e21
_UNITS = ((1_000_000_000, "bn"), (1_000_000, "m"))


def format_count(number: int) -> str:
    """`12,345`."""
    return f"{number:,}"


def format_compact(number: int) -> str:
    """`12,345`, and from a million on `1.24 m`."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:.3g} {unit}" if number < size * 1000 else f"{number // size:,} {unit}"
    return f"{number:,}"


def format_share(part: int, whole: int) -> str:
    """`37 %`; never 0 % or 100 % unless it is exactly that."""
    if not whole:
        return "0 %"
    percent = 100 * part / whole
    if 0 < percent < 1:
        return "< 1 %"
    if 99 < percent < 100:
        return "> 99 %"
    return f"{percent:.0f} %"


def format_money(amounts: Mapping[str, float]) -> str:
    """`129.90 EUR`, several currencies with commas between; an amount without a currency stands alone."""
    return ", ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in amounts.items())


def format_duration(ms: int) -> str:
    """`45 s`, `12 min`, `2 h 5 min`."""
    minutes, seconds = divmod(ms // 1000, 60)
    if not minutes:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def format_value(value: Any) -> str:
    """A trait's value: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def format_clock(moment: str) -> str:
    """`10:04:05` of `2026-01-31T10:04:05.123Z`."""
    return moment[11:19]


def format_minute(moment: str) -> str:
    return moment[11:16]


def format_day(moment: str) -> str:
    """`31 Jan 2026, 10:04:05`."""
    if not moment:
        return ""
    when = datetime.fromisoformat(moment)
    return f"{when.day} {when:%b %Y, %H:%M:%S}"


def format_date(moment: str) -> str:
    """`31 Jan 2026`."""
    return format_day(moment).partition(",")[0]


def read_ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1000) if moment else 0


def format_age(moment: str, now_ms: int) -> str:
    """`12 s ago`, `3 min ago`, `5 h ago`, `2 d ago` of an ISO moment; `never` of an empty one."""
    if not moment:
        return "never"
    seconds = max(0, int(now_ms / 1000 - datetime.fromisoformat(moment).timestamp()))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def shorten(value: str, length: int) -> str:
    """At most `length` characters; what was cut off shows as `…`."""
    return value if len(value) <= length else value[: length - 1].rstrip() + "…"


def find_link(value: object) -> str:
    """The text when it may become an href: an absolute http(s) address; else empty."""
    if not isinstance(value, str) or any(ord(c) <= 32 or c == "\\" for c in value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in ("http", "https") and parts.hostname else ""


def name_visitor(event: Mapping[str, Any]) -> str:
    """A short name to tell visitors apart by: of a known person the id, else the end of the visitor's key.

    The end, because ids that begin with a time share their beginning. `static/js/feed.js` does the same.
    """
    known = event["user_id"] or event["contact_id"]
    if known:
        return shorten(known, 2 * SHORT_ID)
    return str(event["anonymous_id"] or event["visitor_key"].partition(":")[2])[-SHORT_ID:]


def summarize_event(event: Mapping[str, Any]) -> str:
    """One line that says what it was about: the page's title, else its path, else some properties.

    `static/js/feed.js` does the same for events that arrive while the page is open.
    """
    if event["title"] or event["path"] or event["url"]:
        return str(event["title"] or event["path"] or event["url"])
    properties = read_object(event["properties"])
    shown = [(name, value) for name, value in properties.items() if isinstance(value, str | int | float)]
    return ", ".join(f"{name}: {_say(value)}" for name, value in shown[:SUMMARY_PROPERTIES])


def _say(value: str | int | float) -> str:
    """As scripts write it: `true`, and `2` for 2.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _SCRIPTS_WRITE_EXPONENTS_FROM:
        return str(int(value))
    return shorten(str(value), LONGEST_VALUE)


def read_object(raw: Any) -> dict[str, Any]:
    """`properties` or `context` of an answer, where they are JSON text as it was accepted."""
    decoded: Any = msgspec.json.decode(raw) if isinstance(raw, msgspec.Raw) else raw
    return decoded if isinstance(decoded, dict) else {}


def format_json(raw: Any) -> str:
    """Indented JSON with every number as it was sent; empty text for an empty object."""
    text = bytes(raw) if isinstance(raw, msgspec.Raw) else msgspec.json.encode(raw)
    pretty = msgspec.json.format(text, indent=2).decode()
    return "" if pretty == "{}" else pretty
