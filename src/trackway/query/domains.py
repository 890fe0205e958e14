"""Who may belong to which account, by the domain of a mail address: told as a suggestion, written nowhere.

Station 5. An account's domain is its trait `domain`; where it has none, the domain that more than half
of its people with an address of a company have. A free-mail domain (`reference/free_mail.json`) says
nothing. Addresses are looked through by their end, which no index helps with: of a million that takes
0.1 s, also where a profile is asked for whose address is no free mail.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, Select, and_, select

from trackway.profiles.accounts import read_account_traits, read_stays
from trackway.profiles.identifiers import format_profile_id
from trackway.profiles.ledger import Known, in_chunks, read_profile
from trackway.profiles.tables import ACCOUNT_TRAITS, IDENTITIES, MEMBERSHIPS
from trackway.profiles.traits import decode_register, find_trait
from trackway.query.people import describe_identities, list_traits, name_person

MOST_SUGGESTED = 20
# Colleagues whose accounts are looked at when a suggestion is made for one person.
MOST_COLLEAGUES = 1000
MOST_CANDIDATES = 5
WHY_TRAIT = "its mail address has the domain of the account"
WHY_PEOPLE = "its mail address has the domain that most people of the account have"


class Domain(NamedTuple):
    """An account's domain, and why it counts as that."""

    name: str
    why: str


@cache
def list_free_mail() -> frozenset[str]:
    content = (resources.files("trackway.query") / "reference" / "free_mail.json").read_bytes()
    return frozenset(msgspec.json.decode(content)["domains"])


def read_domain(value: Any) -> str:
    """`https://www.Acme.com/about` -> acme.com; "" when it is no domain, or one of free mail."""
    if not isinstance(value, str):
        return ""
    text = value.strip().casefold()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    host = host.removeprefix("www.").strip(".")
    return "" if "." not in host or any(c.isspace() for c in host) or host in list_free_mail() else host


def domain_of_address(address: str) -> str:
    """Of a mail address; "" where it is one of free mail. Addresses are kept in lower case."""
    domain = address.rpartition("@")[2]
    return "" if domain in list_free_mail() else domain


def find_account_domain(connection: Connection, workspace: str, account: str, members: Collection[bytes]) -> Domain:
    """`members` are the profiles seen with the account. The name is "" when no domain is the account's own."""
    registers = read_account_traits(connection, [(workspace, account)])
    said = registers.get((workspace, account, "domain"))
    trait = find_trait("domain", [said]) if said else None
    if trait is not None:
        return Domain(read_domain(trait.value), WHY_TRAIT)
    counted = _count_domains(_read_addresses(connection, members))
    if counted:
        name, people = counted.most_common(1)[0]
        if people * 2 > sum(counted.values()):
            return Domain(name, WHY_PEOPLE)
    return Domain("", "")


def suggest_people(
    connection: Connection, workspace: str, domain: Domain, members: Collection[bytes]
) -> list[dict[str, Any]]:
    """People with an address of the domain who were not seen with the account."""
    if not domain.name:
        return []
    seen = set(members)
    found: dict[bytes, str] = {}
    for row in connection.execute(_select_addresses(workspace, domain.name)):
        if bytes(row.profile) not in seen:
            found.setdefault(bytes(row.profile), row.value)
        if len(found) == MOST_SUGGESTED:
            break
    names = name_profiles_of(connection, read_identities_of(connection, found))
    return [
        {"profile_id": format_profile_id(profile), "name": names[profile], "email": email, "why": domain.why}
        for profile, email in found.items()
    ]


def suggest_accounts(connection: Connection, workspace: str, known: Mapping[bytes, Known]) -> list[dict[str, Any]]:
    """Accounts that somebody with these identifiers may belong to and was not seen with."""
    addresses = [each.identifier.value for each in known.values() if each.identifier.kind == "email"]
    domains = [*dict.fromkeys(filter(None, map(domain_of_address, addresses)))]
    if not domains:
        return []
    seen = {account for _, account in read_stays(connection, [(node, "") for node in known])}
    found: dict[str, dict[str, Any]] = {}
    for domain in domains:
        for account, why in _list_accounts_of(connection, workspace, domain).items():
            if account not in seen:
                found.setdefault(account, {"account_id": account, "domain": domain, "why": why})
    return list(found.values())[:MOST_SUGGESTED]


def _list_accounts_of(connection: Connection, workspace: str, domain: str) -> dict[str, str]:
    """Account -> why the domain is its own."""
    said = and_(ACCOUNT_TRAITS.c.workspace == workspace, ACCOUNT_TRAITS.c.name == "domain")
    # The register is JSON text that holds the value as it was sent; what it means is read below.
    query = select(ACCOUNT_TRAITS).where(said, ACCOUNT_TRAITS.c.register.icontains(domain, autoescape=True))
    found = {}
    for row in connection.execute(query.order_by(ACCOUNT_TRAITS.c.account)):
        trait = find_trait("domain", [decode_register(row.register)])
        if trait is not None and read_domain(trait.value) == domain:
            found[row.account] = WHY_TRAIT
    for account in _list_accounts_of_colleagues(connection, workspace, domain):
        members = read_member_profiles(connection, workspace, account)
        if account not in found and find_account_domain(connection, workspace, account, members).name == domain:
            found[account] = WHY_PEOPLE
    return found


def _list_accounts_of_colleagues(connection: Connection, workspace: str, domain: str) -> list[str]:
    """The accounts with which most people of the domain were seen."""
    query = _select_addresses(workspace, domain).limit(MOST_COLLEAGUES)
    colleagues = {bytes(row.profile) for row in connection.execute(query)}
    counted: Counter[str] = Counter()
    for chunk in in_chunks(colleagues):
        stays = (
            select(MEMBERSHIPS.c.account, IDENTITIES.c.profile)
            .join(IDENTITIES, IDENTITIES.c.node == MEMBERSHIPS.c.node)
            .where(IDENTITIES.c.profile.in_(chunk))
            .distinct()
        )
        counted.update(row.account for row in connection.execute(stays))
    return [account for account, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_CANDIDATES]]


def read_member_profiles(connection: Connection, workspace: str, account: str) -> set[bytes]:
    query = (
        select(MEMBERSHIPS.c.node, IDENTITIES.c.profile)
        .outerjoin(IDENTITIES, IDENTITIES.c.node == MEMBERSHIPS.c.node)
        .where(MEMBERSHIPS.c.workspace == workspace, MEMBERSHIPS.c.account == account)
    )
    return {bytes(row.profile or row.node) for row in connection.execute(query)}


def name_profiles_of(connection: Connection, identities: Mapping[bytes, Mapping[bytes, Known]]) -> dict[bytes, str]:
    """What to call each of a few profiles, given their identifiers."""
    return {
        profile: name_person(
            format_profile_id(profile),
            list_traits(connection, {profile, *known}),
            describe_identities(known),
        )
        for profile, known in identities.items()
    }


def read_identities_of(connection: Connection, profiles: Iterable[bytes]) -> dict[bytes, dict[bytes, Known]]:
    """The identifiers of each of these profiles; none of one that the ledger does not have."""
    return {profile: read_profile(connection, profile) for profile in profiles}


def _select_addresses(workspace: str, domain: str) -> Select[tuple[bytes, str]]:
    ends = IDENTITIES.c.value.endswith(f"@{domain}", autoescape=True)
    return (
        select(IDENTITIES.c.profile, IDENTITIES.c.value)
        .where(IDENTITIES.c.workspace == workspace, IDENTITIES.c.kind == "email", ends)
        .order_by(IDENTITIES.c.value)
    )


def _read_addresses(connection: Connection, profiles: Collection[bytes]) -> Iterable[tuple[bytes, str]]:
    for chunk in in_chunks(profiles):
        query = select(IDENTITIES.c.profile, IDENTITIES.c.value).where(
            IDENTITIES.c.profile.in_(chunk), IDENTITIES.c.kind == "email"
        )
        yield from ((bytes(row.profile), row.value) for row in connection.execute(query))


def _count_domains(addresses: Iterable[tuple[bytes, str]]) -> Counter[str]:
    """How many people have an address of each domain that is no free mail."""
    pairs = {(profile, domain) for profile, address in addresses if (domain := domain_of_address(address))}
    return Counter(domain for _, domain in sorted(pairs))
