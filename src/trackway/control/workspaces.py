"""Workspaces: a customer of ours, what is done with addresses in it, its hashing key.

`test` is the test space: sources of `environment=test` send there, and nothing of it meets the people
and figures of any other workspace.
"""

import secrets
from typing import Any

from msgspec import Struct
from sqlalchemy import insert, select, update

from trackway.clock import now_ms
from trackway.control.database import State, bump_version
from trackway.control.tables import CONFIGURATION, WORKSPACES

FIRST_WORKSPACE = "main"
TEST_WORKSPACE = "test"
IP_MODES = ("full", "truncated", "hashed", "dropped")


class Workspace(Struct, frozen=True):
    """`ip_mode` is one of IP_MODES; `hash_key` keys the hashes that hide addresses."""

    id: str
    name: str
    ip_mode: str
    hash_key: bytes


def ensure_first_workspace(state: State) -> None:
    with state.write() as connection:
        if connection.execute(select(WORKSPACES.c.id)).first() is not None:
            return
        connection.execute(insert(CONFIGURATION).values(name="version", value=1))
        connection.execute(insert(WORKSPACES).values(**_new_workspace(FIRST_WORKSPACE, "Main", "truncated")))


def ensure_test_workspace(state: State) -> None:
    """The test space, made when it is not there yet; it keeps of addresses what the first workspace does."""
    with state.write() as connection:
        modes = {row.id: row.ip_mode for row in connection.execute(select(WORKSPACES.c.id, WORKSPACES.c.ip_mode))}
        if TEST_WORKSPACE not in modes:
            made = _new_workspace(TEST_WORKSPACE, "Test space", modes.get(FIRST_WORKSPACE, "truncated"))
            connection.execute(insert(WORKSPACES).values(**made))
            bump_version(connection)


def _new_workspace(workspace: str, name: str, ip_mode: str) -> dict[str, Any]:
    return {
        "id": workspace,
        "name": name,
        "ip_mode": ip_mode,
        "hash_key": secrets.token_bytes(32),
        "created_at": now_ms(),
    }


def list_workspaces(state: State) -> list[Workspace]:
    with state.read() as connection:
        rows = connection.execute(select(WORKSPACES).order_by(WORKSPACES.c.id)).all()
    return [Workspace(r.id, r.name, r.ip_mode, r.hash_key) for r in rows]


def set_ip_mode(state: State, workspace: str, ip_mode: str) -> None:
    """ValueError when there is no such mode or workspace."""
    if ip_mode not in IP_MODES:
        raise ValueError(f"ip_mode must be one of {', '.join(IP_MODES)}, not {ip_mode!r}")
    with state.write() as connection:
        changed = connection.execute(update(WORKSPACES).where(WORKSPACES.c.id == workspace).values(ip_mode=ip_mode))
        if changed.rowcount == 0:
            raise ValueError(f"there is no workspace {workspace!r}")
        bump_version(connection)
