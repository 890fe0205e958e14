"""Names the visitor whose events belong together: an id the sender gave, else a hash that changes daily."""

from hashlib import blake2b

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("visitor_key",)

DAY_MS = 86_400_000


def name_visitor(event: Event, desk: Desk) -> Event:
    """`a:` anonymous_id, else `u:` user_id, else `c:` contact_id, else `d:` and 16 hex digits.

    The last is a hash, keyed with the day's salt, of day, source, address and user agent; so it must run
    before `cut_ip`. The salt is thrown away after its day, so that nobody can be followed from one day to the
    next. Empty when neither an id nor an address nor a user agent is known: strangers are not one visitor.
    """
    if event.anonymous_id:
        key = "a:" + event.anonymous_id
    elif event.user_id:
        key = "u:" + event.user_id
    elif event.contact_id:
        key = "c:" + event.contact_id
    elif event.ip or event.user_agent:
        day = event.occurred_at // DAY_MS
        seen = f"{day}\0{event.source}\0{event.ip}\0{event.user_agent}".encode("utf-8", "surrogatepass")
        key = "d:" + blake2b(seen, digest_size=8, key=desk.visitor_salt).hexdigest()
    else:
        key = ""
    return event if key == event.visitor_key else replace(event, visitor_key=key)
