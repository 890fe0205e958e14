"""The sender's address and which request headers are kept.

`X-Forwarded-For` and a proxy's country header are believed only when the peer is one of the
setting `trusted_proxies`; the address is the rightmost one that is no trusted proxy.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from trackway.place_headers import PLACE_HEADERS

KEPT_HEADERS = frozenset(
    {
        "content-encoding",
        "content-type",
        "user-agent",
        "referer",
        "origin",
        "sec-gpc",
        "dnt",
        "accept-language",
        "x-timestamp",
    }
)
LONGEST_HEADER = 2048


class Proxies:
    """The networks of trusted proxies. ValueError when a network is not one."""

    def __init__(self, networks: str) -> None:
        self._networks = [ip_network(part.strip()) for part in networks.split(",") if part.strip()]
        self._is_trusted = lru_cache(4096)(self._look_up)

    def _look_up(self, address: str) -> bool:
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def is_trusted(self, peer: str) -> bool:
        return self._is_trusted(peer)

    def find_address(self, peer: str, forwarded: str) -> str:
        if not forwarded or not self.is_trusted(peer):
            return peer
        for hop in reversed(forwarded.split(",")):
            address = hop.strip().strip('"')
            if parse_address(address) is None:
                return peer
            if not self.is_trusted(address):
                return address
            peer = address
        return peer

    def keep_headers(
        self, headers: Mapping[str, str], peer: str, mask: Callable[[str], str] | None = None
    ) -> dict[str, str]:
        """Headers that protocols and stages may look at, changed by `mask`; the rest is never written down."""
        found = {name: headers[name] for name in KEPT_HEADERS if name in headers}
        if mask is not None:
            found = {name: mask(value) for name, value in found.items()}
        kept = {name: value[:LONGEST_HEADER] for name, value in found.items()}
        if self.is_trusted(peer):
            kept |= {name: headers[name][:LONGEST_HEADER] for name in PLACE_HEADERS if name in headers}
        return kept


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
