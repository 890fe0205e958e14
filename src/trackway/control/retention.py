"""How long events are kept, by workspace and event type. Without a rule they are kept for ever."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import delete, insert, select

from trackway.control.database import State
from trackway.control.privacy_tables import RETENTION

EVERY_TYPE = "*"
MOST_DAYS = 36_500
MOST_RULES = 500
LONGEST_TYPE = 200


class Rule(Struct, frozen=True):
    """Events of `event_type` go `days` days after they were received; "*" is every type without a rule of its own."""

    event_type: str
    days: int
    changed_by: str = ""
    changed_at: int = 0


class WrongRule(ValueError):
    """A rule cannot be used; `field` says which, the text why."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def read_rules(said: Any) -> list[Rule]:
    """What a body says, checked: `[{"event_type": "page_view", "days": 90}, …]`."""
    if not isinstance(said, list) or len(said) > MOST_RULES:
        raise WrongRule(f"rules must be a list of at most {MOST_RULES}", "rules")
    rules: dict[str, Rule] = {}
    for number, each in enumerate(said):
        where = f"rules[{number}]"
        if not isinstance(each, Mapping) or set(each) - {"event_type", "days"}:
            raise WrongRule("a rule is an object with event_type and days", where)
        event_type, days = each.get("event_type"), each.get("days")
        if not isinstance(event_type, str) or not 0 < len(event_type) <= LONGEST_TYPE:
            raise WrongRule(f"event_type must be a text of 1 to {LONGEST_TYPE} characters, or *", f"{where}.event_type")
        if type(days) is not int or not 1 <= days <= MOST_DAYS:
            raise WrongRule(
                f"days must be a whole number from 1 to {MOST_DAYS}; leave the rule out to keep for ever",
                f"{where}.days",
            )
        if event_type in rules:
            raise WrongRule(f"there are two rules for {event_type}", f"{where}.event_type")
        rules[event_type] = Rule(event_type, days)
    return list(rules.values())


def list_rules(state: State, workspace: str) -> list[Rule]:
    t = RETENTION.c
    with state.read() as connection:
        rows = connection.execute(select(RETENTION).where(t.workspace == workspace).order_by(t.event_type))
        return [Rule(row.event_type, row.days, row.changed_by, row.changed_at) for row in rows]


def put_rules(state: State, workspace: str, rules: Sequence[Rule], by: str, now: int) -> list[Rule]:
    """Replace the workspace's rules; one that stays as it was keeps who set it."""
    known = {rule.event_type: rule for rule in list_rules(state, workspace)}
    kept = [
        old
        if (old := known.get(rule.event_type)) and old.days == rule.days
        else Rule(rule.event_type, rule.days, by, now)
        for rule in rules
    ]
    with state.write() as connection:
        connection.execute(delete(RETENTION).where(RETENTION.c.workspace == workspace))
        for rule in kept:
            connection.execute(
                insert(RETENTION).values(
                    workspace=workspace,
                    event_type=rule.event_type,
                    days=rule.days,
                    changed_by=rule.changed_by,
                    changed_at=rule.changed_at,
                )
            )
    return list_rules(state, workspace)
