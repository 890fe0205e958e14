"""Finds the country from a trusted proxy's header, else a location file, else the sender's time zone."""

from msgspec.structs import replace

from trackway.event import Event
from trackway.pipeline.desk import Desk
from trackway.pipeline.knowledge.locations import Location

FILLS = ("country", "region", "city", "time_zone", "place_rule")

# Cloudflare, Vercel, CloudFront, and the name that nginx and Traefik recipes use. First one that says a country wins.
COUNTRY_HEADERS = ("cf-ipcountry", "x-vercel-ip-country", "cloudfront-viewer-country", "x-country-code")

# Codes of the user-assigned range, and what proxies say for unknown (XX), Tor (T1) and unspecified (ZZ).
_NO_COUNTRY = frozenset(("XX", "T1", "ZZ", "AA", "QQ"))

# A back end's own request says where the back end stands, not its visitor.
_VISITORS_OWN_REQUEST = frozenset(("web", "mobile"))


def find_place(event: Event, desk: Desk) -> Event:
    """Country with the rule that found it; region and city only from the location file, and only where it agrees."""
    zone = _read_time_zone(event, desk)
    header = ""
    if desk.request_headers and event.channel in _VISITORS_OWN_REQUEST:
        header = _read_country_header(desk)
    found = desk.knowledge.locations.find(event.ip)
    if header:
        place, rule = (found if found.country == header else Location(country=header)), "proxy_header"
    elif found.country:
        place, rule = found, "location_file"
    else:
        place = Location(country=desk.knowledge.time_zones.find_country(zone))
        rule = "time_zone" if place.country else ""
    if not (rule or zone or event.place_rule or event.time_zone):
        return event
    return replace(event, country=place.country, region=place.region, city=place.city, time_zone=zone, place_rule=rule)


def _read_country_header(desk: Desk) -> str:
    for name in COUNTRY_HEADERS:
        said = desk.request_headers.get(name)
        if not said:
            continue
        code = said.strip().upper()
        if len(code) == 2 and code.isascii() and code.isalpha() and code not in _NO_COUNTRY:
            return code
    return ""


def _read_time_zone(event: Event, desk: Desk) -> str:
    """The zone the sender said in its context, "" when the zone tables do not have it."""
    for name in ("time_zone", "timezone"):
        said = event.context.get(name)
        if isinstance(said, str) and (zone := said.strip()) in desk.knowledge.time_zones.names:
            return zone
    return ""
