"""Certificates of erasure: a JSON object and its Ed25519 signature by the installation's key.

Signed are the bytes of the certificate as JSON with sorted keys and no spaces, so that the file may
be indented or re-ordered on its way.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

ALGORITHM = "Ed25519"


class Signed(Struct, frozen=True):
    certificate: dict[str, Any]
    algorithm: str
    key: str
    signature: str


class WrongCertificate(ValueError):
    """It is none, or it is not what was signed; the text says which."""


def sign_certificate(certificate: Mapping[str, Any], seed: bytes) -> bytes:
    """The file: certificate, public key and signature as JSON. `seed` is the 32 bytes of the private key."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    signature = key.sign(_encode(certificate))
    return msgspec.json.encode(
        Signed(dict(certificate), ALGORITHM, show_public_key(seed), b64encode(signature).decode())
    )


def show_public_key(seed: bytes) -> str:
    return b64encode(Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()).decode()


def verify_certificate(content: bytes, key: str = "") -> dict[str, Any]:
    """The certificate in the file `content`. WrongCertificate when it does not hold.

    Without `key` it is checked against the key that stands in the file: that shows that nothing was
    changed, but not who signed.
    """
    try:
        signed = msgspec.json.decode(content, type=Signed)
        signature, public = b64decode(signed.signature), b64decode(signed.key)
        if signed.algorithm != ALGORITHM:
            raise WrongCertificate(f"its algorithm is {signed.algorithm!r}, this version knows {ALGORITHM}")
        verifier = Ed25519PublicKey.from_public_bytes(public)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WrongCertificate(f"this is no certificate: {error}") from None
    except ValueError as error:
        raise WrongCertificate(f"key or signature cannot be read: {error}") from None
    if key and key != signed.key:
        raise WrongCertificate(f"it was signed with the key {signed.key}, not with {key}")
    try:
        verifier.verify(signature, _encode(signed.certificate))
    except InvalidSignature:
        raise WrongCertificate("the signature does not fit: the certificate was changed after it was signed") from None
    return signed.certificate


def _encode(certificate: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(certificate, order="sorted")
