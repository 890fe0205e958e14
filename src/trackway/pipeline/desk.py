"""What a stage may look at beside the event: the desk it works at.

Stages are pure: source, keys, request headers and look-up tables arrive here, made by the pipeline
once per submission (`Desk`) and once per process (`Knowledge`). It deliberately holds no clock and nothing
that a stage could write to; the caches inside the tables are invisible.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, get_args

from msgspec import Struct, field

from trackway.control.plan_schemas import Violation
from trackway.control.plans import EMPTY_PLAN, Plan, PlanEntry
from trackway.event import Event, Source
from trackway.outcome import Reason
from trackway.pipeline.knowledge.bots import Bots
from trackway.pipeline.knowledge.locations import LocationFile
from trackway.pipeline.knowledge.queries import Queries
from trackway.pipeline.knowledge.referrers import Referrers
from trackway.pipeline.knowledge.time_zones import TimeZones
from trackway.pipeline.knowledge.user_agents import UserAgents
from trackway.pipeline.knowledge.web_addresses import Suffixes, WebAddresses
from trackway.profiles.consent_words import Statement
from trackway.profiles.identifiers import ProfileKeys
from trackway.profiles.policies import DEFAULT_POLICY, Policy

IpMode = Literal["full", "truncated", "hashed", "dropped"]
IP_MODES: tuple[IpMode, ...] = get_args(IpMode)


class Dropped(Struct, frozen=True):
    """What a stage returns instead of an event that goes no further. `detail` is for people."""

    reason: Reason
    detail: str


class Duplicate(Struct, frozen=True):
    """What a stage returns for a repeat. `differs`: it says something else than the first event;
    `other_visitor`: it is about someone else.
    """

    reason: Reason
    first_event_id: str
    differs: bool
    other_visitor: bool


class Held(Struct, frozen=True):
    """What a stage returns for an event that waits for its person's consent, for so many hours after its receipt.

    It runs through the later stages all the same.
    """

    event: Event
    hours: int


class FirstEvents(Protocol):
    """Which events came first with their keys; `pipeline.duplicates.Firsts` within a batch."""

    def find(self, event: Event) -> Duplicate | None:
        """What `event` repeats."""

    def claim(self, event: Event) -> None:
        """The event passed every stage: its keys are its own now."""


class NothingSeen:
    """No event came before: for looking at one event by itself."""

    def find(self, event: Event) -> Duplicate | None:
        return None

    def claim(self, event: Event) -> None:
        pass


class ConsentStates(Protocol):
    """How people stand by being tracked; `pipeline.consent.Consents` within a batch."""

    def find(self, event: Event) -> str:
        """A state of `policies.STATES`, by all that the person behind `event` said before."""

    def hear(self, event: Event, statements: Sequence[Statement], proof: Mapping[str, str]) -> None:
        """The event says this of its person's consent."""


class NothingSaid:
    """Nobody said anything before: for looking at one event by itself."""

    def find(self, event: Event) -> str:
        return "unknown"

    def hear(self, event: Event, statements: Sequence[Statement], proof: Mapping[str, str]) -> None:
        pass


class ErasedPeople(Protocol):
    """Who was erased; `pipeline.erased.Tombstones` within a batch."""

    def concern(self, event: Event) -> bool:
        """Could it belong to somebody who was erased?"""

    def hold(self, event: Event) -> bool:
        """Does it?"""


class NobodyErased:
    """For looking at one event by itself."""

    def concern(self, event: Event) -> bool:
        return False

    def hold(self, event: Event) -> bool:
        return False


class PlanWatch(Protocol):
    """What events break of the tracking plan; `pipeline.plan.PlanWatch` within a batch."""

    def note(self, event: Event, entry: PlanEntry, violations: Sequence[Violation]) -> None:
        """The event breaks this of the entry."""


class NobodyWatches:
    """For looking at one event by itself."""

    def note(self, event: Event, entry: PlanEntry, violations: Sequence[Violation]) -> None:
        pass


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
    when a trusted proxy sent them. `blocked_identifiers` are further words for nobody.
    """

    source: Source
    ip_mode: str
    ip_key: bytes
    visitor_salt: bytes
    profile_keys: ProfileKeys
    blocked_identifiers: frozenset[str] = frozenset()
    request_headers: Mapping[str, str] = field(default_factory=dict)
    knowledge: Knowledge
    firsts: FirstEvents = NothingSeen()
    policy: Policy = DEFAULT_POLICY
    consents: ConsentStates = NothingSaid()
    tombstones: ErasedPeople = NobodyErased()
    pii_rules: Mapping[str, str] = field(default_factory=dict)
    plan: Plan = EMPTY_PLAN
    watch: PlanWatch = NobodyWatches()

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
