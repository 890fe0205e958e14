"""Keeps secret keys out of the log; otherwise what was sent is kept byte for byte.

The key that let a request in is masked wherever it stands, also with its characters escaped; so are other secret keys
of the same dialect, which are known by how they begin and by their digest. This happens before the protocol parses the
body: the door, the pipeline and every replay see the same bytes, and none of them needs a key any more.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache, partial

from msgspec import Struct

from trackway.control.sources import CREDENTIAL_FORMS

MASK, MASK_BYTES = "***", b"***"
# Of more look-alikes in one body none is looked up: asking for each would cost more than to read the body.
MOST_LOOKED_UP = 1000

# A letter, digit or underline, of which keys are made. Nobody has to escape these: senders do it who escape everything.
_ESCAPED_IN_KEYS = re.compile(rb"\\u00(?:3[0-9]|5[fF]|6[1-9a-fA-F]|7[0-9aA])")

IsSecret = Callable[[str], bool]


class KeyMask(Struct, frozen=True):
    """Of one request. `key` let it in, and is "" when it is public. Where nothing is found, the same object comes back."""

    protocol: str
    key: str
    is_secret: IsSecret

    def mask_body(self, body: bytes) -> bytes:
        """JSON may write each character of a key as `\\u00..`."""
        forms = read_forms(self.protocol)
        if any(beginning in body for beginning in forms.begin_bytes):
            body = forms.bytes.sub(partial(self._word, []), body)
        if self.key:
            body = body.replace(self.key.encode(), MASK_BYTES)
            if b"\\u00" in body and _ESCAPED_IN_KEYS.search(body):
                body = spell_in_json(self.key).sub(MASK_BYTES, body)
        return body

    def _word(self, looked_up: list[None], found: re.Match[bytes]) -> bytes:
        looked_up.append(None)
        return MASK_BYTES if len(looked_up) > MOST_LOOKED_UP or self.is_secret(found[0].decode()) else found[0]

    def concerns(self, text: str) -> bool:
        """May there be anything to mask, here or elsewhere?"""
        return bool(self.key) or any(beginning in text for beginning in read_forms(self.protocol).begin_text)

    def mask_text(self, text: str) -> str:
        """The same of an address or a header, where a character may be written as `%..`."""
        forms = read_forms(self.protocol)
        if any(beginning in text for beginning in forms.begin_text):
            text = forms.text.sub(lambda found: MASK if self.is_secret(found[0]) else found[0], text)
        if self.key:
            text = text.replace(self.key, MASK)
            if "%" in text:
                text = spell_in_address(self.key).sub(MASK, text)
        return text


class KeyForms(Struct, frozen=True):
    """How the secret keys of a dialect begin, and what they look like."""

    begin_text: tuple[str, ...]
    begin_bytes: tuple[bytes, ...]
    text: re.Pattern[str]
    bytes: re.Pattern[bytes]


@cache
def read_forms(protocol: str) -> KeyForms:
    form = CREDENTIAL_FORMS[protocol]
    beginnings = () if form.of_source else tuple(filter(None, (form.secret_prefix, form.test_prefix)))
    pattern = "|".join(f"{beginning}[0-9a-f]{{{2 * form.random_bytes}}}" for beginning in beginnings)
    as_bytes = tuple(beginning.encode() for beginning in beginnings)
    return KeyForms(beginnings, as_bytes, re.compile(pattern), re.compile(pattern.encode()))


@lru_cache(1024)
def spell_in_json(key: str) -> re.Pattern[bytes]:
    return re.compile("".join(rf"(?:{re.escape(c)}|\\u00(?i:{ord(c):02x}))" for c in key).encode())


@lru_cache(1024)
def spell_in_address(key: str) -> re.Pattern[str]:
    return re.compile("".join(f"(?:{re.escape(c)}|%(?i:{ord(c):02x}))" for c in key))
