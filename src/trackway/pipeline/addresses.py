"""Cuts the sender's address as the workspace's ip_mode says: full, truncated, hashed or dropped.

It comes right after `find_place`, the last stage that needs the whole address, and before anything
that can fail: so no whole address can reach the store, a dead letter or an error message.
"""

from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("ip", "context")

# A visitor sends several events; cutting an address anew takes ten times as long as remembering it.
CACHED_ADDRESSES = 8192

ADDRESS_HASH = "address_hash"
HASHED_PREFIX = "h:"
_HASHED_LENGTH = len(HASHED_PREFIX) + 16
_KEPT_OF_IPV6 = 0xFFFF_FFFF_FFFF << 80


def cut_ip(event: Event, desk: Desk) -> Event:
    """`ip` as the mode leaves it; a text that is no address becomes empty in every mode.

    A hash of the address that a sender gave (`context.address_hash`) stays in the mode `full` only: without a
    key, the address behind it is found by trying.
    """
    if desk.ip_mode != "full" and ADDRESS_HASH in event.context:
        event = replace(event, context={k: v for k, v in event.context.items() if k != ADDRESS_HASH})
    kept = cut_address(event.ip, desk.ip_mode, desk.ip_key) if event.ip else ""
    return event if kept == event.ip else replace(event, ip=kept)


@lru_cache(CACHED_ADDRESSES)
def cut_address(text: str, mode: str, key: bytes) -> str:
    if mode == "dropped":
        return ""
    if mode == "hashed" and _is_hashed(text):
        return text
    try:
        address = _unwrap(ip_address(text.strip().partition("%")[0]))
    except ValueError:
        return ""
    if mode == "hashed":
        # Keyed, because the four thousand million IPv4 addresses are soon tried through.
        return HASHED_PREFIX + blake2b(address.packed, digest_size=8, key=key).hexdigest()
    return _truncate(address) if mode == "truncated" else str(address)


def _truncate(address: IPv4Address | IPv6Address) -> str:
    """The network of /24, or /48 for IPv6: about what one provider gives to one town, or to one customer."""
    if isinstance(address, IPv4Address):
        return str(address).rpartition(".")[0] + ".0"
    return str(IPv6Address(int(address) & _KEPT_OF_IPV6))


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """::ffff:203.0.113.7 is an IPv4 address; as IPv6 its first 48 bits would be the same for everyone."""
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _is_hashed(text: str) -> bool:
    """A replayed or repeated event must not be hashed twice."""
    digits = text.removeprefix(HASHED_PREFIX)
    return len(text) == _HASHED_LENGTH and len(digits) == 16 and not set(digits) - set("0123456789abcdef")
