"""Accounts in the relational state: who was seen with which company, from when to when, and its traits."""

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct
from sqlalchemy import Connection, select, tuple_

from trackway.control.database import add_up
from trackway.profiles.ledger import in_chunks
from trackway.profiles.tables import ACCOUNT_TRAITS, MEMBERSHIPS
from trackway.profiles.traits import Register, decode_register, encode_register


class Stay(Struct, frozen=True):
    """From the first to the last event that named an identifier and an account together.

    `event_id` is the evidence of the first.
    """

    first_at: int
    last_at: int
    event_id: str


def join_stays(a: Stay | None, b: Stay) -> Stay:
    if a is None:
        return b
    first = min(a, b, key=lambda stay: (stay.first_at, stay.event_id))
    return Stay(first.first_at, max(a.last_at, b.last_at), first.event_id)


def read_stays(connection: Connection, keys: Collection[tuple[bytes, str]]) -> dict[tuple[bytes, str], Stay]:
    found: dict[tuple[bytes, str], Stay] = {}
    for chunk in in_chunks({node for node, _ in keys}):
        for row in connection.execute(select(MEMBERSHIPS).where(MEMBERSHIPS.c.node.in_(chunk))):
            found[bytes(row.node), row.account] = Stay(row.first_at, row.last_at, row.event_id)
    return found


def read_members(connection: Connection, workspace: str, account: str) -> dict[bytes, Stay]:
    """Every identifier that was seen with an account."""
    query = select(MEMBERSHIPS).where(MEMBERSHIPS.c.workspace == workspace, MEMBERSHIPS.c.account == account)
    return {bytes(row.node): Stay(row.first_at, row.last_at, row.event_id) for row in connection.execute(query)}


def read_account_traits(
    connection: Connection, accounts: Collection[tuple[str, str]]
) -> dict[tuple[str, str, str], Register]:
    """Registers by workspace, account and name."""
    found: dict[tuple[str, str, str], Register] = {}
    for chunk in in_chunks(accounts):
        query = select(ACCOUNT_TRAITS).where(
            tuple_(ACCOUNT_TRAITS.c.workspace, ACCOUNT_TRAITS.c.account).in_(list(chunk))
        )
        for row in connection.execute(query):
            found[row.workspace, row.account, row.name] = decode_register(row.register)
    return found


def write_accounts(
    connection: Connection,
    traits: Mapping[tuple[str, str, str], Register],
    stays: Mapping[tuple[bytes, str], Stay],
    workspaces: Callable[[bytes], str],
) -> None:
    add_up(
        connection,
        ACCOUNT_TRAITS,
        [
            {"workspace": workspace, "account": account, "name": name, "register": encode_register(register)}
            for (workspace, account, name), register in traits.items()
        ],
        counted=(),
        latest=("register",),
    )
    add_up(
        connection,
        MEMBERSHIPS,
        [
            {
                "node": node,
                "account": account,
                "workspace": workspaces(node),
                "first_at": stay.first_at,
                "last_at": stay.last_at,
                "event_id": stay.event_id,
            }
            for (node, account), stay in stays.items()
        ],
        counted=(),
        latest=("first_at", "last_at", "event_id"),
    )
