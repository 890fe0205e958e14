"""Personal data where it should not be: what was found in properties, and what is masked or dropped.

Names of properties and of event types come from senders and have no end, so of each source a bounded number of places is
kept; what is found in others is counted as found elsewhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, select

from trackway.clock import format_time
from trackway.control.database import State, add_up, bump_version
from trackway.control.privacy_tables import PII_FINDINGS, PII_RULES

MASK, DROP, KEEP = "mask", "drop", "keep"
LONGEST_PATH = 200
MOST_LISTED = 500
# Kept of one event type of a source, and of one source.
MOST_PATHS = 200
MOST_OF_A_SOURCE = 2000
# In the place of a path, and of an event type, that is not kept.
ELSEWHERE = "elsewhere"
# Of the parts of an event, only these are looked at and can be hidden.
ROOTS = ("properties.", "url.query.")
TITLE = "title"


# Workspace, source, event type, path and kind.
_Key = tuple[str, str, str, str, str]


class Finding(Struct, frozen=True):
    """`seen` counts sampled events; `example` is masked."""

    workspace: str
    source: str
    event_type: str
    path: str
    kind: str
    at: int
    example: str


def note_findings(connection: Connection, findings: Iterable[Finding]) -> None:
    rows: dict[_Key, dict[str, Any]] = {}
    for each in findings:
        key = (each.workspace, each.source, each.event_type, each.path, each.kind)
        row = rows.setdefault(
            key,
            {
                "workspace": each.workspace,
                "source": each.source,
                "event_type": each.event_type,
                "path": each.path,
                "kind": each.kind,
                "seen": 0,
                "first_at": each.at,
                "last_at": each.at,
                "example": each.example,
            },
        )
        row["seen"] += 1
        row["last_at"] = max(row["last_at"], each.at)
    kept: dict[_Key, dict[str, Any]] = {}
    places = _Places(connection, rows)
    for key, row in rows.items():
        workspace, source, *_ = key
        event_type, path, _ = place = places.find(*key)
        folded = {**row, "event_type": event_type, "path": path}
        before = kept.setdefault((workspace, source, *place), folded)
        if before is not folded:
            before["seen"] += row["seen"]
            before["first_at"] = min(before["first_at"], row["first_at"])
            before["last_at"] = max(before["last_at"], row["last_at"])
    add_up(connection, PII_FINDINGS, list(kept.values()), counted=("seen",), latest=("last_at", "example"))


class _Places:
    """What is kept already of the sources and event types of `keys`, and where a finding is counted."""

    def __init__(self, connection: Connection, keys: Iterable[_Key]) -> None:
        t = PII_FINDINGS.c
        types: dict[tuple[str, str], set[str]] = {}
        for workspace, source, event_type, *_ in keys:
            types.setdefault((workspace, source), set()).add(event_type)
        self._of_source: dict[tuple[str, str], int] = {}
        self._of_type: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
        for (workspace, source), named in types.items():
            ours = (t.workspace == workspace, t.source == source)
            self._of_source[workspace, source] = connection.execute(
                select(func.count()).select_from(PII_FINDINGS).where(*ours)
            ).scalar_one()
            for event_type in named:
                self._of_type[workspace, source, event_type] = set()
            for row in connection.execute(
                select(t.event_type, t.path, t.kind).where(*ours, t.event_type.in_(sorted(named)))
            ):
                self._of_type[workspace, source, row.event_type].add((row.path, row.kind))

    def find(self, workspace: str, source: str, event_type: str, path: str, kind: str) -> tuple[str, str, str]:
        """Event type, path and kind under which it is counted."""
        known = self._of_type[workspace, source, event_type]
        if (path, kind) in known:
            return event_type, path, kind
        if self._of_source[workspace, source] >= MOST_OF_A_SOURCE:
            return ELSEWHERE, ELSEWHERE, kind
        if len(known) >= MOST_PATHS:
            path = ELSEWHERE
        if (path, kind) not in known:
            known.add((path, kind))
            self._of_source[workspace, source] += 1
        return event_type, path, kind


def list_findings(state: State, workspace: str) -> list[dict[str, Any]]:
    """The newest first, each with the rule that hides its path now ("" for none)."""
    t = PII_FINDINGS.c
    query = select(PII_FINDINGS).where(t.workspace == workspace).order_by(t.last_at.desc(), t.path).limit(MOST_LISTED)
    rules = read_pii_rules(state).get(workspace, {})
    with state.read() as connection:
        rows = connection.execute(query).all()
    return [
        {
            **{name: getattr(row, name) for name in ("source", "event_type", "path", "kind", "seen", "example")},
            "first_seen": format_time(row.first_at),
            "last_seen": format_time(row.last_at),
            "rule": rules.get(row.path, ""),
        }
        for row in rows
    ]


def read_pii_rules(state: State) -> dict[str, dict[str, str]]:
    """By workspace: path to mask or drop."""
    rules: dict[str, dict[str, str]] = {}
    with state.read() as connection:
        for row in connection.execute(select(PII_RULES)):
            rules.setdefault(row.workspace, {})[row.path] = row.action
    return rules


def list_pii_rules(state: State, workspace: str) -> list[Mapping[str, Any]]:
    with state.read() as connection:
        rows = connection.execute(
            select(PII_RULES).where(PII_RULES.c.workspace == workspace).order_by(PII_RULES.c.path)
        ).all()
    return [
        {"path": r.path, "action": r.action, "changed_by": r.changed_by, "changed_at": format_time(r.changed_at)}
        for r in rows
    ]


def set_pii_rule(state: State, workspace: str, path: str, action: str, by: str, now: int) -> None:
    """`mask` or `drop` a path from now on, or `keep` it again. ValueError when path or action is none."""
    if path != TITLE and not (path.startswith(ROOTS) and path not in ROOTS and len(path) <= LONGEST_PATH):
        raise ValueError("path must be title, or begin with properties. or url.query., as the findings name it")
    if action not in (MASK, DROP, KEEP):
        raise ValueError(f"action must be {MASK}, {DROP} or {KEEP}")
    with state.write() as connection:
        if action == KEEP:
            connection.execute(delete(PII_RULES).where(PII_RULES.c.workspace == workspace, PII_RULES.c.path == path))
        else:
            row = {"workspace": workspace, "path": path, "action": action, "changed_by": by, "changed_at": now}
            add_up(connection, PII_RULES, [row], counted=(), latest=("action", "changed_by", "changed_at"))
        bump_version(connection)


def split_rules(rules: Mapping[str, str]) -> Sequence[tuple[tuple[str, ...], str]]:
    """Paths of properties as their parts, with what is done to each."""
    return [
        (tuple(path.removeprefix(ROOTS[0]).split(".")), action)
        for path, action in rules.items()
        if path.startswith(ROOTS[0])
    ]
