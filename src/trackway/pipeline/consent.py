"""Decides by the workspace's policy whether an event is stored in full, without its person, later, or not at all.

It stands behind everything that is read out of address, user agent and query, because it takes
these away, and before `name_profile` and `cut_ip`: what is anonymous belongs to no profile, and
the day's visitor is hashed from the whole address. What an event says of consent is heard before
the decision, so that a withdrawal is written down although its event is dropped.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b

from msgspec.structs import replace
from sqlalchemy import Connection

from trackway.control.database import State as Database
from trackway.event import Event
from trackway.outcome import Reason
from trackway.pipeline.anonymity import make_anonymous
from trackway.pipeline.desk import Desk, Dropped, Held
from trackway.profiles.consent_words import (
    CONSENT_UPDATED,
    LONGEST_NAME,
    MEASURING,
    TRACKING_TOPICS,
    Statement,
    is_record,
    resolve,
    said_by,
    tracking_state,
)
from trackway.profiles.consents import (
    Heard,
    Registers,
    find_members,
    holds_any,
    join_registers,
    list_touched,
    read_registers,
    stand_at,
    take_in,
    write_heard,
)
from trackway.profiles.identifiers import UNLINKED_KINDS, ProfileKeys, collect_identifiers
from trackway.profiles.policies import DEFAULT_POLICY, TRACKING, Decision, Policy
from trackway.profiles.withdrawals import queue_withdrawals

FILLS = (
    *("consent_rule", "stored_as", "visitor_key", "url", "referrer", "title", "properties", "context", "consent"),
    *("anonymous_id", "session_id", "user_id", "contact_id", "account_id", "instance_id", "dedupe_key", "business_key"),
    *(
        "identifiers",
        "traits",
        "account_traits",
        "ip",
        "user_agent",
        "click_id",
        "weak_key",
        "profile_key",
        "profile_id",
    ),
)

LONGEST_USER_AGENT = 300

# A back end's own request says nothing of its visitor's browser.
_VISITORS_OWN_REQUEST = frozenset(("web", "mobile"))


def decide_consent(event: Event, desk: Desk) -> Event | Dropped | Held:
    """The event as the policy lets it be stored, with the id of the rule that said so."""
    statements = said_by(event) if event.consent or event.context else ()
    if statements:
        desk.consents.hear(event, statements, make_proof(event, desk.ip_key))
    if is_record(event):
        return event
    state = tracking_state(statements, event.received_at) if statements else None
    headers = desk.request_headers if event.channel in _VISITORS_OWN_REQUEST else _NO_HEADERS
    decision = desk.policy.decide(
        event.country,
        event.region,
        TRACKING,
        event.source,
        state or desk.consents.find(event),
        headers.get("sec-gpc") == "1",
        headers.get("dnt") == "1",
    )
    if decision.outcome == "drop":
        return Dropped(Reason.NO_CONSENT, f"{decision.rule_id or 'no rule'}: {decision.why}")
    ruled = event if decision.rule_id == event.consent_rule else replace(event, consent_rule=decision.rule_id)
    if decision.outcome == "hold":
        return _hold(ruled, decision, desk)
    return make_anonymous(ruled, desk) if decision.outcome == "anonymise" else ruled


def _hold(event: Event, decision: Decision, desk: Desk) -> Dropped | Held:
    if not collect_identifiers(event, desk.blocked_identifiers).found:
        return Dropped(Reason.NO_CONSENT, f"{decision.rule_id}: it names nobody who could agree, so it is not held")
    return Held(event, decision.hold_hours)


_NO_HEADERS: Mapping[str, str] = {}


class Consents:
    """How the people of one batch stand, and what its events say; written with the batch by `write`.

    `find_keys` and `find_policy` give a workspace's profile keys and policy. Events of the batch that come later stand by what
    earlier ones said, as if each had been committed by itself.
    """

    def __init__(
        self,
        state: Database,
        events: Iterable[Event],
        find_keys: Callable[[str], ProfileKeys],
        blocked: frozenset[str] = frozenset(),
        find_policy: Callable[[str], Policy] = lambda workspace: DEFAULT_POLICY,
    ) -> None:
        self._state, self._find_keys, self._blocked, self._find_policy = state, find_keys, blocked, find_policy
        self._members: dict[bytes, frozenset[bytes]] = {}
        self._registers: dict[bytes, Registers] = {}
        self.heard: list[Heard] = []
        listed = list(events)
        with state.read() as connection:
            # Where nobody ever said anything, nobody need be looked up.
            self._empty = not holds_any(connection)
            if not self._empty:
                self._look_up(connection, {node for event in listed for node in self.list_nodes(event)})
        self._idle = self._empty and not any(event.consent or "consent" in event.context for event in listed)

    def list_nodes(self, event: Event) -> tuple[bytes, ...]:
        """Whom the event names, the strongest first."""
        keys = self._find_keys(event.workspace)
        found = collect_identifiers(event, self._blocked).found
        linking = [identifier for identifier in found if identifier.kind not in UNLINKED_KINDS]
        return tuple(keys.make(identifier) for identifier in linking or found)

    def _look_up(self, connection: Connection, nodes: Iterable[bytes]) -> None:
        unknown = [node for node in nodes if node not in self._members]
        found = find_members(connection, unknown)
        members: set[bytes] = set().union(*found.values())
        for node, registers in read_registers(connection, members - self._registers.keys()).items():
            self._registers[node] = registers
        self._members |= found

    def find(self, event: Event) -> str:
        """granted, withdrawn, pending, expired or unknown, by all that the person behind the event said."""
        if self._idle:
            return "unknown"
        members = self._gather(self.list_nodes(event))
        registers = join_registers(self._registers[node] for node in members if node in self._registers)
        found = resolve(stand_at(registers, event.received_at), MEASURING) if registers else None
        return found[0] if found else "unknown"

    def _gather(self, nodes: tuple[bytes, ...]) -> frozenset[bytes]:
        """Whoever is behind these identifiers. They came together, so from now on they are one person."""
        # A telephone number may only have become one when its country was found, after the batch was looked up.
        missing = [node for node in nodes if node not in self._members]
        if missing and self._empty:
            self._members |= {node: frozenset((node,)) for node in missing}
        elif missing:
            with self._state.read() as connection:
                self._look_up(connection, missing)
        gathered = frozenset().union(*(self._members[node] for node in nodes))
        if len(nodes) > 1:
            self._members |= dict.fromkeys(gathered, gathered)
        return gathered

    def hear(self, event: Event, statements: Sequence[Statement], proof: Mapping[str, str]) -> None:
        """Remember what the event says, for the ledger and for later events; nothing when it names nobody."""
        nodes = self.list_nodes(event)
        if not nodes:
            return
        explicit = event.event_type == CONSENT_UPDATED
        kept = tuple(said for said in statements if explicit or said.state != "unknown")
        if not kept:
            return
        heard = Heard(
            event_id=event.event_id,
            workspace=event.workspace,
            source=event.source,
            nodes=nodes,
            jurisdiction=event.region or event.country or _read_said(event, "jurisdiction")[:10].upper(),
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            statements=kept,
            proof=proof,
            explicit=explicit,
        )
        self._gather(nodes)
        self.heard.append(heard)
        for node, said in list_touched(heard):
            self._registers[node] = take_in(self._registers.get(node, {}), said, heard.occurred_at)

    def write(self, connection: Connection, again: Collection[str] = ()) -> None:
        """In the transaction that commits the batch. Events in `again` were heard before, when they came."""
        withdrawn = [
            heard
            for heard in write_heard(connection, self.heard)
            if heard.event_id not in again or _holds_still(connection, heard)
        ]
        if withdrawn:
            queue_withdrawals(connection, withdrawn, self._find_policy)


def _holds_still(connection: Connection, heard: Heard) -> bool:
    """Whoever has agreed since is not to lose their past to a withdrawal before that."""
    registers = read_registers(connection, heard.nodes[:1]).get(heard.nodes[0], {})
    return any(registers[topic].state == "withdrawn" for topic in TRACKING_TOPICS if topic in registers)


def make_proof(event: Event, key: bytes) -> dict[str, str]:
    """Where a statement came from. The address only as a keyed hash, which can be compared and not read."""
    proof = {"source": event.source, "event_type": event.event_type}
    if event.ip:
        proof["ip_hash"] = blake2b(event.ip.encode("utf-8", "surrogatepass"), digest_size=16, key=key).hexdigest()
    if event.user_agent:
        proof["user_agent"] = event.user_agent[:LONGEST_USER_AGENT]
    for name in ("text_version", "recorded_by"):
        if said := _read_said(event, name):
            proof[name] = said
    return proof


def _read_said(event: Event, name: str) -> str:
    """A property of a consent that a back end, or somebody through the API, recorded for a person."""
    value = event.properties.get(name) if event.trusted and event.event_type == CONSENT_UPDATED else None
    return value[:LONGEST_NAME] if isinstance(value, str) else ""
