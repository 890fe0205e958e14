"""Lines of a web server's log in the combined format, as events of the native protocol. Pure.

What counts as a page (docs/how-to/import-an-access-log.md): a GET answered 200 or 304 whose path
ends in `/`, in a name without a dot, or in .html, .htm, .php, .asp, .aspx, .jsp or .xhtml.
Everything else is an event `request`, so that no line is left out.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from typing import Any

from msgspec import Struct

LINE = re.compile(
    r"(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) (?P<bytes>\d+|-)'
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
PAGE_ENDINGS = frozenset({"html", "htm", "php", "asp", "aspx", "jsp", "xhtml"})
PAGE_STATUSES = frozenset({"200", "304"})


class BadLine(Struct, frozen=True):
    """A line that is not in the format: its number from 1, and why."""

    number: int
    reason: str


def is_page(method: str, path: str, status: str) -> bool:
    last = path.split("?", 1)[0].rsplit("/", 1)[-1]
    ending = last.rsplit(".", 1)[-1].lower() if "." in last else ""
    return method == "GET" and status in PAGE_STATUSES and (not ending or ending in PAGE_ENDINGS)


def read_lines(lines: Iterable[str], site: str) -> Iterator[dict[str, Any] | BadLine]:
    """One event or one complaint per line that is not empty.

    The dedupe_key is made of the line and of how often it came before in the file, so that a
    second import adds nothing while two equal lines stay two events.
    """
    seen: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text:
            continue
        found = LINE.match(text)
        if found is None:
            yield BadLine(number, "is not in the combined log format")
            continue
        try:
            moment = datetime.strptime(found["time"], "%d/%b/%Y:%H:%M:%S %z")
        except ValueError:
            yield BadLine(number, f"has the time {found['time'][:40]!r}, not one like 17/May/2015:10:05:03 +0000")
            continue
        seen[text] += 1
        key = blake2b(f"{text}#{seen[text]}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        yield _make_event(found, moment, f"log:{key}", site)


def _make_event(found: "re.Match[str]", moment: datetime, key: str, site: str) -> dict[str, Any]:
    method, _, rest = found["request"].partition(" ")
    path, _, protocol = rest.rpartition(" ") if " " in rest else (rest, "", "")
    referrer, agent = found["referrer"], found["agent"]
    return {
        "event_type": "page_view" if is_page(method, path, found["status"]) else "request",
        "channel": "web",
        "occurred_at": moment.isoformat(),
        "dedupe_key": key,
        "url": (site.rstrip("/") + path)[:8192],
        "referrer": "" if referrer in (None, "-") else referrer[:8192],
        "properties": {
            "method": method,
            "path": path,
            "status": int(found["status"]),
            "bytes": 0 if found["bytes"] == "-" else int(found["bytes"]),
            "protocol": protocol,
            **({"remote_user": found["user"]} if found["user"] != "-" else {}),
        },
        "context": {"ip": found["host"], "user_agent": "" if agent in (None, "-") else agent},
    }
