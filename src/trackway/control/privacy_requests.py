"""Requests of people about their own data: asked for here, carried out by `trackway.privacy`.

A request is a row. The server writes it and shows how far it is; an erasure is moved on by the
pipeline's process, between two batches.
"""

import secrets
import uuid
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, insert, or_, select, update

from trackway.clock import format_time
from trackway.control.database import State
from trackway.control.privacy_tables import ERASED_RECORDS, PRIVACY_REQUESTS
from trackway.control.replaced import REPLACED_ROWS

# `expire` is retention's own; nobody asks for it.
Kind = Literal["erase", "anonymise", "export", "expire"]
EXPIRE = "expire"
# Between these two steps a row that is removed stands in the store twice: as itself and as its outcome.
REMOVING_STEPS = ("books", "events")
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
MOST_LISTED = 200
MOST_OPEN = 100


class About(Struct, frozen=True, omit_defaults=True):
    """Whom a request is about: an identifier, or a profile id as kind `profile_id`.

    Once the person is erased the value is gone: `sha256` is of `salt`, a zero byte and the value, so
    that whoever knows the value can see that it was theirs.
    """

    kind: str
    value: str = ""
    salt: str = ""
    sha256: str = ""

    def hide(self) -> "About":
        if not self.value:
            return self
        salt = secrets.token_hex(16)
        return About(self.kind, salt=salt, sha256=hash_value(salt, self.value))


def hash_value(salt: str, value: str) -> str:
    return sha256(f"{salt}\0{value}".encode()).hexdigest()


class Request(Struct, frozen=True, kw_only=True):
    """`profile` is the person's profile, or the node of the identifier, when it was asked."""

    id: str
    workspace: str
    kind: str
    profile: bytes
    about: About
    reason: str
    asked_by: str
    asked_at: int
    state: str
    step: str
    progress: str = "{}"
    answer: str = ""
    finished_at: int | None = None


def ask_request(
    state: State, workspace: str, kind: Kind, profile: bytes, about: About, asked_by: str, asked_at: int, reason: str
) -> Request:
    """Write a request down. An export is ready at once: its file is made when it is fetched."""
    ready = kind == "export"
    request = Request(
        id=str(uuid.uuid4()),
        workspace=workspace,
        kind=kind,
        profile=profile,
        about=about,
        reason=reason,
        asked_by=asked_by,
        asked_at=asked_at,
        state=DONE if ready else WAITING,
        step="",
        finished_at=asked_at if ready else None,
    )
    with state.write() as connection:
        values = msgspec.structs.asdict(request) | {"about": msgspec.json.encode(about).decode()}
        connection.execute(insert(PRIVACY_REQUESTS).values(**values))
    return request


def find_request(state: State, workspace: str, request_id: str) -> Request | None:
    t = PRIVACY_REQUESTS.c
    with state.read() as connection:
        row = connection.execute(
            select(PRIVACY_REQUESTS).where(t.id == request_id, t.workspace == workspace)
        ).one_or_none()
    return _read_row(row) if row else None


def list_requests(state: State, workspace: str, limit: int = MOST_LISTED) -> list[Request]:
    """The newest first."""
    t = PRIVACY_REQUESTS.c
    of_people = select(PRIVACY_REQUESTS).where(t.workspace == workspace, t.kind != EXPIRE)
    query = of_people.order_by(t.asked_at.desc(), t.id).limit(limit)
    with state.read() as connection:
        return [_read_row(row) for row in connection.execute(query)]


def list_open_requests(connection: Connection) -> list[Request]:
    """Those to work on: what was begun first, then what was asked first."""
    t = PRIVACY_REQUESTS.c
    found: list[Request] = []
    for state in (RUNNING, WAITING):
        query = (
            select(PRIVACY_REQUESTS)
            .where(t.state == state, t.kind != EXPIRE)
            .order_by(t.asked_at, t.id)
            .limit(MOST_OPEN)
        )
        found += [_read_row(row) for row in connection.execute(query)]
    return found


def start_run(state: State, workspace: str, progress: str, now: int) -> None:
    """A run of retention, which nobody asked for."""
    with state.write() as connection:
        connection.execute(
            insert(PRIVACY_REQUESTS).values(
                id=str(uuid.uuid4()),
                workspace=workspace,
                kind=EXPIRE,
                profile=bytes(16),
                about=msgspec.json.encode(About("event_type")).decode(),
                reason="",
                asked_by="retention",
                asked_at=now,
                state=RUNNING,
                step=REMOVING_STEPS[0],
                progress=progress,
                answer="",
                finished_at=None,
            )
        )


def find_run(connection: Connection) -> Request | None:
    """The run of retention that is not finished."""
    t = PRIVACY_REQUESTS.c
    row = connection.execute(select(PRIVACY_REQUESTS).where(t.state == RUNNING, t.kind == EXPIRE).limit(1)).first()
    return _read_row(row) if row else None


def list_runs(state: State, workspace: str, limit: int) -> list[Request]:
    """Runs of retention, newest first."""
    t = PRIVACY_REQUESTS.c
    query = select(PRIVACY_REQUESTS).where(t.workspace == workspace, t.kind == EXPIRE)
    with state.read() as connection:
        return [_read_row(row) for row in connection.execute(query.order_by(t.asked_at.desc(), t.id).limit(limit))]


def is_removing(connection: Connection) -> bool:
    """Are rows of the store being accounted for and removed at this moment?"""
    t = PRIVACY_REQUESTS.c
    query = select(t.id).where(t.state == RUNNING, t.step.in_(REMOVING_STEPS), t.kind.in_(("erase", EXPIRE)))
    return connection.execute(query.limit(1)).first() is not None


def is_anything_open(state: State) -> bool:
    """Is there a request to work on, a run of retention, a row or a record to remove? One question for all of them."""
    begun = select(PRIVACY_REQUESTS.c.id).where(PRIVACY_REQUESTS.c.state.in_((RUNNING, WAITING)))
    query = select(or_(*(found.exists() for found in (begun, select(REPLACED_ROWS), select(ERASED_RECORDS)))))
    with state.read() as connection:
        return bool(connection.execute(query).scalar())


def update_request(connection: Connection, request_id: str, **values: Any) -> None:
    connection.execute(update(PRIVACY_REQUESTS).where(PRIVACY_REQUESTS.c.id == request_id).values(**values))


def _read_row(row: Row[Any]) -> Request:
    values = {name: getattr(row, name) for name in Request.__struct_fields__}
    about = msgspec.json.decode(row.about, type=About)
    return Request(**values | {"about": about, "profile": bytes(row.profile)})


def describe_request(request: Request) -> Mapping[str, Any]:
    """As API, pages and command line show it; `certificate` is null until the erasure is done."""
    return {
        "id": request.id,
        "kind": request.kind,
        "about": request.about,
        "reason": request.reason,
        "asked_by": request.asked_by,
        "asked_at": format_time(request.asked_at),
        "state": request.state,
        "step": request.step,
        "finished_at": format_time(request.finished_at) if request.finished_at else "",
        "certificate": msgspec.Raw(request.answer.encode()) if request.answer else None,
    }
