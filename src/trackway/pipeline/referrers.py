"""Splits url and referrer and says which kind of place the visit came from."""

import re

from msgspec.structs import replace

from trackway.campaign_words import CLICK_IDS
from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.pipeline.knowledge.referrers import Referrer
from trackway.pipeline.knowledge.web_addresses import tidy_host

FILLS = ("host", "path", "referrer_host", "referrer_class", "referrer_name")

# cpc, cpm, cpv, ppc, retargeting, paid-anything, display, banner: what Google Analytics counts as paid.
_PAID_MEDIUM = re.compile(r"(?:.*cp.|ppc|retargeting|.*paid.*|display|banner|expandable|interstitial|sponsored)")

_UNKNOWN = Referrer("", "")


def classify_referrer(event: Event, desk: Desk) -> Event:
    """Host and path of `url`, host of `referrer`, class and name of the service.

    The first rule that fits decides the class:
    1. paid: a click id that a network adds to advertisements only, or a medium such as cpc or paid_social
    2. ai_assistant: utm_source alone, and it names an assistant (ChatGPT tags its links so)
    3. campaign: any other utm_ parameter
    4. internal: referrer and url have the same registrable domain
    5. the class of the referrer's host; other where nobody knows it
    6. social: no referrer, but a click id that says a network (fbclid)
    7. direct: none of all that; empty where the event has no url either, for it was no visit
    The name is that of the referrer's service whatever the class.
    """
    here = desk.knowledge.web_addresses.read(event.url)
    there = desk.knowledge.web_addresses.read(event.referrer)
    known = desk.knowledge.referrers.find(there.host) if there.host else None
    internal = bool(there.domain) and there.domain == here.domain
    decided = _read_campaign_class(event, desk, known)
    if decided is None:
        if internal:
            decided = Referrer("internal", "")
        elif there.host:
            decided = known or Referrer("other", "")
        elif (kind := CLICK_IDS.get(event.click_id_kind)) and kind.from_class:
            decided = Referrer(kind.from_class, kind.network)
        else:
            decided = Referrer("direct", "") if event.url else _UNKNOWN
    return replace(
        event,
        host=here.host,
        path=here.path,
        referrer_host=there.host,
        referrer_class=decided.kind,
        referrer_name=decided.name,
    )


def _read_campaign_class(event: Event, desk: Desk, known: Referrer | None) -> Referrer | None:
    """What campaign parameters decide, None when the address carries none."""
    kind = CLICK_IDS.get(event.click_id_kind)
    name = known.name if known else ""
    if (kind and kind.ads_only) or (event.utm_medium and _PAID_MEDIUM.fullmatch(event.utm_medium.lower())):
        return Referrer("paid", name or (kind.network if kind else ""))
    if event.utm_source and not (event.utm_medium or event.utm_campaign):
        tagged = desk.knowledge.referrers.find(tidy_host(event.utm_source))
        if tagged and tagged.kind == "ai_assistant":
            return tagged
    if event.utm_source or event.utm_medium or event.utm_campaign or event.utm_term or event.utm_content:
        return Referrer("campaign", name)
    return None
