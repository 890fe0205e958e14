"""What a stage may look at beside the event: the desk it works at.

Stages are pure: source, keys, request headers and look-up tables arrive here, made by the pipeline
once per submission (`Desk`) and once per process (`Knowledge`). It deliberately holds no clock and nothing
that a stage could write to; the caches inside the tables are invisible.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from msgspec import Struct, field

from trackway.event import Source
from trackway.outcome import Reason
from trackway.pipeline.knowledge.bots import Bots
from trackway.pipeline.knowledge.locations import LocationFile
from trackway.pipeline.knowledge.queries import Queries
from trackway.pipeline.knowledge.referrers import Referrers
from trackway.pipeline.knowledge.time_zones import TimeZones
from trackway.pipeline.knowledge.user_agents import UserAgents
from trackway.pipeline.knowledge.web_addresses import Suffixes, WebAddresses

IpMode = Literal["full", "truncated", "hashed", "dropped"]
IP_MODES: tuple[IpMode, ...] = get_args(IpMode)


class Dropped(Struct, frozen=True):
    """What a stage returns instead of an event that goes no further. `detail` is for people."""

    reason: Reason
    detail: str


class Knowledge(Struct, frozen=True):
    """The loaded look-ups. Made once per process by `load_knowledge`; not for several threads."""

    user_agents: UserAgents
    bots: Bots
    locations: LocationFile
    time_zones: TimeZones
    web_addresses: WebAddresses
    queries: Queries
    referrers: Referrers


class Desk(Struct, frozen=True, kw_only=True):
    """`ip_key` and `visitor_salt` are secrets of 1 to 64 bytes; header names are in lower case.

    `visitor_salt` belongs to the day of the events, `request_headers` holds country headers only
    when a trusted proxy sent them.
    """

    source: Source
    ip_mode: str
    ip_key: bytes
    visitor_salt: bytes
    request_headers: Mapping[str, str] = field(default_factory=dict)
    knowledge: Knowledge

    def __post_init__(self) -> None:
        """ValueError for an ip_mode that does not exist: better no event than an address kept by mistake."""
        if self.ip_mode not in IP_MODES:
            raise ValueError(f"ip_mode {self.ip_mode!r} of workspace {self.source.workspace!r} is none of {IP_MODES}")


def load_knowledge(location_file: str = "") -> Knowledge:
    """Read every table, in about a quarter of a second. LocationFileError when the .mmdb file cannot be used."""
    locations = LocationFile(location_file)
    user_agents, suffixes = UserAgents(), Suffixes()
    return Knowledge(
        user_agents=user_agents,
        bots=Bots(user_agents),
        locations=locations,
        time_zones=TimeZones(),
        web_addresses=WebAddresses(suffixes),
        queries=Queries(),
        referrers=Referrers(suffixes),
    )
