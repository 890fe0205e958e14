"""The policies of workspaces: every version that was ever in force, with who made it.

Processes that decide by a policy read it again when the configuration's version rises.
"""

from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from trackway.control.database import State, bump_version
from trackway.profiles.consent_tables import POLICIES
from trackway.profiles.policies import DEFAULT_RULES, Policy, Rule, read_rules

# The newest versions that are shown; all are kept.
VERSIONS_SHOWN = 50


class PolicyVersion(Struct, frozen=True):
    """`version` 0 is the default policy, which nobody made."""

    version: int
    rules: tuple[Rule, ...]
    changed_by: str = ""
    changed_at: int = 0


def read_policies(state: State) -> dict[str, Policy]:
    """The policy in force of every workspace that has one of its own; the others have the default."""
    newest = select(POLICIES.c.workspace, func.max(POLICIES.c.version).label("version")).group_by(POLICIES.c.workspace)
    inner = newest.subquery()
    query = select(POLICIES.c.workspace, POLICIES.c.rules).join(
        inner, (POLICIES.c.workspace == inner.c.workspace) & (POLICIES.c.version == inner.c.version)
    )
    with state.read() as connection:
        return {row.workspace: Policy(_decode_rules(row.rules)) for row in connection.execute(query)}


def list_policy_versions(state: State, workspace: str) -> list[PolicyVersion]:
    """Newest first; the last is always the default."""
    query = select(POLICIES).where(POLICIES.c.workspace == workspace).order_by(POLICIES.c.version.desc())
    with state.read() as connection:
        rows = connection.execute(query.limit(VERSIONS_SHOWN)).all()
    own = [PolicyVersion(row.version, _decode_rules(row.rules), row.changed_by, row.changed_at) for row in rows]
    return [*own, PolicyVersion(0, DEFAULT_RULES)]


def change_policy(state: State, workspace: str, said: Any, changed_by: str, now: int) -> PolicyVersion:
    """Put `said`, a list of rules as JSON says them, in force; processes follow within a second. PolicyError."""
    rules = read_rules(said)
    for _ in range(3):
        try:
            return _append_policy(state, workspace, rules, changed_by, now)
        except IntegrityError:
            # Somebody else made that version in this moment (PostgreSQL; SQLite waits).
            continue
    raise RuntimeError(f"the policy of workspace {workspace!r} is being changed by others; try again")


def _append_policy(state: State, workspace: str, rules: tuple[Rule, ...], changed_by: str, now: int) -> PolicyVersion:
    with state.write() as connection:
        newest = select(func.max(POLICIES.c.version)).where(POLICIES.c.workspace == workspace)
        made = PolicyVersion((connection.execute(newest).scalar() or 0) + 1, rules, changed_by[:100], now)
        connection.execute(
            insert(POLICIES).values(
                workspace=workspace,
                version=made.version,
                rules=msgspec.json.encode(rules).decode(),
                changed_by=made.changed_by,
                changed_at=now,
            )
        )
        bump_version(connection)
    return made


def _decode_rules(text: str) -> tuple[Rule, ...]:
    return msgspec.json.decode(text, type=tuple[Rule, ...])
