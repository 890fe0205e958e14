"""Marks bots by their user agent; drops them where the source says so."""

from msgspec.structs import replace

from trackway.event import Event
from trackway.outcome import Reason
from trackway.pipeline.desk import Desk, Dropped

FILLS = ("bot",)

NO_USER_AGENT = "no user agent"


def mark_bot(event: Event, desk: Desk) -> Event | Dropped:
    """The bot's name, or "" for people.

    On channel web a program's HTTP library (curl, python-requests) is a bot too, and so is an empty user agent sent
    with a public key: every
    browser says what it is. On server, mobile and api they are how honest back ends and apps speak.
    Dropped only when the source's setting `bots` is `drop`.
    """
    on_web = event.channel == "web"
    if event.user_agent:
        found = desk.knowledge.bots.find(event.user_agent)
        name = found.name if found and (on_web or not found.is_library) else ""
    else:
        name = NO_USER_AGENT if on_web and not event.trusted else ""
    if name and desk.source.settings.get("bots") == "drop":
        return Dropped(Reason.BOT, name)
    return event if name == event.bot else replace(event, bot=name)
