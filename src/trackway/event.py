"""The nouns of the road: Source, Submission, Event.

First module of the vocabulary: every other layer imports it, it imports nothing of ours.
A `Submission` is what arrived, byte for byte but for secret keys; a protocol turns it into `Event`s; the pipeline
fills an event's enrichment fields and the store keeps it as a row. All are frozen: a change
makes a new one (`msgspec.structs.replace`).

The description and the `filled_by` note of every `Event` field are the source of
`docs/reference/glossary.md`; a test fails when the page and this file disagree.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

Channel = Literal["web", "server", "mobile", "api"]
CHANNELS: tuple[Channel, ...] = ("web", "server", "mobile", "api")

DedupeScope = Literal["source", "workspace"]
TimeRule = Literal["client", "corrected", "received"]


# Words of an event's context on which the pipeline acts. An event that is only to be processed says of its
# person what it says, and is not stored; one without a profile names nobody, whatever session it is of.
PROCESS_ONLY = "process_only"
PROFILE_LESS = "profile_less"


class Source(Struct, frozen=True, kw_only=True):
    """A registered sender: one web site, back end, app or device fleet of one workspace."""

    id: str
    workspace: str
    name: str
    protocol: str
    channel: Channel
    enabled: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)


class Submission(Struct, frozen=True, kw_only=True, array_like=True):
    """What arrived in one request, byte for byte but for secret keys, with what is needed to parse it again.

    `events` is how many events the door counted in it: the books compare that number with
    what the pipeline later made of the same bytes. `refused` are the places of the items that were
    rejected beside them. `trusted` says that a secret key sent it. `noted` is what the door looked
    up for it, so that parsing it again needs nothing else. `replay` says that it stands in the log once
    more, for events that were not stored when it came; with `replaces`, for events that take the place of
    their rows in the store.
    """

    submission_id: bytes
    received_at: int
    workspace: str
    source: str
    protocol: str
    trusted: bool
    method: str
    path: str
    query: str
    headers: dict[str, str]
    address: str
    body: bytes
    events: int
    refused: tuple[int, ...] = ()
    noted: dict[str, str] = {}
    replay: bool = False
    replaces: bool = False

    @property
    def indexes(self) -> list[int]:
        """Places of its events in the request; an event's id ends with its place."""
        return [index for index in range(self.events + len(self.refused)) if index not in self.refused]


def text(description: str, filled_by: str = "every protocol") -> Meta:
    return Meta(description=description, extra={"filled_by": filled_by})


PIPELINE = "the pipeline"


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that happened, in Trackway's own words.

    Times are integer milliseconds since 1970-01-01 UTC; texts are "" when unknown. What it holds came
    from JSON and has no cycles, so the garbage collector need not look at it.
    """

    event_id: Annotated[
        str,
        text("UUIDv7 made from the submission and the event's place in it; a replay gives the same", "the collector"),
    ]
    workspace: Annotated[str, text("Id of the workspace that owns the event", "the collector")]
    source: Annotated[str, text("Id of the source that sent it", "the collector")]
    protocol: Annotated[str, text("Name of the dialect it was sent in", "the collector")]
    channel: Annotated[Channel, text("web, server, mobile or api")]
    trusted: Annotated[bool, text("True when a secret key sent it, false for a public browser key", "the collector")]
    event_type: Annotated[str, text("Name of what happened, at most 200 characters")]

    occurred_at: Annotated[int, text("When it happened, milliseconds since 1970 UTC; see time_rule")]
    sent_at: Annotated[
        int, text("When the sender's clock said it was sent, milliseconds since 1970 UTC; 0 when not said", "native")
    ] = 0
    received_at: Annotated[int, text("When the collector received it, milliseconds since 1970 UTC", "the collector")]
    time_rule: Annotated[
        TimeRule,
        text(
            "How occurred_at was decided: the client's word, the client's word corrected by its clock error, or the time of receipt"
        ),
    ] = "received"

    anonymous_id: Annotated[
        str, text("Device-side id (Pact's distinct_id, Clarm's visitor_id)", "native, pact, clarm, orbee")
    ] = ""
    session_id: Annotated[str, text("The sender's session id", "native, pact, tracardi, clarm, orbee")] = ""
    user_id: Annotated[str, text("The sender's own id of a known person", "native, clarm, orbee")] = ""
    contact_id: Annotated[str, text("CRM id of a person", "native, pact, orbee")] = ""
    account_id: Annotated[str, text("CRM id of a company", "native, pact, clarm")] = ""
    instance_id: Annotated[
        str, text("Same interaction seen by two senders (a chat, a call)", "native, clarm, orbee")
    ] = ""
    dedupe_key: Annotated[
        str, text("The sender's retry key: a repeat within the window is a duplicate", "native, pact, tracardi")
    ] = ""
    dedupe_scope: Annotated[
        DedupeScope, text("Where dedupe_key counts: within its source, or within the workspace (Pact)", "the protocol")
    ] = "source"
    business_key: Annotated[
        str, text("order_id or conversion_id that may count once for ever, as kind:value", "native, tracify, clarm")
    ] = ""

    identifiers: Annotated[
        dict[str, list[str]],
        text(
            "Further identifiers of the person, kind to values: email, phone, email_hash, … (docs/reference/identity.md)",
            "native, tracardi, tracify, clarm, orbee",
        ),
    ] = field(default_factory=dict)
    traits: Annotated[
        dict[str, Any], text("What the sender said of the person: name to value", "native, tracardi, clarm, orbee")
    ] = field(default_factory=dict)
    account_traits: Annotated[
        dict[str, Any], text("What the sender said of the company account_id: name to value", "native")
    ] = field(default_factory=dict)
    consent: Annotated[
        dict[str, Any],
        text("What the sender said of the person's consent: purpose or channel to state", "native, tracardi"),
    ] = field(default_factory=dict)

    url: Annotated[str, text("Address of the page or screen")] = ""
    referrer: Annotated[str, text("Address that led there")] = ""
    title: Annotated[str, text("Title of the page", "native, tracardi, clarm")] = ""
    properties: Annotated[dict[str, Any], text("What the sender said of it: any JSON object")] = field(
        default_factory=dict
    )
    context: Annotated[
        dict[str, Any],
        text(
            "What surrounded it: any JSON object; unknown fields of the sender are kept under `unknown`",
            "native, pact, tracardi, tracify, clarm",
        ),
    ] = field(default_factory=dict)
    ip: Annotated[
        str,
        text(
            "Sender's address as the workspace's ip_mode leaves it: full, truncated, hashed or empty",
            "the collector, cut by the pipeline",
        ),
    ] = ""
    user_agent: Annotated[str, text("User agent header, at most 1,024 characters", "the collector")] = ""

    bot: Annotated[str, text("Name of the bot that sent it; empty for people", PIPELINE)] = ""
    country: Annotated[str, text("ISO 3166-1 alpha-2 country code", PIPELINE)] = ""
    region: Annotated[str, text("ISO 3166-2 subdivision code, where a location file is configured", PIPELINE)] = ""
    city: Annotated[str, text("City name, where a location file is configured", PIPELINE)] = ""
    time_zone: Annotated[str, text("IANA time zone the sender said", PIPELINE)] = ""
    place_rule: Annotated[
        str,
        text("What the country was taken from: proxy_header, location_file, time_zone; empty when unknown", PIPELINE),
    ] = ""
    browser: Annotated[str, text("Browser family", PIPELINE)] = ""
    browser_version: Annotated[str, text("Browser's major version", PIPELINE)] = ""
    os: Annotated[str, text("Operating system family", PIPELINE)] = ""
    os_version: Annotated[str, text("Operating system's major version", PIPELINE)] = ""
    device: Annotated[
        str, text("desktop, mobile, tablet, tv, console, wearable, car, bot; empty when unknown", PIPELINE)
    ] = ""
    host: Annotated[str, text("Host name of url", PIPELINE)] = ""
    path: Annotated[str, text("Path of url", PIPELINE)] = ""
    referrer_host: Annotated[str, text("Host name of referrer", PIPELINE)] = ""
    referrer_class: Annotated[
        str, text("direct, internal, search, social, email, ai_assistant, paid, campaign or other", PIPELINE)
    ] = ""
    referrer_name: Annotated[str, text("Name of the referring service (Google, ChatGPT)", PIPELINE)] = ""
    utm_source: Annotated[str, text("Campaign source", PIPELINE)] = ""
    utm_medium: Annotated[str, text("Campaign medium", PIPELINE)] = ""
    utm_campaign: Annotated[str, text("Campaign name", PIPELINE)] = ""
    utm_term: Annotated[str, text("Campaign term", PIPELINE)] = ""
    utm_content: Annotated[str, text("Campaign content", PIPELINE)] = ""
    click_id_kind: Annotated[str, text("Name of the advertising click id in url (gclid, fbclid, …)", PIPELINE)] = ""
    click_id: Annotated[str, text("Value of that click id", PIPELINE)] = ""
    visitor_key: Annotated[
        str,
        text(
            "Whose events are cut into sessions: an id the sender gave, else a daily keyed hash of address and user agent",
            PIPELINE,
        ),
    ] = ""
    weak_key: Annotated[
        str,
        text("Daily keyed hash of address and user agent: suggests that two visitors are one, never says so", PIPELINE),
    ] = ""
    profile_key: Annotated[
        str, text("Id made from the event's own strongest identifier; never changes; empty without one", PIPELINE)
    ] = ""
    profile_id: Annotated[
        str, text("The profile it belongs to: its profile_key, or what that was merged into", PIPELINE)
    ] = ""
    consent_rule: Annotated[
        str, text("Id of the consent policy's rule that decided how it was stored; empty when none applies", PIPELINE)
    ] = ""
    stored_as: Annotated[str, text("full, or anonymous when the consent policy took away who it was", PIPELINE)] = (
        "full"
    )
    revenue: Annotated[
        int, text("Amount of a purchase or conversion in ten-thousandths of the currency's unit; 0 for none", PIPELINE)
    ] = 0
    currency: Annotated[str, text("ISO 4217 code of revenue", PIPELINE)] = ""
    plan_version: Annotated[
        int,
        text("Version of the tracking plan's entry it was checked by, in modes mark and reject; 0 for none", PIPELINE),
    ] = 0
    plan_errors: Annotated[str, text("What it breaks of that entry, in words; empty when nothing", PIPELINE)] = ""


class LogPlace(Struct, frozen=True, array_like=True, order=True, gc=False):
    """Where in the log an event stands; two events never share one, a replay gives the same.

    `segment` names a log segment file (its number is never used again), `record` counts the
    submissions in it from 0, `index` the events in the submission from 0.
    """

    segment: int
    record: int
    index: int


class Row(Struct, frozen=True, gc=False):
    """An event that reached the end of the pipeline, with its place in the log."""

    event: Event
    place: LogPlace
