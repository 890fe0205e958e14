"""Reads browser, operating system and class of device from the user agent."""

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.pipeline.knowledge.user_agents import Client

FILLS = ("browser", "browser_version", "os", "os_version", "device")

_UNKNOWN = Client()


def read_device(event: Event, desk: Desk) -> Event:
    """Names as ua-parser writes them, versions as majors; a marked bot's device is `bot`.

    An iPad that asks for desktop pages says it is a Mac, and is taken for one.
    """
    client = desk.knowledge.user_agents.read(event.user_agent) if event.user_agent else _UNKNOWN
    device = "bot" if event.bot else client.device
    if not (client.browser or client.os or device or event.browser or event.os or event.device):
        return event
    return replace(
        event,
        browser=client.browser,
        browser_version=client.browser_version,
        os=client.os,
        os_version=client.os_version,
        device=device,
    )
