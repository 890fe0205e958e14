"""Account: who was seen with it, how it takes part, what it did."""

from collections.abc import Mapping
from typing import Any

from trackway.control.sources import list_sources
from trackway.dashboard.charts import draw_days
from trackway.dashboard.page import Answer, NotThere, Page, Question
from trackway.query.accounts import describe_account, read_account
from trackway.query.activity import describe_engagement, list_timeline
from trackway.query.visitors import name_people

EVENTS = 100


def ask_account(question: Question) -> Answer:
    desk, account_id = question.desk, question.path["account_id"]
    unknown = NotThere(f"No account is known by the id {account_id[:100]}.", "account")
    known = read_account(desk.store, desk.state, desk.workspace, account_id)
    if known is None:
        raise unknown
    described = describe_account(desk.store, desk.state, desk.workspace, account_id)
    if described is None:
        raise unknown
    return {
        **described,
        "engagement": describe_engagement(desk.store, desk.workspace, known.whose, desk.clock()),
        "timeline": list_timeline(
            desk.store,
            desk.state,
            desk.workspace,
            known.whose,
            limit=question.number("limit", EVENTS),
            cursor=question.text("cursor"),
        ),
    }


def show_account(question: Question, answer: Answer) -> Mapping[str, Any]:
    desk, events = question.desk, answer["timeline"]["items"]
    return {
        "bars": draw_days(answer["engagement"]["days"]),
        "days": group_by_day(events),
        "names": name_people(desk.state, sorted({event["profile_id"] for event in events if event["profile_id"]})),
        "is_newest": not question.text("cursor"),
        "source_names": {source.id: source.name for source in list_sources(desk.state, desk.workspace)},
    }


def group_by_day(events: list[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Sessions are people's; what an account did is told by day (UTC), newest first."""
    days: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        days.setdefault(event["occurred_at"][:10], []).append(event)
    return days


PAGE = Page("/accounts/{account_id:path}", "account.html", ask_account, show_account)
