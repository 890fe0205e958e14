"""Finds the country from a trusted proxy's header, else a location file, else the sender's time zone."""

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.pipeline.knowledge.locations import Location
from trackway.place_headers import read_place

FILLS = ("country", "region", "city", "time_zone", "place_rule")

# A back end's own request says where the back end stands, not its visitor.
_VISITORS_OWN_REQUEST = frozenset(("web", "mobile"))


def find_place(event: Event, desk: Desk) -> Event:
    """Country with the rule that found it; region and city are from the location file, where it agrees with a header."""
    zone = _read_time_zone(event, desk)
    header = region = ""
    if desk.request_headers and event.channel in _VISITORS_OWN_REQUEST:
        header, region = read_place(desk.request_headers)
    found = desk.knowledge.locations.find(event.ip)
    if header:
        place, rule = _join_places(header, region, found), "proxy_header"
    elif found.country:
        place, rule = found, "location_file"
    else:
        place = Location(country=desk.knowledge.time_zones.find_country(zone))
        rule = "time_zone" if place.country else ""
    if not (rule or zone or event.place_rule or event.time_zone):
        return event
    return replace(event, country=place.country, region=place.region, city=place.city, time_zone=zone, place_rule=rule)


def _join_places(country: str, region: str, found: Location) -> Location:
    """The header's country and region; from the file what agrees with both."""
    if found.country != country or (region and found.region and found.region != region):
        return Location(country=country, region=region)
    return replace(found, region=region) if region and not found.region else found


def _read_time_zone(event: Event, desk: Desk) -> str:
    """The zone the sender said in its context, "" when the zone tables do not have it."""
    for name in ("time_zone", "timezone"):
        said = event.context.get(name)
        if isinstance(said, str) and (zone := said.strip()) in desk.knowledge.time_zones.names:
            return zone
    return ""
