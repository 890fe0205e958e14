"""A consent policy in words and as the text of its editor, and what a change of it would change. Pure."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from trackway.profiles.policies import (
    EVERYWHERE,
    GROUPS,
    TRACKING,
    UNKNOWN_PLACE,
    Policy,
    PolicyError,
    Rule,
)

PLACES = {
    EVERYWHERE: "everywhere",
    UNKNOWN_PLACE: "an unknown place",
    "EU": "the EU",
    "EEA": "the EEA",
    "UK": "the UK",
    "US-GPC": "US states with GPC laws",
}
MODES = {
    "opt_in": "asks first",
    "opt_out": "stores until somebody objects",
    "none": "asks for nothing",
}
OUTCOMES = {
    "store": "stored in full",
    "anonymise": "stored anonymously",
    "hold": "held until they agree",
    "drop": "dropped",
}
WITHDRAWALS = {
    "keep": "what is stored stays",
    "anonymise": "what is stored is anonymised",
    "erase": "the person is erased",
}
FIELDS = {
    "jurisdictions": "places",
    "purpose": "purpose",
    "sources": "sources",
    "mode": "mode",
    "without_consent": "without consent",
    "hold_hours": "hours to wait for consent",
    "gpc": "Sec-GPC counts as withdrawn",
    "dnt": "DNT counts as withdrawn",
    "on_withdrawal": "on withdrawal",
}
# (what the visitor said, Sec-GPC, DNT, in words) of the events that two policies are compared by.
CASES = (
    ("unknown", False, False, "nobody said anything"),
    ("granted", False, False, "consent was granted"),
    ("unknown", True, False, "nobody said anything, Sec-GPC: 1"),
    ("unknown", False, True, "nobody said anything, DNT: 1"),
)
MOST_PLACES = 400
MOST_SOURCES = 10
ELSEWHERE = "everywhere else"
OTHER_SOURCES = ""


class Effect(Struct, frozen=True):
    """Events of one case that would be treated otherwise: outcomes as OUTCOMES words them."""

    case: str
    places: Sequence[str]
    source: str
    before: str
    after: str


def name_place(place: str) -> str:
    if place in PLACES:
        return PLACES[place]
    return f"{place[:2]}, region unknown" if place.endswith("-unknown") else place


def list_signals(rule: Rule) -> list[str]:
    """The browser signals that count as withdrawn."""
    return [name for name, honoured in (("Sec-GPC", rule.honours_gpc), ("DNT", rule.dnt)) if honoured]


def write_rules(rules: Iterable[Rule]) -> str:
    """As the editor shows them: one rule a line, without what is the default."""
    lines = (json.dumps(_pick_own(rule), ensure_ascii=False) for rule in rules)
    return '{"rules": [\n  ' + ",\n  ".join(lines) + "\n]}\n"


def _pick_own(rule: Rule) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(rule)
    usual = msgspec.to_builtins(Rule(id="", jurisdictions=(), mode=rule.mode))
    return {name: value for name, value in said.items() if name in ("id", "mode") or value != usual[name]}


def read_editor(text: str) -> Any:
    """What an editor's text says as rules: a list, or the one in `{"rules": […]}`. PolicyError when it is no JSON."""
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise PolicyError(*_find_fault(text)) from None
    if isinstance(said, dict):
        unknown = [name for name in said if name != "rules"]
        if unknown:
            raise PolicyError("a policy is an object with rules and nothing else", unknown[0][:60])
        said = said.get("rules")
    return said


def _find_fault(text: str) -> tuple[str, str]:
    """What is wrong with a text that is no JSON, and where, as a person counts."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"this is no JSON: {error.msg}", f"line {error.lineno}, column {error.colno}"
    except (RecursionError, ValueError):
        return "this is nested too deeply, or holds a number too long, to be a policy", "the text"
    return "this is no JSON: a number or a character in it cannot be read", "the text"


def describe_changes(old: Sequence[Rule], new: Sequence[Rule]) -> list[str]:
    """What differs, rule by rule; empty when nothing does."""
    before, after = {rule.id: rule for rule in old}, {rule.id: rule for rule in new}
    said = [f"Rule {rule.id} is removed." for rule in old if rule.id not in after]
    for number, rule in enumerate(new, 1):
        if rule.id not in before:
            places = ", ".join(name_place(place) for place in rule.jurisdictions[:8])
            more = f" and {len(rule.jurisdictions) - 8} more" if len(rule.jurisdictions) > 8 else ""
            said.append(f"Rule {rule.id} is new, at place {number}: {places}{more}; it {MODES[rule.mode]}.")
        else:
            said += _compare_rules(before[rule.id], rule)
    kept = [rule.id for rule in old if rule.id in after]
    if kept != [rule.id for rule in new if rule.id in before]:
        said.append(f"The order changes to {', '.join(rule.id for rule in new[:20])}{' …' if len(new) > 20 else ''}.")
    return said


def _compare_rules(old: Rule, new: Rule) -> list[str]:
    said = []
    for field, words in FIELDS.items():
        was, now = getattr(old, field), getattr(new, field)
        if field == "gpc":
            was, now = old.honours_gpc, new.honours_gpc
        if was == now:
            continue
        if isinstance(was, tuple):
            gone = [each for each in was if each not in now]
            came = [each for each in now if each not in was]
            parts = ([f"gain {_list_some(came)}"] if came else []) + ([f"lose {_list_some(gone)}"] if gone else [])
            said.append(f"Rule {new.id}: {words} {' and '.join(parts) or 'stand in another order'}.")
        else:
            said.append(f"Rule {new.id}: {words} {_say(was)} becomes {_say(now)}.")
    return said


def _list_some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _say(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def compare_effects(old: Sequence[Rule], new: Sequence[Rule]) -> list[Effect]:
    """Which events would be treated otherwise, by place: every place, source and signal that either policy names."""
    policies = Policy(old), Policy(new)
    places = _list_probes((*old, *new))
    sources = sorted({source for rule in (*old, *new) for source in rule.sources} - {EVERYWHERE})[:MOST_SOURCES]
    told: dict[str, dict[str, tuple[str, str]]] = {}
    effects: list[Effect] = []
    for source in (OTHER_SOURCES, *sources):
        usual: dict[str, tuple[str, str]] = {}
        for state, gpc, dnt, case in CASES:
            found: dict[tuple[str, str], list[str]] = {}
            changes = told.setdefault(case, {})
            for country, region, name in places:
                was, now = (
                    policy.decide(country, region, TRACKING, source, state, gpc, dnt).outcome for policy in policies
                )
                # What a signal does not change, and what every other source has too, is told once.
                known = (changes.get(name) if source else None, usual.get(name) if gpc or dnt else None)
                if was != now and (was, now) not in known:
                    found.setdefault((was, now), []).append(name)
                if not source:
                    changes[name] = (was, now)
                if case == CASES[0][3]:
                    usual[name] = (was, now)
            effects += [
                Effect(case, _fold_groups(names), source, OUTCOMES[was], OUTCOMES[now])
                for (was, now), names in found.items()
            ]
    return effects


def _fold_groups(names: Sequence[str]) -> tuple[str, ...]:
    """Groups by their name where all of them is there."""
    left, folded = list(names), []
    for group in ("EEA", "EU", "UK", "US-GPC"):
        if GROUPS[group] <= set(left):
            folded.append(PLACES[group])
            left = [name for name in left if name not in GROUPS[group]]
    return (*folded, *left)


def _list_probes(rules: Iterable[Rule]) -> list[tuple[str, str, str]]:
    """(country, region, name): one event of each place that the rules tell apart."""
    named = {place for rule in rules for place in rule.jurisdictions}
    plain = named.union(*(GROUPS[group] for group in named & GROUPS.keys())) - GROUPS.keys()
    plain -= {EVERYWHERE, UNKNOWN_PLACE}
    regions = {place for place in plain if "-" in place and not place.endswith("-unknown")}
    countries = {place[:2] for place in plain}
    probes = [(country, "", _name_country(country, regions)) for country in sorted(countries)]
    probes += [(region[:2], region, region) for region in sorted(regions)]
    # A region that no rule names stands for the rest of its country.
    probes += [(country, f"{country}-0", f"the rest of {country}") for country in sorted({r[:2] for r in regions})]
    return [*probes[:MOST_PLACES], ("ZZ", "", ELSEWHERE), ("", "", PLACES[UNKNOWN_PLACE])]


def _name_country(country: str, regions: Iterable[str]) -> str:
    return f"{country}, region unknown" if any(region[:2] == country for region in regions) else country
