"""Slows down guessing of passwords: after some failures each further attempt has to wait.

Counted per account and address, and per address with more patience, since several people may
share one. Unknown accounts are counted like known ones, so the answers tell nothing. Kept in
memory of one process; the hash of a password costs enough that N processes are no way around it.
"""

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from msgspec import Struct

FREE_FAILURES = 3
FREE_FAILURES_OF_ADDRESS = 15
LONGEST_WAIT_S = 60.0
FORGOTTEN_AFTER_S = 3600.0
MOST_REMEMBERED = 10_000


class Failures(Struct, frozen=True):
    count: int
    last: float


class Attempts:
    """Failed logins. `monotonic` is a clock in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: dict[tuple[str, str], Failures] = {}

    def begin(self, account: str, address: str) -> float:
        """Seconds until an attempt may be made; 0 means now, and then it counts as failed until `forgive`.

        Counting first keeps a hundred attempts at the same moment from all being free.
        """
        now = self._monotonic()
        keys = _make_keys(account, address)
        wait = max(self._wait(key, free, now) for key, free in keys)
        if wait <= 0:
            for key, _ in keys:
                known = self._failures.pop(key, None)
                stale = known is None or now - known.last > FORGOTTEN_AFTER_S
                self._failures[key] = Failures(1 if known is None or stale else known.count + 1, now)
            while len(self._failures) > MOST_REMEMBERED:
                del self._failures[next(iter(self._failures))]  # the one that failed longest ago
        return max(0.0, wait)

    def forgive(self, account: str, address: str) -> None:
        """The attempt was right: forget the account's failures from there, and this one of the address."""
        (own, _), (shared, _) = _make_keys(account, address)
        self._failures.pop(own, None)
        others = self._failures.pop(shared, None)
        if others is not None and others.count > 1:
            self._failures[shared] = Failures(others.count - 1, others.last)

    def _wait(self, key: tuple[str, str], free: int, now: float) -> float:
        failures = self._failures.get(key)
        if failures is None or failures.count < free:
            return 0.0
        return failures.last + min(LONGEST_WAIT_S, 2.0 ** min(failures.count - free, 10)) - now


def _make_keys(account: str, address: str) -> list[tuple[tuple[str, str], int]]:
    network = _widen_address(address)
    own = "account " + account.casefold()[:200]
    return [((own, network), FREE_FAILURES), (("address", network), FREE_FAILURES_OF_ADDRESS)]


def _widen_address(address: str) -> str:
    """An IPv6 address stands for its /64, which one customer has whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
