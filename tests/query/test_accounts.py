"""Accounts with very many people: whose events are asked for, and what the answer says of it."""

from sqlalchemy import insert

from trackway.profiles.identifiers import Identifier
from trackway.profiles.tables import IDENTITIES, MEMBERSHIPS
from trackway.query.accounts import MOST_KEYS, MOST_PEOPLE, describe_account, list_accounts, read_account
from trackway.query.people import open_keys
from trackway.testing.installation import Installation

PEOPLE = 6_000


def add_people(installation: Installation) -> list[bytes]:
    """Contacts of the account `crowd`, each with an address, number n seen at second n."""
    workspace = installation.workspace
    make = open_keys(installation.state, workspace).make
    contacts = [make(Identifier("contact_id", f"c{n}")) for n in range(PEOPLE)]
    addresses = [make(Identifier("email", f"c{n}@crowd.example")) for n in range(PEOPLE)]
    known = [
        {"node": node, "workspace": workspace, "kind": kind, "value": value, "profile": contacts[n], "hub": False, "version": 1}
        for n in range(PEOPLE)
        for node, kind, value in (
            (contacts[n], "contact_id", f"c{n}"),
            (addresses[n], "email", f"c{n}@crowd.example"),
        )
    ]  # fmt: skip
    stays = [
        {"node": node, "account": "crowd", "workspace": workspace, "first_at": 0, "last_at": n * 1000, "event_id": "e"}
        for n, node in enumerate(contacts)
    ]
    with installation.state.write() as connection:
        connection.execute(insert(IDENTITIES), known)
        connection.execute(insert(MEMBERSHIPS), stays)
    return contacts


def test_of_a_crowd_those_seen_last_are_asked_for_and_the_answer_says_of_how_many(installation: Installation) -> None:
    contacts = add_people(installation)
    account = read_account(installation.store, installation.state, installation.workspace, "crowd")
    assert account is not None
    assert account.people == {"people": PEOPLE, "people_counted": MOST_KEYS // 2}
    assert len(account.keys) == MOST_KEYS
    assert list(account.stays) == contacts[::-1]

    described = describe_account(installation.store, installation.state, installation.workspace, "crowd")
    assert described is not None
    assert (described["figures"]["people"], described["figures"]["people_counted"]) == (PEOPLE, MOST_KEYS // 2)
    assert len(described["people"]) == MOST_PEOPLE
    assert described["people"][0]["name"] == f"c{PEOPLE - 1}@crowd.example"
    assert described["domain"] == "crowd.example"
    assert list_accounts(installation.state, installation.workspace)["items"][0]["people"] == PEOPLE
