"""The browser script's cookie, given again by the server, so that it outlives the browser's limit on script cookies.

Safari ends a cookie that a script wrote after seven days; one that came with an answer lives for the 400 days
it says. So an answer to a page's own request gives the cookie `tw_aid` back as it came. It never makes
an id, and never brings back one that the browser has not got: whoever removed it stays unknown.
"""

import re
from functools import cache, lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

import tldextract
from msgspec import Struct
from msgspec.structs import replace

from trackway.collect.protocol import Answering, Reply, Request
from trackway.control.sources import PUBLIC_CHANNELS
from trackway.event import Event
from trackway.place_headers import read_place
from trackway.profiles.consent_words import said_by, tracking_state
from trackway.profiles.policies import TRACKING, Policy

NAME = "tw_aid"
# The longest that browsers keep a cookie.
LASTS_S = 400 * 24 * 3600
CACHED_ORIGINS = 4096

_SENT = re.compile(rf"(?:^|;\s*){NAME}=([A-Za-z0-9_-]{{1,100}})(?:;|$)")
_BROWSER_SAYS_OURS = ("same-origin", "same-site")


class Site(Struct, frozen=True):
    """Where a page is. `domain` is the widest one that a cookie of it may have, "" where only its host may."""

    host: str = ""
    domain: str = ""
    secure: bool = False

    @property
    def name(self) -> str:
        return self.domain or self.host


def add_visitor_cookie(reply: Reply, request: Request, answering: Answering, policy: Policy) -> Reply:
    """`reply` with the cookie that `request` came with, where it may be given again; else `reply` as it is."""
    cookies = request.headers.get("cookie")
    if not cookies or NAME not in cookies:
        return reply
    found, submission, source = _SENT.search(cookies), answering.submission, answering.source
    if (
        found is None
        or submission.protocol != "native"
        or submission.trusted
        or source.channel not in PUBLIC_CHANNELS
        or source.settings.get("reissue_cookie") == "no"
        or request.headers.get("sec-gpc") == "1"
        or not _agrees(answering, policy, found[1])
    ):
        return reply
    site = _find_page(request)
    if site is None:
        return reply
    return replace(reply, headers=[*reply.headers, (b"set-cookie", _word_cookie(found[1], site).encode())])


def _agrees(answering: Answering, policy: Policy, visitor: str) -> bool:
    """Are these events of that visitor, and may all of them be stored as they are?"""
    taken = [verdict for verdict in answering.verdicts if verdict.event is not None]
    return any(verdict.event and verdict.event.anonymous_id == visitor for verdict in taken) and not any(
        verdict.stored or (verdict.event and not _may_keep(verdict.event, answering, policy)) for verdict in taken
    )


def _may_keep(event: Event, answering: Answering, policy: Policy) -> bool:
    """By what is known at the door: the event's own word, a proxy's country, DNT."""
    own = tracking_state(said_by(event), event.received_at) if event.consent or event.context else None
    if own in ("withdrawn", "pending", "expired"):
        return False
    headers = answering.submission.headers
    country, region = read_place(headers)
    dnt = headers.get("dnt") == "1"
    decision = policy.decide(country, region, TRACKING, event.source, own or "unknown", False, dnt)
    return decision.outcome == "store"


def _find_page(request: Request) -> Site | None:
    """The site of the page that sent this; None for a page of another site than ours.

    The browser's own judgement is right behind a proxy that names another host to us; where it is not
    sent (plain http, old browsers) page and host must have one registrable domain.
    """
    page = read_site(request.headers.get("origin", ""))
    if not page.host:
        return None
    judged = request.headers.get("sec-fetch-site")
    if judged is not None:
        return page if judged in _BROWSER_SAYS_OURS else None
    return page if page.name == read_site(f"//{request.headers.get('host', '')}").name else None


@lru_cache(CACHED_ORIGINS)
def read_site(origin: str) -> Site:
    """Of an origin; a site without a host where it names none."""
    try:
        parts = urlsplit(origin)
        host = parts.hostname or ""
    except ValueError:
        return Site()
    return Site(host, find_domain(host), parts.scheme == "https")


def find_domain(host: str) -> str:
    """The registrable domain by the Public Suffix List: example.co.uk of www.example.co.uk.

    "" of an address, a single label, and of a public suffix itself. A suffix that the list does not know
    is one label long, as browsers take it.
    """
    labels = host.split(".")
    if len(labels) < 2 or not all(labels) or _is_address(host):
        return ""
    found = _open_suffixes().extract_str(host)
    if found.suffix:
        return found.top_domain_under_public_suffix
    return ".".join(labels[-2:])


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@cache
def _open_suffixes() -> tldextract.TLDExtract:
    """The list inside the package, private suffixes included; nothing is fetched or written."""
    return tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), include_psl_private_domains=True)


def _word_cookie(visitor: str, site: Site) -> str:
    """As the script writes it, who reads it too: so it is not HttpOnly."""
    domain = f"; Domain={site.domain}" if site.domain else ""
    secure = "; Secure" if site.secure else ""
    return f"{NAME}={visitor}; Max-Age={LASTS_S}; Path=/; SameSite=Lax{domain}{secure}"
