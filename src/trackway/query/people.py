"""Who somebody is: from an id or an identifier to a profile, its identifiers, traits and accounts.

Station 5. The ledger says which identifiers are one person, the event store what they did. An
identifier that was never linked is known to the store alone: its profile is its own node.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, select

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.tables import WORKSPACES
from trackway.profiles.accounts import Stay, read_stays
from trackway.profiles.identifiers import KINDS, Identifier, ProfileKeys, format_profile_id, normalise, read_profile_id
from trackway.profiles.ledger import Known, read_known, read_profile, read_traits
from trackway.profiles.traits import Said, Trait, find_traits
from trackway.query.questions import QuestionError

NAMES = ("name", "full_name", "fullname", "display_name", "data.pii.display_name")
SHORT_NAMES = (
    ("first_name", "firstname", "data.pii.firstname"),
    ("last_name", "lastname", "data.pii.lastname"),
)
SHORT_ID = 6


class Person(Struct, frozen=True):
    """A profile: its id, and what the ledger has of its identifiers (nothing, when it was never linked)."""

    profile: bytes
    known: Mapping[bytes, Known]

    @property
    def id(self) -> str:
        return format_profile_id(self.profile)

    @property
    def keys(self) -> list[str]:
        """The nodes of all its identifiers, as the event store's profile_key holds them."""
        return [format_profile_id(node) for node in sorted({self.profile, *self.known})]

    @property
    def identified(self) -> bool:
        return any(KINDS[known.identifier.kind].person for known in self.known.values())


def open_keys(state: State, workspace: str) -> ProfileKeys:
    with state.read() as connection:
        key = connection.execute(select(WORKSPACES.c.hash_key).where(WORKSPACES.c.id == workspace)).scalar_one()
    return ProfileKeys(key)


def check_profile_id(text: str) -> bytes:
    try:
        return read_profile_id(text)
    except ValueError:
        raise QuestionError(
            f"{text[:60]!r} is no profile id; one looks like 25f1c778-f0f0-88e0-a9d5-f6dd1bb67312", "profile_id"
        ) from None


def find_person(state: State, workspace: str, profile_id: str) -> Person | None:
    """Whose id this is or ever was; None when it is none that this workspace gave out.

    QuestionError when it is no UUID. That somebody is found does not mean that there are events.
    """
    node = check_profile_id(profile_id)
    if not open_keys(state, workspace).issued(node):
        return None
    with state.read() as connection:
        return read_person(connection, node)


def read_person(connection: Connection, node: bytes) -> Person:
    found = read_known(connection, [node])
    profile = found[node].profile if node in found else node
    return Person(profile, read_profile(connection, profile) if found else {})


def check_identifier(kind: str, value: str, country: str = "") -> Identifier:
    """The identifier as it is compared. QuestionError when there is no such kind, or the value is none of it."""
    if kind not in KINDS:
        raise QuestionError(f"there is no kind of identifier {kind[:60]!r}; known: {', '.join(KINDS)}", "kind")
    compared = normalise(kind, value, country)
    if not compared:
        raise QuestionError(f"{value[:100]!r} is no value of the kind {kind}", "value")
    return Identifier(kind, compared)


def find_by_identifier(state: State, workspace: str, kind: str, value: str, country: str = "") -> Person:
    """Whoever has this identifier; with no `known` when the ledger never saw it linked."""
    node = open_keys(state, workspace).make(check_identifier(kind, value, country))
    with state.read() as connection:
        return read_person(connection, node)


def list_traits(connection: Connection, nodes: Collection[bytes]) -> list[Trait]:
    registers = read_traits(connection, nodes)
    return find_traits((name, register) for (_, name), register in registers.items())


def describe_trait(trait: Trait) -> dict[str, Any]:
    return {
        "name": trait.name,
        "value": trait.value,
        **_describe_evidence(trait),
        "others": [{"value": said.value, **_describe_evidence(said)} for said in trait.others],
    }


def _describe_evidence(said: Trait | Said) -> dict[str, Any]:
    evidence = said.evidence
    return {
        "occurred_at": format_time(evidence.occurred_at),
        "event_id": evidence.event_id,
        "source": evidence.source,
    }


def describe_identities(known: Mapping[bytes, Known]) -> list[dict[str, Any]]:
    """Strongest kind first."""
    ordered = sorted(known.items(), key=lambda pair: (KINDS[pair[1].identifier.kind].rank, pair[1].identifier.value))
    return [
        {"kind": each.identifier.kind, "value": each.identifier.value, "profile_key": format_profile_id(node)}
        for node, each in ordered
    ]


def describe_accounts(connection: Connection, nodes: Collection[bytes]) -> list[dict[str, Any]]:
    """The accounts somebody was seen with, the current one (seen last) first."""
    wanted = set(nodes)
    stays: dict[str, Stay] = {}
    for (node, account), stay in read_stays(connection, [(node, "") for node in wanted]).items():
        if node in wanted:
            old = stays.get(account)
            first = min(filter(None, (old, stay)), key=lambda s: (s.first_at, s.event_id))
            stays[account] = Stay(first.first_at, max(stay.last_at, old.last_at if old else 0), first.event_id)
    ordered = sorted(stays.items(), key=lambda pair: (-pair[1].last_at, pair[0]))
    return [
        {
            "account_id": account,
            "first_at": format_time(stay.first_at),
            "last_at": format_time(stay.last_at),
            "event_id": stay.event_id,
            "current": number == 0,
        }
        for number, (account, stay) in enumerate(ordered)
    ]


def name_person(profile: str, traits: Iterable[Trait], identities: Iterable[Mapping[str, Any]]) -> str:
    """What to call somebody: a name they gave, else their strongest id, else `Visitor` and the end of the profile's id."""
    values = {trait.name: trait.value for trait in traits if isinstance(trait.value, str) and trait.value.strip()}
    for name in NAMES:
        if name in values:
            return values[name].strip()
    parts = [values[name].strip() for names in SHORT_NAMES for name in names if name in values]
    if parts:
        return " ".join(parts)
    found = {identity["kind"]: str(identity["value"]) for identity in identities}
    for kind in ("email", "user_id", "contact_id", "phone"):
        if kind in found:
            return found[kind]
    return f"Visitor {profile[-SHORT_ID:]}"
