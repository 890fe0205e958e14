"""What the answer can already say of how an event will be stored.

The pipeline decides, with all that the person said before; here is known only what stands in the
request. So the answer says nothing unless every such history would lead to the same: the event's
own word, a proxy's country, Sec-GPC and DNT.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from trackway.collect.protocol import Foretold, Verdict
from trackway.control.sources import OWN_SOURCES
from trackway.event import Event
from trackway.outcome import Outcome
from trackway.place_headers import COUNTRY_HEADERS, read_place
from trackway.profiles.consent_words import is_record, said_by, tracking_state
from trackway.profiles.policies import TRACKING, Policy

_TELLING_HEADERS = ("sec-gpc", *COUNTRY_HEADERS)
_VISITORS_OWN_REQUEST = frozenset(("web", "mobile"))
_FORETOLD: Mapping[str, Foretold] = {"drop": "nothing", "anonymise": "anonymous", "hold": "held", "store": ""}


def foretell_storing(verdicts: Sequence[Verdict], policy: Policy, headers: Mapping[str, str]) -> Sequence[Verdict]:
    """The verdicts with `stored` where it is certain; the same ones where nothing is."""
    telling = any(name in headers for name in _TELLING_HEADERS)
    if not telling and not any(v.event and (v.event.consent or "consent" in v.event.context) for v in verdicts):
        return verdicts
    country, region = read_place(headers) if telling else ("", "")
    signals = headers.get("sec-gpc") == "1", headers.get("dnt") == "1"
    return [_foretell(verdict, policy, country, region, signals) for verdict in verdicts]


def _foretell(verdict: Verdict, policy: Policy, country: str, region: str, signals: tuple[bool, bool]) -> Verdict:
    event = verdict.event
    if event is None or verdict.outcome is not Outcome.STORED or event.source in OWN_SOURCES or is_record(event):
        return verdict
    own = tracking_state(said_by(event), event.received_at) if event.consent or event.context else None
    foretold = "nothing" if own == "withdrawn" else ""
    if not foretold and country and event.channel in _VISITORS_OWN_REQUEST:
        foretold = _decide(event, policy, country, region, own, signals)
    return replace(verdict, stored=foretold) if foretold else verdict


def _decide(
    event: Event, policy: Policy, country: str, region: str, own: str | None, signals: tuple[bool, bool]
) -> Foretold:
    if not region and policy.knows_regions_of(country):
        # The location file may know the region, and then another rule decides.
        return ""
    if own is None and not _names_nobody(event):
        # Whatever the person said before, a signal that drops drops.
        decision = policy.decide(country, region, TRACKING, event.source, "granted", *signals)
        return "nothing" if decision.outcome == "drop" else ""
    outcome = policy.decide(country, region, TRACKING, event.source, own or "unknown", *signals).outcome
    # An event that names nobody waits for nobody.
    return "nothing" if outcome == "hold" and _names_nobody(event) else _FORETOLD[outcome]


def _names_nobody(event: Event) -> bool:
    return not (
        event.anonymous_id or event.user_id or event.contact_id or event.instance_id or event.session_id
        or event.identifiers or event.traits
    )  # fmt: skip
