"""Signed sessions of people who logged in: as a cookie with its CSRF token, or as a bearer token. Pure.

The secret and the user's epoch are arguments. A cookie is no bearer token, nor the other way round.
"""

import hashlib
import hmac
import secrets

from itsdangerous import BadData, URLSafeTimedSerializer
from msgspec import Struct

from trackway.control.users import User


class Session(Struct, frozen=True):
    user: str
    epoch: int
    nonce: str


COOKIE, BEARER = "session", "bearer"


def _serializer(secret: bytes, use: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=use, signer_kwargs={"digest_method": hashlib.sha256})


def sign_session(secret: bytes, user: User, use: str = COOKIE) -> str:
    """Value of the cookie `tw_session`, or a bearer token, for a user who has just logged in."""
    return _serializer(secret, use).dumps([user.name, user.epoch, secrets.token_hex(16)])


def read_session(secret: bytes, cookie: str, max_age_s: int, use: str = COOKIE) -> Session | None:
    """The session behind a cookie or token; None when it is forged, broken, too old or made for another use."""
    try:
        name, epoch, nonce = _serializer(secret, use).loads(cookie, max_age=max_age_s)
    except (BadData, ValueError, TypeError):
        return None
    return Session(name, epoch, nonce)


def csrf_token(secret: bytes, nonce: str) -> str:
    return hmac.new(secret, b"csrf:" + nonce.encode(), hashlib.sha256).hexdigest()
