"""Accounts: the companies that people were seen with, those seen last first."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from trackway.dashboard.page import Answer, Page, Question
from trackway.query.accounts import list_accounts

ROWS = 50


def ask_accounts(question: Question) -> Answer:
    desk = question.desk
    return list_accounts(
        desk.state,
        desk.workspace,
        limit=question.number("limit", ROWS),
        name=question.text("name"),
        cursor=question.text("cursor"),
    )


def show_accounts(question: Question, answer: Answer) -> Mapping[str, Any]:
    filters = {name: question.text(name) for name in ("name", "limit") if question.text(name)}
    return {
        "filters": filters,
        "older": urlencode({**filters, "cursor": answer["next"]}) if answer["next"] else "",
        "newest": urlencode(filters) if question.text("cursor") else None,
    }


PAGE = Page("/accounts", "accounts.html", ask_accounts, show_accounts)
