"""What happens to an event between the log and the store, on one page.

`STAGES` is the road, in execution order; the order is not free:

* duplicates first: nothing is worth doing for an event that is not kept;
* bots next, because a source may drop them, which spares the rest;
* the visitor's key is hashed from the whole address and the place is looked up with it, so both
  come before the address is cut;
* the address is cut before anything that may fail, so that no dead letter holds one that the
  workspace does not keep;
* the campaign decides what a referrer counts as, so it is read before.
"""

from collections.abc import Callable
from typing import NamedTuple

from trackway.event import Event
from trackway.pipeline import addresses, bots, campaigns, devices, duplicates, places, referrers, visitors
from trackway.pipeline.desk import Desk, Dropped, Duplicate


class Stage(NamedTuple):
    """One step: its name, what it says it does, the Event fields it may fill, and the step itself."""

    name: str
    says: str
    fills: tuple[str, ...]
    run: Callable[[Event, Desk], Event | Dropped | Duplicate]


STAGES: tuple[Stage, ...] = (
    Stage(
        "drop_duplicate",
        "Drops what was seen before, by dedupe_key, order_id or conversion_id",
        duplicates.FILLS,
        duplicates.drop_duplicate,
    ),
    Stage("mark_bot", "Names the bot that sent it; drops it where the source says so", bots.FILLS, bots.mark_bot),
    Stage("name_visitor", "Says whose events make up a session", visitors.FILLS, visitors.name_visitor),
    Stage("find_place", "Finds country, region and city", places.FILLS, places.find_place),
    Stage("cut_ip", "Cuts the address as the workspace says", addresses.FILLS, addresses.cut_ip),
    Stage("read_device", "Reads browser, system and device from the user agent", devices.FILLS, devices.read_device),
    Stage(
        "read_campaign",
        "Reads utm_* and advertising click ids from the address",
        campaigns.FILLS,
        campaigns.read_campaign,
    ),
    Stage(
        "classify_referrer", "Says what kind of place the visit came from", referrers.FILLS, referrers.classify_referrer
    ),
)


def process_event(event: Event, desk: Desk) -> Event | Dropped | Duplicate:
    """The event as it will be stored, or why it will not be."""
    for stage in STAGES:
        result = stage.run(event, desk)
        if not isinstance(result, Event):
            return result
        event = result
    desk.firsts.claim(event)
    return event
