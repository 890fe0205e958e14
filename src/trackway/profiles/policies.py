"""The consent policy: which rule applies to an event, and how that lets it be stored.

Pure. A policy is an ordered list of rules kept as data; the first whose places, purpose and
source fit decides. It never looks anything up: country, state of consent and browser signals
arrive as arguments. What the words mean: docs/reference/consent.md.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

State = Literal["granted", "withdrawn", "pending", "expired", "unknown"]
STATES: tuple[State, ...] = get_args(State)
Mode = Literal["opt_in", "opt_out", "none"]
Outcome = Literal["store", "anonymise", "hold", "drop"]
OnWithdrawal = Literal["keep", "anonymise", "erase"]

EVERYWHERE = "*"
UNKNOWN_PLACE = "unknown"
TRACKING = "tracking"
MOST_RULES = 200
MOST_LISTED = 300
HOLD_HOURS = 72
MOST_HOLD_HOURS = 720
DECISIONS_REMEMBERED = 8192

_EU = (
    *("AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT", "LU"),
    *("MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE"),
    # Parts of France and Finland where Union law holds, with country codes of their own.
    *("GF", "GP", "MQ", "YT", "RE", "MF", "AX"),
)
# States whose laws oblige a site to honour Sec-GPC, as of 2026.
_US_GPC = ("CA", "CO", "CT", "DE", "MD", "MN", "MT", "NE", "NH", "NJ", "OR", "TX")

GROUPS: dict[str, frozenset[str]] = {
    "EU": frozenset(_EU),
    "EEA": frozenset((*_EU, "IS", "LI", "NO")),
    "UK": frozenset(("GB",)),
    "US-GPC": frozenset(f"US-{state}" for state in _US_GPC),
}

_RULE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_PLACE = re.compile(r"[A-Z]{2}(-([A-Z0-9]{1,3}|unknown))?")


class PolicyError(ValueError):
    """A policy cannot be used; `field` is the path of what is wrong, such as `rules[2].mode`."""

    def __init__(self, message: str, field: str = "rules") -> None:
        super().__init__(message)
        self.field = field


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule. `gpc` None means: in opt_out rules Sec-GPC counts as withdrawn, in others it does not.

    `jurisdictions` holds countries (DE), regions (US-CA), a country whose region is not known
    (US-unknown), groups (EU, EEA, UK, US-GPC), `unknown` and `*`. `hold_hours` is for `hold` alone.
    """

    id: str
    jurisdictions: tuple[str, ...]
    purpose: str = TRACKING
    sources: tuple[str, ...] = (EVERYWHERE,)
    mode: Mode
    without_consent: Outcome = "store"
    hold_hours: int = HOLD_HOURS
    gpc: bool | None = None
    dnt: bool = False
    on_withdrawal: OnWithdrawal = "keep"

    @property
    def honours_gpc(self) -> bool:
        return self.mode == "opt_out" if self.gpc is None else self.gpc

    def fits(self, country: str, region: str, purpose: str, source: str) -> bool:
        return (
            self.purpose in (EVERYWHERE, purpose)
            and (EVERYWHERE in self.sources or source in self.sources)
            and any(_covers(place, country, region) for place in self.jurisdictions)
        )


class Decision(Struct, frozen=True):
    """How an event may be stored. `rule_id` is empty when no rule fits; `why` is a sentence for people.

    `hold_hours` is how long an event may wait for consent, where the outcome is `hold`.
    """

    outcome: Outcome
    rule_id: str
    mode: Mode
    why: str
    hold_hours: int = 0


# What is stored is not touched by default: that forgets the person as a whole, which an operator should choose.
DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(id="eu-opt-in", jurisdictions=("EU", "EEA", "UK", "CH"), mode="opt_in", without_consent="anonymise"),
    # Where only the country is known, a visitor may be of one of these states.
    Rule(id="us-opt-out", jurisdictions=("US-GPC", "US-unknown"), mode="opt_out"),
    Rule(id="elsewhere", jurisdictions=(EVERYWHERE,), mode="none"),
)


class Policy:
    """Rules in force, and what they decide. The same question is answered from memory."""

    def __init__(self, rules: Sequence[Rule] = DEFAULT_RULES) -> None:
        self.rules = tuple(rules)
        self.decide = lru_cache(DECISIONS_REMEMBERED)(self._decide)
        named = {place for rule in self.rules for place in rule.jurisdictions}
        regions = named.union(*(GROUPS[group] for group in named & GROUPS.keys()))
        self._countries_of_regions = frozenset(region[:2] for region in regions if region[2:3] == "-")

    def find_rule(self, country: str, region: str, purpose: str, source: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.fits(country, region, purpose, source)), None)

    def knows_regions_of(self, country: str) -> bool:
        """Does a rule ask for a region of this country?"""
        return country in self._countries_of_regions

    def _decide(
        self, country: str, region: str, purpose: str, source: str, state: str, gpc: bool, dnt: bool
    ) -> Decision:
        """Total: every text is an answerable question. `region` is as US-CA, `country` as US; "" is unknown.

        A withdrawal drops wherever it was said; the rule only says what else counts as one.
        """
        rule = self.find_rule(country, region, purpose, source)
        place = region or country or "an unknown place"
        if rule is None:
            if state == "withdrawn":
                return Decision("drop", "", "none", f"consent was withdrawn; no rule fits {place}")
            return Decision("store", "", "none", f"no rule fits {place}, purpose {purpose}, source {source}")
        if state == "withdrawn":
            return Decision("drop", rule.id, rule.mode, "consent was withdrawn, which drops in every mode")
        if gpc and rule.honours_gpc:
            return Decision("drop", rule.id, rule.mode, f"Sec-GPC: 1 counts as withdrawn in {place}")
        if dnt and rule.dnt:
            return Decision("drop", rule.id, rule.mode, f"DNT: 1 counts as withdrawn in {place}, as the rule says")
        if rule.mode == "opt_in" and state != "granted":
            why = f"{place} asks for consent first and it is {state or 'unknown'}; without it the rule says {rule.without_consent}"
            hours = rule.hold_hours if rule.without_consent == "hold" else 0
            return Decision(rule.without_consent, rule.id, rule.mode, why, hours)
        return Decision("store", rule.id, rule.mode, _WHY_STORED[rule.mode].format(place=place))


DEFAULT_POLICY = Policy()

_WHY_STORED: dict[Mode, str] = {
    "opt_in": "consent was granted",
    "opt_out": "in {place} everything is stored that nobody withdrew from",
    "none": "{place} asks for no consent",
}


def _covers(place: str, country: str, region: str) -> bool:
    if place == EVERYWHERE:
        return True
    if place == UNKNOWN_PLACE:
        return not country
    if place in GROUPS:
        return country in GROUPS[place] or region in GROUPS[place]
    if place.endswith("-unknown"):
        return not region and country == place[:2]
    return place in (country, region)


def read_rules(said: Any) -> tuple[Rule, ...]:
    """The rules of a policy as JSON says them: a list. PolicyError, in words for the operator."""
    if not isinstance(said, list):
        raise PolicyError("rules must be a list of rules")
    if not 0 < len(said) <= MOST_RULES:
        raise PolicyError(
            f"a policy holds 1 to {MOST_RULES} rules, not {len(said)}; one of mode none stores everything"
        )
    rules = tuple(_read_rule(item, f"rules[{index}]") for index, item in enumerate(said))
    for index, rule in enumerate(rules):
        for before in rules[:index]:
            if before.id == rule.id:
                raise PolicyError(f"the id {rule.id!r} is used twice", f"rules[{index}].id")
            if _hides(before, rule):
                raise PolicyError(
                    f"rule {rule.id!r} can never decide: {before.id!r} before it fits every place and source",
                    f"rules[{index}]",
                )
    return rules


def _hides(before: Rule, rule: Rule) -> bool:
    everyone = EVERYWHERE in before.jurisdictions and EVERYWHERE in before.sources
    return everyone and before.purpose in (EVERYWHERE, rule.purpose)


def _read_rule(said: Any, at: str) -> Rule:
    if not isinstance(said, Mapping):
        raise PolicyError("a rule must be an object", at)
    try:
        rule = msgspec.convert(said, Rule)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise PolicyError(message, f"{at}{path.rstrip('`')}") from None
    if not _RULE_ID.fullmatch(rule.id):
        raise PolicyError("id takes letters, digits, '.', '_' and '-', at most 60", f"{at}.id")
    for name in ("jurisdictions", "sources"):
        if not 0 < len(getattr(rule, name)) <= MOST_LISTED:
            raise PolicyError(f"{name} holds 1 to {MOST_LISTED} entries; '*' stands for all", f"{at}.{name}")
    for place in rule.jurisdictions:
        if place not in GROUPS and place not in (EVERYWHERE, UNKNOWN_PLACE) and not _PLACE.fullmatch(place):
            raise PolicyError(
                f"{place[:40]!r} is no jurisdiction; write DE, US-CA, US-unknown, {', '.join(GROUPS)}, unknown or *",
                f"{at}.jurisdictions",
            )
    if not rule.purpose or len(rule.purpose) > 100:
        raise PolicyError("purpose must be a text of 1 to 100 characters, tracking for events", f"{at}.purpose")
    if rule.mode != "opt_in" and rule.without_consent != "store":
        raise PolicyError(
            f"without_consent only has a meaning in mode opt_in, not in {rule.mode}", f"{at}.without_consent"
        )
    if not 1 <= rule.hold_hours <= MOST_HOLD_HOURS:
        raise PolicyError(f"hold_hours must be 1 to {MOST_HOLD_HOURS}, not {rule.hold_hours}", f"{at}.hold_hours")
    if rule.hold_hours != HOLD_HOURS and rule.without_consent != "hold":
        raise PolicyError("hold_hours only has a meaning where without_consent is hold", f"{at}.hold_hours")
    return rule
