"""What people decide about links: merge two profiles, undo, restore or approve a link.

A decision is a row that somebody asks for (`ask_decision`, any process) and the pipeline carries
out between two batches (`apply_decisions`), so that the ledger has one writer. The answer says
what changed.
"""

import time
import uuid
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select, update

from trackway.control.database import State
from trackway.profiles.graph import Edge, EdgeState, Verdict, make_edge_id
from trackway.profiles.identifiers import Identifier, format_profile_id
from trackway.profiles.ledger import Known, Neighbourhood, read_edges, read_known, read_neighbourhood
from trackway.profiles.people import People, Settled
from trackway.profiles.tables import DECISIONS

ACTIONS = ("merge", "undo", "restore", "approve")
NOBODY = bytes(16)
# The pipeline looks for decisions five times a second.
PATIENCE_S = 10.0
LOOK_EVERY_S = 0.05


class DecisionRefused(ValueError):
    """It cannot be carried out; the text says why and what to do."""


class Decision(Struct, frozen=True, kw_only=True):
    """`merge` joins the profiles `a` and `b`; the others are about the edge `edge`."""

    id: str
    workspace: str
    action: str
    edge: str = ""
    a: bytes = NOBODY
    b: bytes = NOBODY
    asked_by: str
    asked_at: int


def ask_decision(state: State, decision: Decision) -> None:
    with state.write() as connection:
        values = {name: getattr(decision, name) for name in Decision.__struct_fields__}
        connection.execute(insert(DECISIONS).values(**values, applied_at=None, answer=""))


def make_decision_id() -> str:
    return str(uuid.uuid4())


def read_answer(state: State, decision_id: str) -> dict[str, Any] | None:
    """What a decision brought about; None as long as it waits."""
    with state.read() as connection:
        row = connection.execute(
            select(DECISIONS.c.answer, DECISIONS.c.applied_at).where(DECISIONS.c.id == decision_id)
        ).first()
    if row is None or row.applied_at is None:
        return None
    answer: dict[str, Any] = msgspec.json.decode(row.answer)
    return answer


def wait_for_answer(state: State, decision_id: str) -> dict[str, Any] | None:
    """What the pipeline made of a decision; None when it takes longer than anybody should wait."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := read_answer(state, decision_id)) is None and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
    return answer


def list_waiting(connection: Connection) -> list[Decision]:
    query = select(DECISIONS).where(DECISIONS.c.applied_at.is_(None)).order_by(DECISIONS.c.asked_at, DECISIONS.c.id)
    return [
        Decision(
            id=row.id,
            workspace=row.workspace,
            action=row.action,
            edge=row.edge,
            a=bytes(row.a),
            b=bytes(row.b),
            asked_by=row.asked_by,
            asked_at=row.asked_at,
        )
        for row in connection.execute(query)
    ]


def list_applied(connection: Connection, edges: list[str]) -> list[dict[str, Any]]:
    """Who decided what about these edges, oldest first."""
    query = (
        select(DECISIONS)
        .where(DECISIONS.c.edge.in_(edges), DECISIONS.c.applied_at.is_not(None))
        .order_by(DECISIONS.c.applied_at)
    )
    return [
        {"edge": row.edge, "action": row.action, "by": row.asked_by, "at": row.applied_at}
        for row in connection.execute(query)
    ]


class Change(Struct, frozen=True):
    """Everything that hangs together with what a decision is about, with the decision made of `edge`."""

    edge: Edge
    near: Neighbourhood


def change_edges(connection: Connection, decision: Decision) -> Change:
    """The change that a decision would make to the ledger.

    DecisionRefused when it makes no sense. Writes nothing, so it serves a preview as well.
    """
    if decision.action == "merge":
        return _merge(connection, decision)
    edge = read_edges(connection, [decision.edge]).get(decision.edge)
    ends = read_known(connection, [edge.a, edge.b]) if edge else {}
    if edge is None or any(known.workspace != decision.workspace for known in ends.values()):
        raise DecisionRefused(f"there is no link {decision.edge[:40]!r}; trackway people explain lists them")
    verdict = {"undo": Verdict.UNDONE, "restore": Verdict.NONE, "approve": Verdict.APPROVED}[decision.action]
    if edge.verdict is verdict:
        raise DecisionRefused(f"the link {edge.id} already stands as {verdict.value or 'the rules say'}")
    near = read_neighbourhood(connection, [edge.a, edge.b])
    near.edges[edge.id] = replace(edge, verdict=verdict)
    return Change(near.edges[edge.id], near)


def _merge(connection: Connection, decision: Decision) -> Change:
    """The link hangs on the two ids that were named, so that later merges of either side do not hang on this one."""
    a, b = decision.a, decision.b
    known = read_known(connection, [a, b])
    if (known[a].profile if a in known else a) == (known[b].profile if b in known else b):
        raise DecisionRefused("both are one profile already")
    near = read_neighbourhood(connection, [a, b])
    for node in (a, b):
        # A device that was never linked has no row yet; its value is known from its events only.
        named = Known(decision.workspace, Identifier("profile_id", format_profile_id(node)), node)
        near.nodes.setdefault(node, known.get(node, named))
    low, high = sorted((a, b))
    edge = Edge(
        id=make_edge_id(low, high, "operator", trusted=True),
        a=low,
        b=high,
        rule="operator",
        trusted=True,
        occurred_at=decision.asked_at,
        event_id="",
        source="",
    )
    near.edges[edge.id] = edge
    return Change(edge, near)


def apply_decisions(state: State, people: People, stamp: int) -> int:
    """Carry out what waits, each in a transaction of its own. Returns how many were."""
    with state.read() as connection:
        waiting = list_waiting(connection)
    for decision in waiting:
        settled = Settled()
        with state.write() as connection:
            try:
                change = change_edges(connection, decision)
            except DecisionRefused as refused:
                answer: dict[str, Any] = {"refused": str(refused)}
            else:
                people.resolve_neighbourhood(change.near, settled, people.next_version(connection, stamp))
                people.write(connection, settled)
                answer = describe_change(change, settled)
            connection.execute(
                update(DECISIONS)
                .where(DECISIONS.c.id == decision.id)
                .values(
                    applied_at=stamp,
                    answer=msgspec.json.encode(answer).decode(),
                    edge=answer.get("edge", decision.edge),
                )
            )
        people.remember(settled)
    return len(waiting)


def describe_change(change: Change, settled: Settled) -> dict[str, Any]:
    """{"edge", "profiles": [{"profile_id", "identities": […]}…], "moved": […]} after a decision or in its preview."""
    near = change.near
    grouped: dict[bytes, list[Known]] = {}
    for node, profile in settled.resolution.profiles.items():
        grouped.setdefault(profile, []).append(near.nodes[node])
    moved = [node for node, known in near.nodes.items() if settled.resolution.profiles[node] != known.profile]
    return {
        "edge": change.edge.id,
        "profiles": [
            {
                "profile_id": format_profile_id(profile),
                "identities": [
                    {"kind": k.identifier.kind, "value": k.identifier.value}
                    for k in sorted(members, key=lambda k: k.identifier)
                ],
            }
            for profile, members in sorted(grouped.items())
        ],
        "moved": [
            {
                "kind": near.nodes[node].identifier.kind,
                "value": near.nodes[node].identifier.value,
                "from": format_profile_id(near.nodes[node].profile),
                "to": format_profile_id(settled.resolution.profiles[node]),
            }
            for node in sorted(moved)
        ],
        "edges_not_joining": [
            {"edge": edge_id, "state": standing.state.value, "why": standing.why.value}
            for edge_id, standing in sorted(settled.resolution.standings.items())
            if standing.state is not EdgeState.ACTIVE
        ],
    }
