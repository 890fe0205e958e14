"""Reads campaign parameters (utm_, mtm_, pk_) and advertising click ids from the address."""

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "click_id_kind", "click_id")


def read_campaign(event: Event, desk: Desk) -> Event:
    """Values decoded and trimmed, at most 500 characters.

    It comes before `classify_referrer`, which tells paid and campaign visits by these fields.
    """
    if "?" not in event.url and not event.utm_source and not event.click_id:
        return event
    said = desk.knowledge.queries.read(desk.knowledge.web_addresses.read(event.url).query)
    return replace(
        event,
        utm_source=said.source,
        utm_medium=said.medium,
        utm_campaign=said.campaign,
        utm_term=said.term,
        utm_content=said.content,
        click_id_kind=said.click_id_kind,
        click_id=said.click_id,
    )
