"""Names the visitor whose events belong together: an id the sender gave, else a hash that changes daily."""

from hashlib import blake2b

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.profiles.identifiers import is_blocked

FILLS = ("visitor_key",)

DAY_MS = 86_400_000


def name_visitor(event: Event, desk: Desk) -> Event:
    """`a:` anonymous_id, else `u:` user_id, else `c:` contact_id, else `p:` and a profile that was named, else the name of the day.

    That is hashed from the address, so it must run before `cut_ip`.
    """
    if event.anonymous_id:
        key = "a:" + event.anonymous_id
    elif event.user_id:
        key = "u:" + event.user_id
    elif event.contact_id:
        key = "c:" + event.contact_id
    elif event.identifiers and (named := _find_named(event)):
        key = "p:" + named
    else:
        key = name_of_the_day(event, desk)
    return event if key == event.visitor_key else replace(event, visitor_key=key)


def _find_named(event: Event) -> str:
    """A profile's id that we gave out, or one that its sender made (Tracardi)."""
    sent = event.identifiers.get("profile_id") or event.identifiers.get("merge_key")
    return sent[0] if sent else ""


def name_of_the_day(event: Event, desk: Desk) -> str:
    """`d:` and 16 hex digits: a hash, keyed with the day's salt, of day, source, address and user agent.

    The salt is thrown away after its day, so that nobody can be followed from one day to the next. Where a
    back end passes on hashes instead of the address (Tracify's classes 2 to 4), these stand for it. Empty when
    none of all that is known: strangers are not one visitor.
    """
    address, user_agent = (event.ip, event.user_agent) if event.ip or event.user_agent else _read_hashes(event)
    if not (address or user_agent):
        return ""
    day = event.occurred_at // DAY_MS
    seen = f"{day}\0{event.source}\0{address}\0{user_agent}".encode("utf-8", "surrogatepass")
    return "d:" + blake2b(seen, digest_size=8, key=desk.visitor_salt).hexdigest()


def _read_hashes(event: Event) -> tuple[str, str]:
    """The hash of address and browser together, else one of each. A browser alone is that of millions."""
    both = next((sent for sent in event.identifiers.get("session_hash", ()) if not is_blocked(sent)), "")
    if both:
        return both, ""
    address, browser = (event.context.get(name) for name in ("address_hash", "user_agent_hash"))
    if not isinstance(address, str) or is_blocked(address):
        return "", ""
    return address, browser if isinstance(browser, str) else ""
