"""Names by which an address says which campaign led to it.

Vocabulary: the parameter names of Google's campaign tagging, of Matomo's (mtm_, pk_), of Tracify's (trc_)
and of the advertising networks' click ids.
"""

from msgspec import Struct

# Ids of campaign, ad group and advertisement, as Tracify has them added by Meta (m) and Google (g).
TRACIFY_CAMPAIGNS = ("trc_mcmp_id", "trc_gcmp_id")
TRACIFY_GROUPS = ("trc_mag_id", "trc_gag_id")
TRACIFY_ADS = ("trc_mad_id", "trc_gad_id")

CAMPAIGN_NAMES: dict[str, tuple[str, ...]] = {
    "source": ("utm_source", "mtm_source", "pk_source"),
    "medium": ("utm_medium", "mtm_medium", "pk_medium"),
    "campaign": ("utm_campaign", "mtm_campaign", "pk_campaign", "pk_cpn", *TRACIFY_CAMPAIGNS),
    "term": ("utm_term", "mtm_keyword", "mtm_kwd", "pk_keyword", "pk_kwd", *TRACIFY_GROUPS),
    "content": ("utm_content", "mtm_content", "pk_content", *TRACIFY_ADS),
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


CLICK_IDS = {kind.name: kind for kind in CLICK_ID_KINDS}
CAMPAIGN_PARAMETERS = frozenset(CLICK_IDS).union(*CAMPAIGN_NAMES.values())
