"""Why a site's first event does not arrive, as far as the server knows, and what to do about it."""

import ipaddress
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec import Struct

from trackway.outcome import Reason
from trackway.query.arrivals import HELD


class Advice(Struct, frozen=True):
    """`place` is below /app, with `{source}` for the source's id."""

    says: str
    place: str
    link: str


SOURCE = "/sources/{source}"
ADVICE: Mapping[str, Advice] = {
    Reason.ORIGIN_NOT_ALLOWED: Advice(
        "Add the page's origin to the source's list; with and without www are two origins.",
        f"{SOURCE}?setting=origins#change",
        "The list",
    ),
    Reason.SOURCE_DISABLED: Advice("Switch the source on.", f"{SOURCE}#end", "The source"),
    Reason.PLAN_VIOLATION: Advice("Change the event or the tracking plan.", "/catalogue", "The plan"),
    Reason.BOT: Advice(
        "A program sent it, or a browser that a program drives: look with a browser of your own.",
        f"{SOURCE}?setting=bots#change",
        "The setting bots",
    ),
    Reason.NO_CONSENT: Advice(
        "The consent policy stores nothing of visitors like this one: say yes on the page, or change the policy.",
        "/consent",
        "The policy",
    ),
    HELD: Advice("Say yes to tracking on the page, or change the policy.", "/consent", "The policy"),
}
TROUBLE = ("what", "reason", "says", "advice", "href", "link", "at", "origin")
NO_TROUBLE: Mapping[str, str] = dict.fromkeys(TROUBLE, "")
OTHERWISE = Advice("", "/diagnostics", "Diagnostics")


def describe_trouble(source: str, arrival: Mapping[str, Any]) -> dict[str, str] | None:
    """A text for each of TROUBLE, `origin` only where it can be allowed; None when nothing is known to be wrong."""
    rejection, unstored = arrival["rejection"], arrival["unstored"]
    found = rejection or unstored
    if found is None:
        return None
    reason = found["reason"]
    advice = ADVICE.get(reason, OTHERWISE)
    origin = found.get("origin", "") if reason == Reason.ORIGIN_NOT_ALLOWED else ""
    return {
        "what": "Something came and was refused" if rejection else "Something came and was not stored",
        "reason": reason,
        "says": rejection["message"] if rejection else unstored["meaning"],
        "advice": advice.says,
        "href": f"/app{advice.place.format(source=quote(source))}",
        "link": advice.link,
        "at": rejection["received_at"] if rejection else "",
        # A page in a sandbox has the origin "null", which no list can name.
        "origin": origin if origin.startswith("http") else "",
    }


def say_reach(site: str) -> str:
    """Who cannot load a script from this address of ours; "" when every page can."""
    try:
        where = urlsplit(site)
    except ValueError:
        return ""
    host = where.hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        is_here = host == "localhost" or host.endswith(".localhost")
        is_inside = "." not in host
    else:
        is_here, is_inside = address.is_loopback, address.is_private
    if is_here:
        return f"Only this machine reaches {site}: good for a try here. For visitors, open this page at the server's public address, and it writes that."
    if is_inside:
        return f"Only your own network reaches {site}. For visitors, open this page at the server's public address, and it writes that."
    if where.scheme == "http":
        return f"Pages of https load no script from {site}. Give this server https, open this page there, and it writes that."
    return ""
