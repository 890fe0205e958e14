"""Query of an address -> campaign fields and advertising click id, never an error.

Knowledge: the parameter names of Google's campaign tagging, of Matomo's (mtm_, pk_) and of the
advertising networks' click ids. It deliberately keeps no other parameter: what a site puts into
its addresses is its own business.
"""

from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct

CACHED_QUERIES = 4096
LONGEST_VALUE = 500

_CONTROLS = dict.fromkeys([*range(32), 127])

CAMPAIGN_NAMES: dict[str, tuple[str, ...]] = {
    "source": ("utm_source", "mtm_source", "pk_source"),
    "medium": ("utm_medium", "mtm_medium", "pk_medium"),
    "campaign": ("utm_campaign", "mtm_campaign", "pk_campaign", "pk_cpn"),
    "term": ("utm_term", "mtm_keyword", "mtm_kwd", "pk_keyword", "pk_kwd"),
    "content": ("utm_content", "mtm_content", "pk_content"),
}


class ClickIdKind(Struct, frozen=True):
    """`ads_only`: the network adds it to paid clicks alone, so that it proves an advertisement.

    `from_class` and `from_name` say where such a click comes from when the referrer is missing.
    """

    name: str
    network: str
    ads_only: bool
    from_class: str = ""


# In order of precedence when an address carries several: what proves an advertisement comes first.
CLICK_ID_KINDS: tuple[ClickIdKind, ...] = (
    ClickIdKind("gclid", "Google Ads", True),
    ClickIdKind("gbraid", "Google Ads", True),
    ClickIdKind("wbraid", "Google Ads", True),
    ClickIdKind("dclid", "Google Display & Video 360", True),
    ClickIdKind("msclkid", "Microsoft Advertising", True),
    ClickIdKind("yclid", "Yandex Direct", True),
    ClickIdKind("ttclid", "TikTok Ads", True),
    ClickIdKind("twclid", "X Ads", True),
    ClickIdKind("li_fat_id", "LinkedIn Ads", True),
    ClickIdKind("rdt_cid", "Reddit Ads", True),
    ClickIdKind("sccid", "Snap Ads", True),
    ClickIdKind("qclid", "Quora Ads", True),
    ClickIdKind("ndclid", "Nextdoor Ads", True),
    ClickIdKind("tblci", "Taboola", True),
    ClickIdKind("dicbo", "Outbrain", True),
    # Added to every link that leaves the network, paid or not.
    ClickIdKind("fbclid", "Meta", False, "social"),
    ClickIdKind("epik", "Pinterest", False, "social"),
)


class Campaign(Struct, frozen=True):
    """What a query says of where its visitor came from; "" and None where it says nothing."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    click_id_kind: str = ""
    click_id: str = ""


CLICK_IDS = {kind.name: kind for kind in CLICK_ID_KINDS}
_WANTED = frozenset(CLICK_IDS).union(*CAMPAIGN_NAMES.values())
NO_CAMPAIGN = Campaign()


class Queries:
    """Reads queries and remembers those read lately."""

    def __init__(self) -> None:
        self.read = lru_cache(CACHED_QUERIES)(_read_query)


def _read_query(query: str) -> Campaign:
    """Names in any case; `+` and percent signs decoded, undecodable bytes as U+FFFD; the first of a repeated name wins."""
    said: dict[str, str] = {}
    for name, value in parse_qsl(query, errors="replace"):
        name = name.lower()
        if name in _WANTED and name not in said and (value := value.translate(_CONTROLS).strip()[:LONGEST_VALUE]):
            said[name] = value
    if not said:
        return NO_CAMPAIGN
    click_id_kind = next((kind.name for kind in CLICK_ID_KINDS if kind.name in said), "")
    return Campaign(
        **{field: next((said[name] for name in names if name in said), "") for field, names in CAMPAIGN_NAMES.items()},
        click_id_kind=click_id_kind,
        click_id=said.get(click_id_kind, ""),
    )
