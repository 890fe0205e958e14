"""Text of an address -> host, path, query and registrable domain, never an error.

Knowledge: the Public Suffix List's snapshot inside tldextract (code BSD-3-Clause, list MPL-2.0, unchanged);
it is read from the package, never from the network, and nothing is written. It deliberately does
not judge whether an address exists.
"""

import re
from functools import lru_cache

import tldextract
from msgspec import Struct

CACHED_ADDRESSES = 4096
CACHED_HOSTS = 8192
LONGEST_HOST = 253

_CONTROLS = dict.fromkeys([*range(32), 127])
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_AUTHORITY_END = re.compile(r"[/?#\\]")


class WebAddress(Struct, frozen=True):
    """Parts of an address. `query` has no question mark; all are "" where the text has none.

    `domain` is the registrable domain (example.co.uk), or the host itself where there is none
    (localhost, an IP address).
    """

    scheme: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    domain: str = ""


class Suffixes:
    """The Public Suffix List, private suffixes included: two sites on github.io are strangers."""

    def __init__(self) -> None:
        self._extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)
        self.split = lru_cache(CACHED_HOSTS)(self._extract.extract_str)

    def find_domain(self, host: str) -> str:
        return self.split(host).top_domain_under_public_suffix or host


class WebAddresses:
    """Splits addresses and remembers those split lately."""

    def __init__(self, suffixes: Suffixes) -> None:
        self._suffixes = suffixes
        self.read = lru_cache(CACHED_ADDRESSES)(self._read)

    def _read(self, text: str) -> WebAddress:
        text = text.translate(_CONTROLS).strip()
        scheme, rest = _split_scheme(text)
        if scheme and not rest.startswith("//"):
            return WebAddress(scheme=scheme)
        rest = rest.partition("#")[0]
        if not scheme and not rest.startswith("//"):
            return self._read_without_scheme(rest)
        authority, tail = _split_authority(rest[2:])
        # A back end may send a host as //example.com; it means the web.
        host = tidy_host(authority) if scheme in ("http", "https", "android-app", "ios-app", "") else ""
        return self._join(scheme, host, tail)

    def _read_without_scheme(self, rest: str) -> WebAddress:
        """`/pricing?x=1` is a path; `www.example.com/pricing` is meant as an address if the suffix is public."""
        if not rest.startswith("/"):
            authority, tail = _split_authority(rest)
            host = tidy_host(authority)
            if host and self._suffixes.split(host).top_domain_under_public_suffix:
                return self._join("", host, tail)
        path, _, query = rest.partition("?")
        return WebAddress(path=path if path.startswith("/") else "", query=query)

    def _join(self, scheme: str, host: str, tail: str) -> WebAddress:
        path, _, query = tail.partition("?")
        path = path.replace("\\", "/") or ("/" if host else "")
        return WebAddress(scheme, host, path, query, self._suffixes.find_domain(host) if host else "")


def _split_scheme(text: str) -> tuple[str, str]:
    """`localhost:3000/a` has a port, not a scheme."""
    match = _SCHEME.match(text)
    if not match or text[match.end() : match.end() + 1].isdigit():
        return "", text
    return text[: match.end() - 1].lower(), text[match.end() :].replace("\\", "/", 2)


def _split_authority(text: str) -> tuple[str, str]:
    end = _AUTHORITY_END.search(text)
    return (text[: end.start()], text[end.start() :]) if end else (text, "")


def tidy_host(authority: str) -> str:
    """Host of `user:password@Host:port` in lower case and ASCII form, "" when it is none."""
    host = authority.rpartition("@")[2].lower()
    host = "".join(host.partition("]")[:2]) if host.startswith("[") else host.partition(":")[0]
    host = host.rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    return host if len(host) <= LONGEST_HOST and _HOST.fullmatch(host) else ""
