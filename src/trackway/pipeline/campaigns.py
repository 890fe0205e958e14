"""Reads campaign parameters (utm_, mtm_, pk_, trc_) and advertising click ids from the address.

A back end that passes on only the bare address says the parameters beside it, in
`context.url_parameters`. The address comes first: it is what the visitor had before their eyes.
"""

from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk

FILLS = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "click_id_kind", "click_id")


def read_campaign(event: Event, desk: Desk) -> Event:
    """Values decoded and trimmed, at most 500 characters.

    It comes before `classify_referrer`, which tells paid and campaign visits by these fields.
    """
    beside = event.context.get("url_parameters")
    if "?" not in event.url and not beside and not event.utm_source and not event.click_id:
        return event
    said = desk.knowledge.queries.read(desk.knowledge.web_addresses.read(event.url).query)
    if isinstance(beside, dict):
        said = said.otherwise(desk.knowledge.queries.read(_write_query(beside)))
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


def _write_query(parameters: dict[str, Any]) -> str:
    """Only texts and whole numbers are values of a query."""
    return urlencode({k: v for k, v in parameters.items() if type(v) in (str, int)}, errors="replace")
