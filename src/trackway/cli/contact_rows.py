"""From a row of a file to the event that says it: which column is which field, and the key of a repeat. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct, field

from trackway.cli.row_files import BadRow, FileError, Row
from trackway.clock import format_time, parse_time
from trackway.profiles.identifiers import SENT_KINDS, is_blocked, normalise
from trackway.profiles.updates import SHAPES, UpdateRefused, word_account, word_contact

LEFT_OUT = "-"
# Of JSON, each line may have other names.
MOST_PLANS = 1000
TRAITS, IDENTIFIERS = "traits.", "identifiers."
# Names of columns that other systems give a field. The first that a file has is taken.
TIME_NAMES = ("occurred_at", "updated_at")
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "contact_id": {
        "contact_id": ("contact_id", "id"),
        "email": ("email", "email_address", "e_mail"),
        "phone": ("phone", "phone_number", "telephone"),
        "account_id": ("account_id",),
        "identifiers.user_id": ("user_id",),
        "identifiers.anonymous_id": ("anonymous_id",),
        "occurred_at": TIME_NAMES,
        "traits": ("traits",),
        "identifiers": ("identifiers",),
    },
    "account_id": {
        "account_id": ("account_id", "id"),
        "name": ("name",),
        "domain": ("domain",),
        "occurred_at": TIME_NAMES,
        "traits": ("traits",),
    },
}
WORDINGS = {"contact_id": word_contact, "account_id": word_account}

_encode = msgspec.json.Encoder(order="deterministic").encode


class Worded(Struct, frozen=True):
    """A row as an event of the native protocol. `remarks` say what of it links nobody, by field."""

    number: int
    event: dict[str, Any]
    remarks: tuple[tuple[str, str], ...] = ()


def read_mapping(kind: str, texts: Sequence[str]) -> dict[str, str]:
    """`COLUMN=FIELD` -> {column: field}. FileError when there is no such field."""
    mapping: dict[str, str] = {}
    for text in texts:
        column, sign, target = (part.strip() for part in text.partition("="))
        if not sign or not column or not target:
            raise FileError(f"--map {text!r} must read COLUMN=FIELD")
        kind_of_id = target.removeprefix(IDENTIFIERS) if target.startswith(IDENTIFIERS) else ""
        if not (
            target in COLUMNS[kind]
            or target == LEFT_OUT
            or (target.startswith(TRAITS) and len(target) > len(TRAITS))
            or (kind == "contact_id" and kind_of_id in SENT_KINDS)
        ):
            fields = ", ".join(name for name in COLUMNS[kind] if "." not in name)
            more = " or identifiers.KIND" if kind == "contact_id" else ""
            raise FileError(f"--map {text!r}: a field is one of {fields}, traits.NAME{more}, or - to leave it out")
        taken = next((name for name, other in mapping.items() if other == target != LEFT_OUT), None)
        if taken is not None:
            raise FileError(f"--map gives {target} two columns: {taken!r} and {column!r}")
        mapping[column] = target
    return mapping


class RowReader(Struct):
    """Makes events of the rows of one file, in its order.

    `started_at` is when what no column dates became so. Of two rows of one id the later one holds: it
    counts as a millisecond younger.
    """

    kind: str
    started_at: int
    mapping: Mapping[str, str]
    blocked: frozenset[str] = frozenset()
    country: str = ""
    again: bool = False
    _plans: dict[tuple[str, ...], dict[str, str]] = field(default_factory=dict)
    _seen: set[int] = field(default_factory=set)
    _repeats: dict[int, int] = field(default_factory=dict)

    def word(self, row: Row) -> Worded | BadRow:
        """The row's event, or why there is none, by field. FileError when its header has no id."""
        try:
            said, remarks = self._sort(row)
            identity = said.pop(self.kind, None)
            time = said.pop("occurred_at", None)
            event = WORDINGS[self.kind](identity, said, self.blocked)
            moment = self.started_at if time is None else _read_moment(time)
        except UpdateRefused as refused:
            return BadRow(row.number, refused.field, str(refused).removeprefix(f"{refused.field} "))
        turn = self._count(event[self.kind], time)
        event["dedupe_key"] = self._make_key(event, time, turn)
        event["occurred_at"] = format_time(moment + turn)
        return Worded(row.number, event, remarks)

    def _sort(self, row: Row) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
        """Cells by field. An unreadable address is kept as a trait, which links nobody, with a remark."""
        plan = self._find_plan(row)
        said: dict[str, Any] = {}
        traits: dict[str, Any] = {}
        identifiers: dict[str, Any] = {}
        remarks = []
        for column, value in row.content.items():
            target = plan[column]
            if target.startswith(TRAITS):
                traits[target.removeprefix(TRAITS)] = value
            elif target.startswith(IDENTIFIERS):
                identifiers[target.removeprefix(IDENTIFIERS)] = value
            elif target in SHAPES and isinstance(value, str) and not self._readable(target, value):
                traits[target] = value
                remarks.append((column, f"{SHAPES[target]}, not {value[:60]!r}: kept as a trait, which links nobody"))
            elif target == "phone" and isinstance(value, str):
                said["phone"] = normalise("phone", value, self.country)
            elif target != LEFT_OUT:
                said[target] = value
        for name, cells in (("traits", traits), ("identifiers", identifiers)):
            if cells:
                nested = said.get(name) or {}
                said[name] = {**nested, **cells} if isinstance(nested, dict) else nested
        return said, tuple(remarks)

    def _find_plan(self, row: Row) -> dict[str, str]:
        plan = self._plans.get(row.names)
        if plan is None:
            if row.is_cells:
                check_columns(self.kind, row.names, self.mapping)
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            plan = self._plans[row.names] = plan_columns(self.kind, row.names, self.mapping)
        return plan

    def _readable(self, target: str, value: str) -> bool:
        return not value or (not is_blocked(value, self.blocked) and bool(normalise(target, value, self.country)))

    def _count(self, identity: str, time: Any) -> int:
        """How many rows of this id and time came before."""
        digest = int.from_bytes(blake2b(_encode((identity, time)), digest_size=8).digest(), "big")
        if digest not in self._seen:
            self._seen.add(digest)
            return 0
        self._repeats[digest] = self._repeats.get(digest, 0) + 1
        return self._repeats[digest]

    def _make_key(self, event: Mapping[str, Any], time: Any, turn: int) -> str:
        """The same for the same content, whatever file it stands in."""
        said = (event, time, turn, self.started_at if self.again else 0)
        return f"row:{blake2b(_encode(said), digest_size=16).hexdigest()}"


def plan_columns(kind: str, names: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """Column -> field: as `mapping` says, else by a known name, else a trait named like the column."""
    plan = {name: mapping[name] for name in names if name in mapping}
    folded = {_fold(name): name for name in reversed(names) if name not in plan}
    for target, aliases in COLUMNS[kind].items():
        column = next((folded[alias] for alias in aliases if alias in folded), None)
        if column is not None and target not in plan.values():
            plan[column] = target
    return {name: plan.get(name, TRAITS + name) for name in names}


def check_columns(kind: str, names: Sequence[str], mapping: Mapping[str, str]) -> None:
    """FileError when a header lacks the id, or a column that --map names."""
    missing = next((column for column in mapping if column not in names), None)
    if missing is not None:
        raise FileError(f"--map names the column {missing!r}; the file has {', '.join(names)[:300]}")
    if kind not in plan_columns(kind, names, mapping).values():
        raise FileError(
            f"no column is the {kind}; name one {kind} or id, or say which it is: --map 'COLUMN={kind}'. "
            f"The file has {', '.join(names)[:300]}"
        )


def _fold(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def _read_moment(value: Any) -> int:
    """Milliseconds since 1970. UpdateRefused when it is no time."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    try:
        if isinstance(number, bool) or not isinstance(number, str | int | float):
            raise ValueError
        return parse_time(number)
    except (ValueError, OverflowError):
        said = f"{value!r:.60} is not a time; write 2026-01-31T10:00:00Z"
        raise UpdateRefused("occurred_at", said) from None
