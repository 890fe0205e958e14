"""Host of a referrer -> which kind of service sent the visitor, and its name.

Knowledge: the Matomo project's list of search engines and social networks (CC0-1.0) and a short
table of our own for what that list lacks, both in `pipeline/reference/`, whose README has origin, version and
sums. It deliberately sees hosts only: browsers no longer send the path of another site.
"""

from functools import lru_cache
from importlib import resources

import msgspec
from msgspec import Struct

from trackway.pipeline.knowledge.web_addresses import Suffixes

CACHED_HOSTS = 8192

# The second halves of two-label country suffixes that the list's placeholder stands for (co.uk, com.br).
_SECOND_LEVELS = frozenset(("com", "org", "net", "co", "it", "edu"))


class Referrer(Struct, frozen=True):
    """A known service; `kind` is a value of `Event.referrer_class`."""

    kind: str
    name: str


class _Listed(Struct):
    search: dict[str, str]
    social: dict[str, str]


class _Group(Struct):
    kind: str = msgspec.field(name="class")
    why: str
    hosts: dict[str, str]


class Referrers:
    """The loaded tables and the hosts looked up lately."""

    def __init__(self, suffixes: Suffixes) -> None:
        folder = resources.files("trackway.pipeline") / "reference"
        listed = msgspec.json.decode((folder / "matomo.json").read_bytes(), type=_Listed)
        groups = msgspec.json.decode((folder / "additions.json").read_bytes(), type=list[_Group])
        # Only the host of a listed address counts: no browser shows us another site's path.
        self._engines = {_strip_www(host): name for host, name in listed.search.items() if "/" not in host}
        self._networks = listed.social
        self._ours = {host: Referrer(group.kind, name) for group in groups for host, name in group.hosts.items()}
        self._suffixes = suffixes
        self.find = lru_cache(CACHED_HOSTS)(self._find)

    def _find(self, host: str) -> Referrer | None:
        """Our table and networks match their subdomains too; engines do not (docs.google.com is no search)."""
        ends = _name_parents(host)
        for end in ends:
            if known := self._ours.get(end):
                return known
        for form in self._write_country_forms(_strip_www(host)):
            if name := self._engines.get(form):
                return Referrer("search", name)
        for end in ends:
            if name := self._networks.get(end):
                return Referrer("social", name)
        return None

    def _write_country_forms(self, host: str) -> list[str]:
        """The host as it may stand in the list, where `{}` is a country: google.co.uk -> google.{}."""
        forms = [host]
        parts = self._suffixes.split(host)
        second, _, last = parts.suffix.rpartition(".")
        if len(last) == 2 and (not second or second in _SECOND_LEVELS):
            forms.append(host[: -len(parts.suffix)] + "{}")
        first, _, rest = host.partition(".")
        if len(first) == 2:
            forms.append("{}." + rest)
        return forms


def _strip_www(host: str) -> str:
    return host.removeprefix("www.")


def _name_parents(host: str) -> list[str]:
    """`a.b.com` -> a.b.com, b.com, com; at most eight labels, no listed host has more."""
    labels = host.split(".")[-8:]
    return [".".join(labels[start:]) for start in range(len(labels))]
