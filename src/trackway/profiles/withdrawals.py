"""What a withdrawal means for what is stored already: per policy nothing, or a request to anonymise or erase it.

The request stands in the transaction that writes the withdrawal down; `trackway.privacy` carries it
out. Repeating a withdrawal asks for nothing again.
"""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, select

from trackway.control.database import add_up
from trackway.control.privacy_requests import WAITING, About
from trackway.control.privacy_tables import PRIVACY_REQUESTS
from trackway.profiles.consents import Heard, read_history
from trackway.profiles.identifiers import format_profile_id
from trackway.profiles.policies import TRACKING, Policy
from trackway.profiles.tables import IDENTITIES


def queue_withdrawals(connection: Connection, withdrawn: Sequence[Heard], find_policy: Callable[[str], Policy]) -> None:
    """`withdrawn` said for the first time that their person does not want to be tracked."""
    rows = []
    for heard in withdrawn:
        country, region = _find_jurisdiction(connection, heard)
        rule = find_policy(heard.workspace).find_rule(country, region, TRACKING, heard.source)
        if rule is None or rule.on_withdrawal == "keep":
            continue
        profile = _find_profile(connection, heard.nodes[0])
        rows.append(
            {
                # One request per withdrawal, whatever is tried again.
                "id": heard.event_id,
                "workspace": heard.workspace,
                "kind": rule.on_withdrawal,
                "profile": profile,
                "about": msgspec.json.encode(About("profile_id", format_profile_id(profile))).decode(),
                "reason": f"consent to tracking was withdrawn; rule {rule.id}",
                "asked_by": f"source {heard.source}",
                "asked_at": heard.received_at,
                "state": WAITING,
                "step": "",
                "progress": "{}",
                "answer": "",
                "finished_at": None,
            }
        )
    add_up(connection, PRIVACY_REQUESTS, rows, counted=(), latest=("id",))


def _find_jurisdiction(connection: Connection, heard: Heard) -> tuple[str, str]:
    """Where the event was sent from; what a back end records counts for where the person last spoke from."""
    said = heard.jurisdiction
    if not said:
        history = read_history(connection, heard.nodes)
        said = next((row["jurisdiction"] for row in history if row["jurisdiction"]), "")
    return said[:2], said if "-" in said else ""


def _find_profile(connection: Connection, node: bytes) -> bytes:
    found = connection.execute(select(IDENTITIES.c.profile).where(IDENTITIES.c.node == node)).scalar()
    return bytes(found) if found else node
