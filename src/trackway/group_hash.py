"""Tracify's hash of what identifies somebody: a mail address, an address and browser.

Vocabulary: needs nothing but the standard library, so that the client can share it with the server.
Test vectors: docs/reference/protocols/tracify.md.
"""

from hashlib import sha256

HASH_LENGTH = 64
DROPPED = 5
# Tracify's Ruby sample means to drop as many and drops one digit less.
DROPPED_IN_RUBY = 4


def calc_group(value: str, dropped: int = DROPPED) -> str:
    """64 hex digits: SHA-256 in hex without its last five digits, hashed once more.

    `value` is taken as it is: no trimming, no lower case; UTF-8. `dropped=4` gives what the Ruby sample
    of Tracify's page makes of it.
    """
    digest = sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return sha256(digest[: len(digest) - dropped].encode()).hexdigest()
