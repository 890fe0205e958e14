"""The consent policy as it is shown and tried, and what became of events by it.

Station 5. Shares count events by when they were received. An event without a rule is one that no rule fits,
or a record that an operator keeps of a contact, which no policy decides.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from trackway.clock import format_time
from trackway.profiles.policies import STATES, TRACKING, Policy, Rule
from trackway.profiles.policy_versions import PolicyVersion
from trackway.query.compiler import compile_query, run_query
from trackway.query.questions import QuestionError
from trackway.store.client import EventStore

DAY_MS = 86_400_000
# Name of a period -> its days.
PERIODS = {"day": 1, "week": 7, "month": 30}
FATES = ("full", "anonymous", "dropped")
STORED = {"store": "full", "anonymise": "anonymous", "hold": "held", "drop": False}
NO_RULE = "no rule"

_COUNTRY = re.compile(r"[A-Z]{2}|")
_REGION = re.compile(r"([A-Z]{2}-)?[A-Z0-9]{1,3}|")


def describe_version(version: PolicyVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "changed_by": version.changed_by,
        "changed_at": format_time(version.changed_at) if version.changed_at else "",
        "rules": [msgspec.to_builtins(rule) | {"gpc": rule.honours_gpc} for rule in version.rules],
    }


def try_rules(
    rules: Sequence[Rule],
    *,
    country: str = "",
    region: str = "",
    source: str = "",
    state: str = "",
    purpose: str = "",
    gpc: bool = False,
    dnt: bool = False,
) -> dict[str, Any]:
    """{"outcome", "stored", "rule", "mode", "why"} of an event. QuestionError for what is no place or no state.

    `region` may be `CA` beside a country, or `US-CA` alone; no state means that nobody said anything.
    """
    said, (country, region), state = (country, region), (country.upper(), region.upper()), state or "unknown"
    if state not in STATES:
        raise QuestionError(f"state must be one of {', '.join(STATES)}", "state")
    if not _COUNTRY.fullmatch(country):
        raise QuestionError(
            f"country is two letters such as DE, not {said[0][:40]!r}; nothing means unknown", "country"
        )
    if not _REGION.fullmatch(region):
        raise QuestionError(f"region is written like US-CA, or CA beside its country, not {said[1][:40]!r}", "region")
    if region and "-" not in region:
        if not country:
            raise QuestionError(f"region {region} needs its country", "country")
        region = f"{country}-{region}"
    country = country or region.partition("-")[0]
    if region and not region.startswith(f"{country}-"):
        raise QuestionError(f"{region} is no region of {country}", "region")
    decision = Policy(rules).decide(country, region, purpose or TRACKING, source, state, gpc, dnt)
    return {
        "outcome": decision.outcome,
        "stored": STORED[decision.outcome],
        "rule": decision.rule_id,
        "mode": decision.mode,
        "why": decision.why,
    }


def count_fates(store: EventStore, workspace: str, now_ms: int) -> dict[str, Any]:
    """{"periods": {period: {fate: events}}, "rules": [{"rule", "fate", period: events…}…]}, the most frequent first."""
    parameters = {"workspace": workspace}
    since = {f"{name}_from": max(0, now_ms - days * DAY_MS) for name, days in PERIODS.items()}
    stored = run_query(store, compile_query("count_stored_by_rule", parameters | since))
    refused = run_query(store, compile_query("count_refused_by_rule", parameters | since))
    rows = [_describe_row(row, row["stored_as"]) for row in stored]
    rows += [_describe_row(row, "dropped") for row in refused]
    rows.sort(key=lambda row: (-row["month"], row["rule"], row["fate"]))
    return {
        "periods": {
            period: {fate: sum(row[period] for row in rows if row["fate"] == fate) for fate in FATES}
            for period in PERIODS
        },
        "rules": rows,
    }


def _describe_row(row: Mapping[str, Any], fate: str) -> dict[str, Any]:
    rule = "" if row["rule"] == NO_RULE else row["rule"]
    return {"rule": rule, "fate": fate, **{period: row[period] for period in PERIODS}}
