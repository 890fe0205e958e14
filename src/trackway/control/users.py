"""People who may log in to the dashboard, and API tokens. Passwords are kept as Argon2id."""

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from msgspec import Struct
from sqlalchemy import insert, select, update

from trackway.clock import now_ms
from trackway.control.database import State
from trackway.control.tables import TOKENS, USERS

FIRST_USER = "admin"
_HASHER = PasswordHasher()


@cache
def _nobodys_hash() -> str:
    """Verified when there is no such user, so that the answer takes as long."""
    return _HASHER.hash(secrets.token_hex(16))


class User(Struct, frozen=True):
    """`epoch` rises when the password changes; sessions of an older epoch end."""

    name: str
    epoch: int


class MadeToken(Struct, frozen=True):
    name: str
    token: str


def ensure_first_user(state: State) -> str | None:
    """Make the login of a new installation; returns its password, once, or None when there is a user."""
    with state.read() as connection:
        if connection.execute(select(USERS.c.name)).first() is not None:
            return None
    password = secrets.token_urlsafe(12)
    with state.write() as connection:
        connection.execute(
            insert(USERS).values(
                name=FIRST_USER, password_hash=_HASHER.hash(password), session_epoch=1, created_at=now_ms()
            )
        )
    return password


def set_password(state: State, name: str, password: str) -> None:
    """Change a password and end every session of its user. ValueError when it cannot be used."""
    if len(password) < 10:
        raise ValueError("a password needs at least 10 characters")
    with state.write() as connection:
        changed = connection.execute(
            update(USERS)
            .where(USERS.c.name == name)
            .values(password_hash=_HASHER.hash(password), session_epoch=USERS.c.session_epoch + 1)
        )
        if changed.rowcount == 0:
            raise ValueError(f"there is no user {name!r}")


def read_user(state: State, name: str) -> User | None:
    with state.read() as connection:
        row = connection.execute(select(USERS.c.session_epoch).where(USERS.c.name == name)).first()
    return User(name, row.session_epoch) if row else None


def check_password(state: State, name: str, password: str) -> User | None:
    """The user when the password is right. Takes as long for a name that does not exist."""
    with state.read() as connection:
        row = connection.execute(
            select(USERS.c.password_hash, USERS.c.session_epoch).where(USERS.c.name == name)
        ).first()
    try:
        _HASHER.verify(row.password_hash if row else _nobodys_hash(), password)
    except Argon2Error:
        return None
    return User(name, row.session_epoch) if row else None


def make_token(state: State, name: str) -> MadeToken:
    """A new API token; only its digest is kept."""
    token = "tw_api_" + secrets.token_hex(24)
    with state.write() as connection:
        connection.execute(
            insert(TOKENS).values(
                digest=hashlib.sha256(token.encode()).hexdigest(),
                name=name,
                shown=token[:12] + "…",
                created_at=now_ms(),
            )
        )
    return MadeToken(name, token)


def find_token(state: State, token: str) -> str | None:
    """The name of the token in force; None when there is none."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    with state.read() as connection:
        row = connection.execute(
            select(TOKENS.c.name).where(TOKENS.c.digest == digest, TOKENS.c.revoked_at.is_(None))
        ).first()
    return row.name if row else None
