"""Takes away who an event was, and leaves what happened: for counting without consent.

Pure. What stays names nobody: what happened and when, the page without its query, the place, the
campaign, the revenue. Visitors are told apart for a day only, by the hash of `visitors`.
"""

import re
from typing import Any

from msgspec.structs import replace

from trackway.campaign_words import CLICK_IDS
from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.pipeline.visitors import name_of_the_day

ANONYMOUS = "anonymous"

# Of the context only this describes a device without naming it; all else may name one.
_KEPT_CONTEXT = frozenset(
    ("time_zone", "timezone", "locale", "language", "screen", "viewport", "library", "sdk", "consent_state")
)

# Names of properties that name somebody, or something that somebody else's tables tie to a person.
_NAMING = frozenset(
    {
        *("uid", "uuid", "guid", "cid", "sid", "gid", "user", "customer", "client", "contact", "account", "visitor"),
        *("username", "login", "nickname", "handle", "firstname", "lastname", "fullname", "surname"),
        *("email", "mail", "emailaddress", "phone", "tel", "telephone", "mobile", "phonenumber", "fax"),
        *("ip", "ipaddress", "useragent", "fingerprint", "birthday", "dateofbirth", "dob", "ssn", "iban"),
        *("billing", "shipping", "recipient", "passenger", "guest", "sender", "receiver", "owner", "author"),
        *("street", "address", "address1", "address2", "postcode", "zip", "zipcode", "latitude", "longitude", "lat", "lon", "lng"),
        *("orderid", "ordernumber", "conversionid", "transactionid", "invoiceid", "bookingid", "query", "search"),
        *("merge", "mergekey", "hash", "emailhash", "token", "cookie", "dedupekey", "messageid", "referralcode"),
    }
)  # fmt: skip
# user_id, clientId, distinct-id, visitor_uuid: what ends so names somebody when it begins with somebody.
_WHOSE = re.compile(
    r"(user|customer|client|contact|account|visitor|anonymous|distinct|device|session|instance|profile|person|member"
    r"|lead|shopper|patient|employee|company|subscriber|advertising|install|installation)"
    r"(id|uid|uuid|guid|key|hash|name|number|no|email|mail|phone|ip|token)?"
)
# What the browser script records of the page's own parts: a form's id and name.
_OF_THE_PAGE = frozenset(("form_submit", "click", "page_view"))
_AMBIGUOUS = frozenset(("id", "name"))
_CLICK_IDS = frozenset(CLICK_IDS)
# Begins at the @, of which a text has few: searched from each letter on, a long text would take hours.
_MAIL = re.compile(r"(?<=[^\s@])@[^\s@]+\.[^\s@]")
_SEPARATORS = re.compile(r"[\s._\-]")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*:)?//[^/?#@]*@")
MOST_LEVELS = 12


def make_anonymous(event: Event, desk: Desk) -> Event:
    """Needs the whole address and the user agent, of which it makes the day's visitor, and which it empties."""
    return replace(forget_person(event), visitor_key=name_of_the_day(event, desk), stored_as=ANONYMOUS)


def forget_person(event: Event) -> Event:
    """The event without anything that names its person."""
    return replace(
        event,
        visitor_key="",
        anonymous_id="",
        session_id="",
        user_id="",
        contact_id="",
        account_id="",
        instance_id="",
        dedupe_key="",
        business_key="",
        identifiers={},
        traits={},
        account_traits={},
        consent={},
        url=cut_query(event.url),
        referrer=cut_query(event.referrer),
        title="" if _MAIL.search(event.title) else event.title,
        click_id="",
        ip="",
        user_agent="",
        weak_key="",
        profile_key="",
        profile_id="",
        properties=forget_properties(event),
        context={name: forget(value) for name, value in event.context.items() if name in _KEPT_CONTEXT},
    )


def cut_query(address: str) -> str:
    """Without query, fragment, user name and password."""
    return _LOGIN.sub(lambda found: f"{found[1] or ''}//", _QUERY.sub("", address))


def forget_properties(event: Event) -> dict[str, Any]:
    """Properties that name nobody. `id` and `name` are the person's, unless they are a form's or stand further in."""
    if event.event_type == "identify":
        return {}
    kept = forget_names(event.properties)
    if event.event_type in _OF_THE_PAGE:
        return kept
    return {name: value for name, value in kept.items() if name.lower() not in _AMBIGUOUS}


def forget_names(properties: dict[str, Any], levels: int = MOST_LEVELS) -> dict[str, Any]:
    """Without what names somebody, at any depth; what lies deeper than `levels` is left out whole."""
    return {name: forget(value, levels - 1) for name, value in properties.items() if not names_somebody(name)}


def names_somebody(name: str) -> bool:
    plain = _SEPARATORS.sub("", name).lower()
    return plain in _NAMING or name.lower() in _CLICK_IDS or _WHOSE.fullmatch(plain) is not None


def forget(value: Any, levels: int = MOST_LEVELS) -> Any:
    """A text that holds a mail address becomes "", an address of the web loses its query."""
    if isinstance(value, str):
        if _MAIL.search(value):
            return ""
        return cut_query(value) if "://" in value[:12] or value.startswith(("//", "/")) else value
    if isinstance(value, dict):
        return forget_names(value, levels) if levels > 0 else {}
    if isinstance(value, list):
        return [forget(item, levels - 1) for item in value] if levels > 0 else []
    return value
