"""Accounts: who was seen with one, what it did, who else may belong to it, and the list of all.

Station 5. An account's events are those that name it and those of everybody who was seen with it,
also from before they were known. Of an account with very many people the events of those seen last
are asked for: at most `MOST_KEYS` identifiers, which one question takes in about a third of a second.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, func, literal, or_, select, union_all

from trackway.clock import format_time
from trackway.control.database import State
from trackway.profiles.accounts import Stay, join_stays, read_account_traits, read_members, read_stays
from trackway.profiles.identifiers import KINDS, format_profile_id
from trackway.profiles.ledger import Known, in_chunks, read_known
from trackway.profiles.tables import ACCOUNT_TRAITS, IDENTITIES, MEMBERSHIPS
from trackway.profiles.traits import Register, Trait, decode_register, find_trait, find_traits
from trackway.query.activity import Whose, summarise
from trackway.query.cursors import AccountCursor, decode_account_cursor, encode_cursor
from trackway.query.domains import find_account_domain, name_profiles_of, read_identities_of, suggest_people
from trackway.query.people import describe_trait
from trackway.query.questions import FEWEST_ITEMS, MOST_ITEMS, check_number, check_text
from trackway.store.client import EventStore

MOST_KEYS = 10_000
MOST_PEOPLE = 100


class Account(Struct, frozen=True):
    """An account as the relational state has it: people by profile, those seen last first; and its traits."""

    id: str
    stays: Mapping[bytes, Stay]
    keys: Sequence[str]
    counted: int
    traits: Sequence[Trait]

    @property
    def whose(self) -> Whose:
        return Whose(self.keys, self.id)

    @property
    def people(self) -> dict[str, Any]:
        """How many people it has, and the events of how many of them are asked for."""
        return {"people": len(self.stays), "people_counted": self.counted}


def read_account(store: EventStore, state: State, workspace: str, account_id: str) -> Account | None:
    """None when nothing is known of it: no trait, nobody seen with it, and no event that names it."""
    with state.read() as connection:
        stays = _read_people(connection, workspace, account_id)
        registers = read_account_traits(connection, [(workspace, account_id)])
        keys, counted = _choose_keys(connection, stays)
    if not stays and not registers and not summarise(store, workspace, Whose([], account_id))["events"]:
        return None
    return Account(account_id, stays, keys, counted, find_traits((name, r) for (_, _, name), r in registers.items()))


def _read_people(connection: Connection, workspace: str, account: str) -> dict[bytes, Stay]:
    """Stays by profile: all identifiers of a person are one."""
    members = read_members(connection, workspace, account)
    known = read_known(connection, members)
    people: dict[bytes, Stay] = {}
    for node, stay in members.items():
        profile = known[node].profile if node in known else node
        people[profile] = join_stays(people.get(profile), stay)
    return dict(sorted(people.items(), key=lambda pair: (-pair[1].last_at, pair[0])))


def _choose_keys(connection: Connection, stays: Mapping[bytes, Stay]) -> tuple[list[str], int]:
    """Identifiers of as many people as fit, those seen last first; and how many people that are."""
    nodes: dict[bytes, set[bytes]] = {profile: {profile} for profile in list(stays)[:MOST_KEYS]}
    for chunk in in_chunks(nodes):
        query = select(IDENTITIES.c.node, IDENTITIES.c.profile).where(IDENTITIES.c.profile.in_(chunk))
        for row in connection.execute(query):
            nodes[bytes(row.profile)].add(bytes(row.node))
    keys: list[str] = []
    for counted, own in enumerate(nodes.values()):
        if len(keys) + len(own) > MOST_KEYS:
            return keys, counted
        keys += map(format_profile_id, sorted(own))
    return keys, len(nodes)


def describe_account(store: EventStore, state: State, workspace: str, account_id: str) -> dict[str, Any] | None:
    """Everything about an account but its events; None when nothing is known of it."""
    account = read_account(store, state, workspace, account_id)
    if account is None:
        return None
    with state.read() as connection:
        shown = list(account.stays)[:MOST_PEOPLE]
        domain = find_account_domain(connection, workspace, account_id, account.stays)
        people = _describe_people(connection, account, shown)
        suggested = suggest_people(connection, workspace, domain, account.stays)
    return {
        "account_id": account_id,
        "name": name_account(account_id, account.traits),
        "domain": domain.name,
        "traits": [describe_trait(trait) for trait in account.traits],
        "people": people,
        "figures": summarise(store, workspace, account.whose) | account.people,
        "suggested": suggested,
    }


def name_account(account_id: str, traits: Collection[Trait]) -> str:
    name = next((trait.value for trait in traits if trait.name == "name"), "")
    return name.strip() if isinstance(name, str) and name.strip() else account_id


def _describe_people(connection: Connection, account: Account, profiles: Sequence[bytes]) -> list[dict[str, Any]]:
    identities = read_identities_of(connection, profiles)
    names = name_profiles_of(connection, identities)
    current = _find_current(connection, identities)
    return [
        {
            "profile_id": format_profile_id(profile),
            "name": names[profile],
            "identified": any(KINDS[known.identifier.kind].person for known in identities[profile].values()),
            "first_at": format_time(account.stays[profile].first_at),
            "last_at": format_time(account.stays[profile].last_at),
            "current": current.get(profile) == account.id,
        }
        for profile in profiles
    ]


def _find_current(connection: Connection, identities: Mapping[bytes, Mapping[bytes, Known]]) -> dict[bytes, str]:
    """The account that each profile was seen with last."""
    owner = {node: profile for profile, known in identities.items() for node in (profile, *known)}
    best: dict[bytes, tuple[int, str]] = {}
    for (node, account), stay in read_stays(connection, [(node, "") for node in owner]).items():
        # The order of a profile's own list: seen last, then by name.
        rank = (-stay.last_at, account)
        best[owner[node]] = min(best.get(owner[node], rank), rank)
    return {profile: account for profile, (_, account) in best.items()}


def list_accounts(state: State, workspace: str, *, limit: int = 50, cursor: str = "", name: str = "") -> dict[str, Any]:
    """{"items": [{"account_id", "name", "people", "last_at"}…], "next"}: seen last first.

    `name` keeps those whose name or id holds it, whatever its capitals. QuestionError for a wrong limit or cursor.
    """
    check_number("limit", limit, FEWEST_ITEMS, MOST_ITEMS)
    after = decode_account_cursor(cursor) if cursor else None
    with state.read() as connection:
        wanted = _find_by_name(connection, workspace, check_text("name", name)) if name else None
        page = _read_page(connection, workspace, limit + 1, after, wanted)
        shown = [account for account, _ in page[:limit]]
        people = _count_people(connection, workspace, shown)
        registers = read_account_traits(connection, [(workspace, account) for account in shown])
    last = page[limit - 1] if len(page) > limit else None
    return {
        "items": [
            {
                "account_id": account,
                "name": name_account(account, _find_own(registers, workspace, account)),
                "people": people.get(account, 0),
                "last_at": format_time(last_at) if last_at else "",
            }
            for account, last_at in page[:limit]
        ],
        "next": encode_cursor(AccountCursor(last[1], last[0])) if last else None,
    }


def _find_own(registers: Mapping[tuple[str, str, str], Register], workspace: str, account: str) -> list[Trait]:
    found = registers.get((workspace, account, "name"))
    trait = find_trait("name", [found]) if found else None
    return [trait] if trait else []


def _read_page(
    connection: Connection, workspace: str, limit: int, after: AccountCursor | None, wanted: Collection[str] | None
) -> list[tuple[str, int]]:
    """Accounts with when somebody was last seen with them, 0 where nobody ever was."""
    seen = select(MEMBERSHIPS.c.account, MEMBERSHIPS.c.last_at).where(MEMBERSHIPS.c.workspace == workspace)
    told = select(ACCOUNT_TRAITS.c.account, literal(0)).where(ACCOUNT_TRAITS.c.workspace == workspace).distinct()
    both = union_all(seen, told).subquery()
    last_at = func.max(both.c.last_at).label("last_at")
    query = select(both.c.account, last_at).group_by(both.c.account).order_by(last_at.desc(), both.c.account)
    if after is not None:
        query = query.having(
            or_(last_at < after.last_at, (last_at == after.last_at) & (both.c.account > after.account))
        )
    if wanted is None:
        query = query.limit(limit)
    rows = ((row.account, row.last_at) for row in connection.execute(query))
    return [row for row in rows if wanted is None or row[0] in wanted][:limit]


def _find_by_name(connection: Connection, workspace: str, text: str) -> set[str]:
    part = text.casefold()
    ids = union_all(
        select(MEMBERSHIPS.c.account).where(MEMBERSHIPS.c.workspace == workspace).distinct(),
        select(ACCOUNT_TRAITS.c.account).where(ACCOUNT_TRAITS.c.workspace == workspace).distinct(),
    )
    found = {row.account for row in connection.execute(ids) if part in row.account.casefold()}
    named = select(ACCOUNT_TRAITS.c.account, ACCOUNT_TRAITS.c.register).where(
        ACCOUNT_TRAITS.c.workspace == workspace, ACCOUNT_TRAITS.c.name == "name"
    )
    for row in connection.execute(named):
        trait = find_trait("name", [decode_register(row.register)])
        if trait is not None and part in str(trait.value).casefold():
            found.add(row.account)
    return found


def _count_people(connection: Connection, workspace: str, accounts: Collection[str]) -> dict[str, int]:
    person = func.coalesce(IDENTITIES.c.profile, MEMBERSHIPS.c.node)
    query = (
        select(MEMBERSHIPS.c.account, func.count(person.distinct()).label("people"))
        .outerjoin(IDENTITIES, IDENTITIES.c.node == MEMBERSHIPS.c.node)
        .where(MEMBERSHIPS.c.workspace == workspace, MEMBERSHIPS.c.account.in_(list(accounts)))
        .group_by(MEMBERSHIPS.c.account)
    )
    return {row.account: row.people for row in connection.execute(query)}
