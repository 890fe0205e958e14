"""The tracking plan: what events of a type must look like, every version that was ever in force, with who made it.

An entry says it for an event type of all sources, or of one, which then counts alone. Processes that check by the plan
read it again when the configuration's version rises.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError

from trackway.control.database import State, bump_version
from trackway.control.plan_schemas import CompiledSchema, PlanError, Violation, check_schema, compile_schema
from trackway.control.plan_tables import PLANS
from trackway.event import Event

LOG = logging.getLogger(__name__)

Mode = Literal["observe", "mark", "reject"]
MODES: tuple[Mode, ...] = get_args(Mode)
# Of the version that ends an entry.
OFF = "off"
EVERY_SOURCE = ""
LONGEST_TYPE = 200
MOST_ENTRIES = 1000
# The newest versions that are shown; all are kept.
VERSIONS_SHOWN = 50


class PlanEntry(Struct, frozen=True, kw_only=True):
    """One version of an entry. `source` is "" for all; `schema` is accessor to JSON Schema, empty where `mode` is off."""

    event_type: str
    source: str
    version: int
    mode: str
    schema: Mapping[str, Any]
    changed_by: str
    changed_at: int


class InForce(Struct, frozen=True):
    """An entry that events are checked by."""

    entry: PlanEntry
    compiled: CompiledSchema


class Broken(Struct, frozen=True):
    """The entry that an event breaks, and how."""

    entry: PlanEntry
    violations: Sequence[Violation]


class Plan:
    """The entries of one workspace that are in force."""

    def __init__(self, entries: Iterable[InForce] = ()) -> None:
        self._entries = {(each.entry.event_type, each.entry.source): each for each in entries}
        # Whether there is anything of which a sender is told.
        self.answers = any(each.entry.mode != "observe" for each in self._entries.values())

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, event_type: str, source: str) -> InForce | None:
        """The source's own entry, else the one for all sources."""
        return self._entries.get((event_type, source)) or self._entries.get((event_type, EVERY_SOURCE))

    def check(self, event: Event) -> "Broken | None":
        """What the event breaks; None when nothing."""
        found = self.find(event.event_type, event.source)
        violations = found.compiled.check(event) if found else ()
        return Broken(found.entry, violations) if found and violations else None


EMPTY_PLAN = Plan()


def word_violations(violations: Sequence[Violation]) -> str:
    """As a row keeps them: `properties.price: the value is not of type "number"; …`."""
    return "; ".join(f"{violation.path}: {violation.message}" for violation in violations)


def read_plans(state: State) -> dict[str, Plan]:
    """The plan of every workspace that has one."""
    entries: dict[str, list[InForce]] = {}
    with state.read() as connection:
        rows = connection.execute(_newest()).all()
    for row in rows:
        try:
            in_force = InForce(_read_entry(row), compile_schema(row.schema))
        except PlanError as error:
            # Set with another version of the library. Events are not held up by it.
            LOG.error("the plan of %r is not used: %s: %s", row.event_type, error.field, error)
            continue
        entries.setdefault(row.workspace, []).append(in_force)
    return {workspace: Plan(listed) for workspace, listed in entries.items()}


def list_entries(state: State, workspace: str) -> list[PlanEntry]:
    """What is in force, by event type and source."""
    query = _newest().where(PLANS.c.workspace == workspace).order_by(PLANS.c.event_type, PLANS.c.source)
    with state.read() as connection:
        return [_read_entry(row) for row in connection.execute(query)]


def list_versions(state: State, workspace: str, event_type: str, source: str) -> list[PlanEntry]:
    """All that was ever in force of an entry, newest first; a version of mode `off` ended it."""
    t = PLANS.c
    query = select(PLANS).where(t.workspace == workspace, t.event_type == event_type, t.source == source)
    with state.read() as connection:
        return [_read_entry(row) for row in connection.execute(query.order_by(t.version.desc()).limit(VERSIONS_SHOWN))]


def _newest() -> Any:
    t = PLANS.c
    keys = (t.workspace, t.event_type, t.source)
    inner = select(*keys, func.max(t.version).label("version")).group_by(*keys).subquery()
    same = [t[name] == inner.c[name] for name in ("workspace", "event_type", "source", "version")]
    return select(PLANS).join(inner, same[0] & same[1] & same[2] & same[3]).where(t.mode != OFF)


def _read_entry(row: Any) -> PlanEntry:
    return PlanEntry(
        event_type=row.event_type,
        source=row.source,
        version=row.version,
        mode=row.mode,
        schema=msgspec.json.decode(row.schema),
        changed_by=row.changed_by,
        changed_at=row.changed_at,
    )


class Change(Struct, frozen=True, kw_only=True):
    """What is to be in force: checked, not yet written."""

    event_type: str
    source: str
    mode: str
    schema: Mapping[str, Any]


def read_change(said: Any, known_sources: Iterable[str], at: str = "") -> Change:
    """An entry as JSON says it: {"event_type", "schema", "mode"?, "source"?}. PlanError in words for the operator.

    The mode `off` ends an entry and needs no schema.
    """
    if not isinstance(said, Mapping):
        raise PlanError("an entry must be an object", at.rstrip(".") or "entry")
    unknown = sorted(said.keys() - {"event_type", "source", "mode", "schema"})
    if unknown:
        raise PlanError(
            f"there is no field {unknown[0][:60]!r}; known: event_type, source, mode, schema", f"{at}{unknown[0][:60]}"
        )
    event_type, source, mode = said.get("event_type"), said.get("source") or EVERY_SOURCE, said.get("mode", "observe")
    if not isinstance(event_type, str) or not 0 < len(event_type) <= LONGEST_TYPE or "\x00" in event_type:
        raise PlanError(f"event_type must be a text of 1 to {LONGEST_TYPE} characters", f"{at}event_type")
    if source != EVERY_SOURCE and source not in known_sources:
        raise PlanError(
            f"no source of the workspace has the id {str(source)[:60]!r}; leave it out for all", f"{at}source"
        )
    if mode not in (*MODES, OFF):
        raise PlanError(f"mode must be one of {', '.join((*MODES, OFF))}", f"{at}mode")
    if mode == OFF:
        return Change(event_type=event_type, source=source, mode=OFF, schema={})
    try:
        schema = check_schema(said.get("schema"))
    except PlanError as error:
        raise PlanError(str(error), f"{at}{error.field}") from None
    return Change(event_type=event_type, source=source, mode=mode, schema=schema)


def change_plan(state: State, workspace: str, changes: Sequence[Change], changed_by: str, now: int) -> list[PlanEntry]:
    """Put the entries in force, all or none; processes follow within a second.

    One that says what is in force already makes no new version. PlanError when there would be too many.
    """
    for _ in range(3):
        try:
            return _append(state, workspace, changes, changed_by[:100], now)
        except IntegrityError:
            # Somebody else made that version in this moment (PostgreSQL; SQLite waits).
            continue
    raise RuntimeError(f"the plan of workspace {workspace!r} is being changed by others; try again")


def end_entry(state: State, workspace: str, event_type: str, source: str, changed_by: str, now: int) -> bool:
    """Check events of the type by this entry no more. False when none is in force. Its versions are kept."""
    ended = Change(event_type=event_type, source=source, mode=OFF, schema={})
    return bool(change_plan(state, workspace, [ended], changed_by, now))


def _append(state: State, workspace: str, changes: Sequence[Change], changed_by: str, now: int) -> list[PlanEntry]:
    with state.write() as connection:
        made = [entry for change in changes if (entry := _append_one(connection, workspace, change, changed_by, now))]
        if len(connection.execute(_newest().where(PLANS.c.workspace == workspace)).all()) > MOST_ENTRIES:
            raise PlanError(f"a plan holds at most {MOST_ENTRIES:,} entries", "entries")
        if made:
            bump_version(connection)
    return made


def _append_one(connection: Connection, workspace: str, change: Change, changed_by: str, now: int) -> PlanEntry | None:
    """The new version; None where nothing changes."""
    t = PLANS.c
    query = select(PLANS).where(t.workspace == workspace, t.event_type == change.event_type, t.source == change.source)
    newest = connection.execute(query.order_by(t.version.desc()).limit(1)).first()
    before = _read_entry(newest) if newest else None
    if (before.mode, before.schema) == (change.mode, change.schema) if before else change.mode == OFF:
        return None
    made = PlanEntry(
        event_type=change.event_type,
        source=change.source,
        version=before.version + 1 if before else 1,
        mode=change.mode,
        schema=change.schema,
        changed_by=changed_by,
        changed_at=now,
    )
    values = {name: getattr(made, name) for name in PlanEntry.__struct_fields__}
    values["schema"] = msgspec.json.encode(made.schema).decode()
    connection.execute(insert(PLANS).values(workspace=workspace, **values))
    return made
