"""Signed dashboard sessions and their CSRF tokens. Pure: the secret and the user's epoch are arguments."""

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


def _serializer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="session", signer_kwargs={"digest_method": hashlib.sha256})


def sign_session(secret: bytes, user: User) -> str:
    """Value of the cookie `tw_session` for a user who has just logged in."""
    return _serializer(secret).dumps([user.name, user.epoch, secrets.token_hex(16)])


def read_session(secret: bytes, cookie: str, max_age_s: int) -> Session | None:
    """The session behind a cookie; None when it is forged, broken or too old."""
    try:
        name, epoch, nonce = _serializer(secret).loads(cookie, max_age=max_age_s)
    except (BadData, ValueError, TypeError):
        return None
    return Session(name, epoch, nonce)


def csrf_token(secret: bytes, nonce: str) -> str:
    return hmac.new(secret, b"csrf:" + nonce.encode(), hashlib.sha256).hexdigest()
