"""What happens to an event between the log and the store, on one page.

`STAGES` is the road, in execution order; the order is not free:

* what was erased comes first: it must not come back, not even as a duplicate;
* duplicates next: nothing is worth doing for an event that is not kept;
* then bots, because a source may drop them, which spares the rest;
* the tracking plan is about what was sent, so it is looked at before anything is taken away;
* the visitor's key is hashed from the whole address and the place is looked up with it, so both
  come before the address is cut;
* device and campaign are read next, while user agent and query are there: where consent is
  missing, they are taken away with all else that tells who it was;
* consent needs the place, and comes before the address is cut, because it may have to name the
  visitor anew from the whole address;
* what consent holds back runs through the rest as well, so that it lies there as it would be stored;
* the profile is named after the place, since a national telephone number needs its country, and
  after consent, because what is anonymous belongs to no profile;
* the address is cut before anything that may fail, so that no dead letter holds one that the
  workspace does not keep;
* what rules hide is hidden last, when everything was read out of it;
* the campaign decides what a referrer counts as, so it is read before.
"""

from collections.abc import Callable
from typing import NamedTuple

from trackway.event import Event
from trackway.pipeline import (
    addresses,
    bots,
    campaigns,
    consent,
    devices,
    duplicates,
    erased,
    money,
    people,
    pii,
    places,
    plan,
    referrers,
    visitors,
)
from trackway.pipeline.desk import Desk, Dropped, Duplicate, Held


class Stage(NamedTuple):
    """One step: its name, what it says it does, the Event fields it may fill, and the step itself."""

    name: str
    says: str
    fills: tuple[str, ...]
    run: Callable[[Event, Desk], Event | Dropped | Duplicate | Held]


STAGES: tuple[Stage, ...] = (
    Stage("drop_erased", "Drops what belongs to a person who was erased since", erased.FILLS, erased.drop_erased),
    Stage(
        "drop_duplicate",
        "Drops what was seen before, by dedupe_key, order_id or conversion_id",
        duplicates.FILLS,
        duplicates.drop_duplicate,
    ),
    Stage("mark_bot", "Names the bot that sent it; drops it where the source says so", bots.FILLS, bots.mark_bot),
    Stage("check_plan", "Compares it with the tracking plan of its type", plan.FILLS, plan.check_plan),
    Stage("name_visitor", "Says whose events make up a session", visitors.FILLS, visitors.name_visitor),
    Stage(
        "note_likeness",
        "Hashes address and browser, so that a visitor without an id can be likened to another",
        people.LIKENESS_FILLS,
        people.note_likeness,
    ),
    Stage("find_place", "Finds country, region and city", places.FILLS, places.find_place),
    Stage("read_device", "Reads browser, system and device from the user agent", devices.FILLS, devices.read_device),
    Stage(
        "read_campaign",
        "Reads utm_* and advertising click ids from the address",
        campaigns.FILLS,
        campaigns.read_campaign,
    ),
    Stage(
        "decide_consent",
        "Asks the consent policy whether to store it in full, without its person, later, or not at all",
        consent.FILLS,
        consent.decide_consent,
    ),
    Stage(
        "name_profile",
        "Makes the profile's id out of the strongest identifier",
        people.NAME_FILLS,
        people.name_profile,
    ),
    Stage("cut_ip", "Cuts the address as the workspace says", addresses.FILLS, addresses.cut_ip),
    Stage(
        "classify_referrer", "Says what kind of place the visit came from", referrers.FILLS, referrers.classify_referrer
    ),
    Stage("read_revenue", "Reads amount and currency of a purchase or conversion", money.FILLS, money.read_revenue),
    Stage("hide_pii", "Masks or drops properties as the workspace's rules say", pii.FILLS, pii.hide_pii),
)


def process_event(event: Event, desk: Desk) -> Event | Dropped | Duplicate | Held:
    """The event as it will be stored, or may be later, or why it will not be."""
    sent, hours = event, 0
    for stage in STAGES:
        result = stage.run(event, desk)
        if isinstance(result, Held):
            event, hours = result.event, result.hours
        elif isinstance(result, Event):
            event = result
        else:
            return result
    # A repeat is compared with what was sent, of which consent may have taken away a part.
    desk.firsts.claim(sent)
    return Held(event, hours) if hours else event
