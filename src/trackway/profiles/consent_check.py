"""May this person be written to, or tracked: the question that a sender asks before it does so.

Reads the ledger and applies the policy; it writes nothing and records no question.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from trackway.clock import format_time
from trackway.control.database import State as Database
from trackway.control.workspaces import list_workspaces
from trackway.profiles.consent_words import Topic, resolve
from trackway.profiles.consents import read_history, read_stands
from trackway.profiles.identifiers import KINDS, Identifier, ProfileKeys, is_blocked, normalise
from trackway.profiles.policies import DEFAULT_POLICY
from trackway.profiles.policy_versions import read_policies


class NoIdentifier(ValueError):
    """A value that can name nobody; the text says why."""


class Checked(Struct, frozen=True):
    """`suppressed_by` names the topic whose withdrawal forbids it, as `email` or `email.marketing`; else None."""

    allowed: bool
    reason: str
    state: str
    suppressed_by: str | None


def read_identifier(kind: str, value: str, country: str = "") -> Identifier:
    """NoIdentifier when the kind is unknown or the value none of it."""
    if kind not in KINDS:
        raise NoIdentifier(f"there is no kind {kind[:60]!r}; known: {', '.join(KINDS)}")
    plain = "" if is_blocked(value) else normalise(kind, value, country)
    if not plain:
        raise NoIdentifier(f"{value[:60]!r} is no {kind} that names somebody")
    return Identifier(kind, plain)


def name_nodes(state: Database, workspace: str, identifiers: Sequence[Identifier]) -> list[bytes]:
    keys = next(ProfileKeys(found.hash_key) for found in list_workspaces(state) if found.id == workspace)
    return [keys.make(identifier) for identifier in identifiers]


def check_consent(
    state: Database,
    workspace: str,
    identifiers: Sequence[Identifier],
    asked: Topic,
    *,
    jurisdiction: str = "",
    source: str = "",
    now: int,
) -> Checked:
    """`jurisdiction` (DE, US-CA) is where the person is; "" takes the one that they last spoke from."""
    nodes = name_nodes(state, workspace, identifiers)
    with state.read() as connection:
        found = resolve(read_stands(connection, nodes, now), asked)
        if not jurisdiction:
            history = read_history(connection, nodes)
            jurisdiction = next((row["jurisdiction"] for row in history if row["jurisdiction"]), "")
    stand = found[0] if found else "unknown"
    if found and stand == "withdrawn":
        return Checked(False, f"{name_topic_of(found[1])} was withdrawn", stand, name_topic_of(found[1]))
    country, region = jurisdiction[:2], jurisdiction if "-" in jurisdiction else ""
    policy = read_policies(state).get(workspace, DEFAULT_POLICY)
    if policy.find_rule(country, region, asked.channel, source) is None:
        why = "was granted" if stand == "granted" else f"is {stand}, and no rule of the policy speaks of this channel"
        return Checked(stand == "granted", f"consent {why}", stand, None)
    decision = policy.decide(country, region, asked.channel, source, stand, False, False)
    return Checked(decision.outcome == "store", f"{decision.rule_id}: {decision.why}", stand, None)


def describe_consent(state: Database, workspace: str, identifier: Identifier, now: int) -> dict[str, Any]:
    """How the person behind an identifier stands, topic by topic, and everything they said, newest first."""
    nodes = name_nodes(state, workspace, [identifier])
    with state.read() as connection:
        stands, history = read_stands(connection, nodes, now), read_history(connection, nodes)
    return {
        "effective": [
            {
                "channel": topic.channel,
                "purpose": topic.purpose,
                "state": stand.state,
                "since": format_time(stand.occurred_at),
            }
            for topic, stand in sorted(stands.items())
        ],
        "history": [
            {
                **row,
                "occurred_at": format_time(row["occurred_at"]),
                "expires_at": format_time(row["expires_at"]) if row["expires_at"] else "",
            }
            for row in history
        ],
    }


def name_topic_of(topic: Topic) -> str:
    return ".".join(part for part in topic if part)
