"""Traits: what is known of a person or an account, with where each value comes from. Pure.

A register holds everything that was ever said of one trait of one identifier. Registers can be
merged in any order and any number of times (a counter's amounts are the exception: the pipeline
adds each event once), so the traits of a profile are the merged registers of its identifiers, and
an identifier that leaves takes its own with it. Nothing is thrown away by a merge.

What senders write: a value sets (`"plan": "pro"`), null takes away, a list unites
(`"tags": ["a"]`), `{"$add": 2}` counts, `{"$points": 2}` counts on from the value that was set last,
`{"$set_once": "de"}` sets what nothing else sets.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

MOST_TRAITS_PER_EVENT = 200
LONGEST_NAME = 200
LONGEST_VALUE = 8192
MOST_LIST_ITEMS = 1000
# Points that are kept one by one. A value that is set later than the newest of the older ones ends them all.
MOST_POINTS = 100
# Of one event. Sums of larger ones would lose their ones, and end beyond what JSON and a float can hold.
LARGEST_AMOUNT = 1e15
SMALLEST_AMOUNT = Decimal("0.000001")

ADD, POINTS, SET_ONCE = "$add", "$points", "$set_once"
COUNTING = (ADD, POINTS)
OPERATIONS = (*COUNTING, SET_ONCE)


class Evidence(Struct, frozen=True, array_like=True, order=True):
    """When, by which event and source. Their order decides conflicts: the latest wins, then the
    source of higher priority, then the higher event id."""

    occurred_at: int
    priority: int
    event_id: str
    source: str


class Said(Struct, frozen=True, array_like=True):
    value: Any
    evidence: Evidence


class Total(Struct, frozen=True, array_like=True):
    """A decimal: sums of floats would depend on the order in which they were added."""

    amount: Decimal
    evidence: Evidence


class Points(Struct, frozen=True, array_like=True):
    """What was given as points: the latest `MOST_POINTS` one by one, and the sum of the earlier."""

    latest: tuple[Total, ...] = ()
    earlier: Total | None = None


class Register(Struct, frozen=True, omit_defaults=True):
    """All that was said of one trait: the latest value, the items of lists, the sum of what was added,
    points, and the earliest value that was said to be set once."""

    value: Said | None = None
    items: dict[str, Evidence] = {}
    total: Total | None = None
    points: Points | None = None
    first: Said | None = None


class Trait(Struct, frozen=True, kw_only=True):
    """One trait as it is shown. `others` are the values of other identifiers that lost against it."""

    name: str
    value: Any
    evidence: Evidence
    others: tuple[Said, ...] = ()


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode_register = msgspec.json.Decoder(Register).decode


def encode_register(register: Register) -> str:
    return _encode(register).decode()


def decode_register(text: str) -> Register:
    return _decode_register(text)


def read_register(value: Any, evidence: Evidence) -> Register | None:
    """What one event says of one trait; None for what is too large to keep, and for a list that holds nothing."""
    operation = name_operation(value)
    if operation in COUNTING:
        amount = value[operation]
        if not is_amount(amount):
            return None
        given = Total(_read_amount(amount), evidence)
        return Register(total=given) if operation == ADD else Register(points=Points((given,)))
    if operation == SET_ONCE:
        return _read_once(value[SET_ONCE], evidence)
    if isinstance(value, list):
        items = {text: evidence for item in value if len(text := _encode(item).decode()) <= LONGEST_VALUE}
        return Register(items=_keep_first(items)) if items else None
    if len(_encode(value)) > LONGEST_VALUE:
        return None
    return Register(value=Said(value, evidence))


def _read_once(value: Any, evidence: Evidence) -> Register | None:
    """A list is one value here: there is nothing that it could unite with."""
    if value is None or len(_encode(value)) > LONGEST_VALUE:
        return None
    return Register(first=Said(value, evidence))


def _read_amount(amount: int | float) -> Decimal:
    """To six decimals, so that a sum of 1e15 is still exact in the 28 digits of a decimal."""
    return Decimal(str(amount)).quantize(SMALLEST_AMOUNT)


def name_operation(value: Any) -> str:
    """`$add`, `$points` or `$set_once`, when it is said as `{"$add": …}`; "" for a plain value."""
    if isinstance(value, dict) and len(value) == 1:
        (name,) = value
        return name if name in OPERATIONS else ""
    return ""


def counts(value: Any) -> bool:
    """Is it said as `{"$add": …}` or `{"$points": …}`?"""
    return name_operation(value) in COUNTING


def is_amount(amount: Any) -> bool:
    """A number that a counter takes."""
    return type(amount) in (int, float) and -LARGEST_AMOUNT <= amount <= LARGEST_AMOUNT


def read_registers(traits: Mapping[str, Any], evidence: Evidence) -> dict[str, Register]:
    """What one event says of each trait. What is beyond the limits is left out; the event itself keeps it."""
    registers: dict[str, Register] = {}
    for name in sorted(traits)[:MOST_TRAITS_PER_EVENT]:
        key = unicodedata.normalize("NFC", name).strip()[:LONGEST_NAME]
        register = read_register(traits[name], evidence) if key else None
        if register is not None:
            registers[key] = merge(registers[key], register) if key in registers else register
    return registers


def merge(a: Register, b: Register) -> Register:
    """Commutative and associative; idempotent but for totals and points, which add up."""
    value = max((s for s in (a.value, b.value) if s), key=_rank_said, default=None)
    items = dict(a.items)
    for item, evidence in b.items.items():
        items[item] = min(items[item], evidence) if item in items else evidence
    first = min((s for s in (a.first, b.first) if s), key=_rank_said, default=None)
    return Register(value, _keep_first(items), _sum(a.total, b.total), _merge_points(a.points, b.points), first)


def leave_out_counts(registers: Mapping[str, Register]) -> dict[str, Register]:
    """Without totals and points: of an event that has counted before."""
    kept = {name: replace(register, total=None, points=None) for name, register in registers.items()}
    return {name: register for name, register in kept.items() if register != Register()}


def unsay(known: Register, said: Register) -> Register:
    """What is known, without the value that the same event said before, which says another now."""
    if known.value and said.value and known.value.evidence.event_id == said.value.evidence.event_id:
        known = replace(known, value=None)
    if known.first and said.first and known.first.evidence.event_id == said.first.evidence.event_id:
        known = replace(known, first=None)
    return known


def _sum(a: Total | None, b: Total | None) -> Total | None:
    if a and b:
        return Total(a.amount + b.amount, max(a.evidence, b.evidence))
    return a or b


def _merge_points(a: Points | None, b: Points | None) -> Points | None:
    if a is None or b is None:
        return a or b
    ordered = sorted((*a.latest, *b.latest), key=lambda given: (given.evidence, given.amount))
    earlier = _sum(a.earlier, b.earlier)
    for given in ordered[:-MOST_POINTS]:
        earlier = _sum(earlier, given)
    return Points(tuple(ordered[-MOST_POINTS:]), earlier)


def _rank_said(said: Said) -> tuple[Evidence, bytes]:
    return said.evidence, _encode(said.value)


def _keep_first(items: dict[str, Evidence]) -> dict[str, Evidence]:
    if len(items) <= MOST_LIST_ITEMS:
        return items
    return dict(sorted(items.items(), key=lambda pair: (pair[1], pair[0]))[:MOST_LIST_ITEMS])


def find_trait(name: str, registers: Iterable[Register]) -> Trait | None:
    """The trait that the registers of a profile's identifiers make together; None when it was taken away."""
    everything = list(registers)
    whole = Register()
    for register in everything:
        whole = merge(whole, register)
    shown = [_show_value(whole), _show_items(whole), _show_total(whole), _show_points(whole)]
    best = max((each for each in shown if each), key=lambda said: said.evidence, default=None)
    if whole.first and (best is None or (best.value is None and best.evidence < whole.first.evidence)):
        best = whole.first
    if best is None or best.value is None:
        return None
    others = {_encode(r.value.value): r.value for r in everything if r.value and r.value.value != best.value}
    return Trait(name=name, value=best.value, evidence=best.evidence, others=tuple(others.values()))


def _show_value(register: Register) -> Said | None:
    return register.value


def _show_items(register: Register) -> Said | None:
    if not register.items:
        return None
    values = [msgspec.json.decode(text) for text in sorted(register.items)]
    return Said(values, max(register.items.values()))


def _show_total(register: Register) -> Said | None:
    if register.total is None:
        return None
    return Said(_show_amount(register.total.amount), register.total.evidence)


def _show_points(register: Register) -> Said | None:
    """The number that was set last and the points since. None when the value is later than all of them."""
    if register.points is None:
        return None
    since = register.value.evidence if register.value else None
    given = [each for each in (register.points.earlier, *register.points.latest) if each]
    counted = [each for each in given if since is None or each.evidence > since]
    if not counted:
        return None
    begun = register.value.value if register.value else 0
    amount = sum((each.amount for each in counted), _read_amount(begun) if is_amount(begun) else Decimal(0))
    return Said(_show_amount(amount), max(each.evidence for each in counted))


def _show_amount(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)


def find_traits(registers: Iterable[tuple[str, Register]]) -> list[Trait]:
    """All traits of a profile out of (name, register of one identifier), by name."""
    by_name: dict[str, list[Register]] = {}
    for name, register in registers:
        by_name.setdefault(name, []).append(register)
    found = (find_trait(name, by_name[name]) for name in sorted(by_name))
    return [trait for trait in found if trait is not None]
