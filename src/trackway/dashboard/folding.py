"""A timeline folded by session: which session each event of a page belongs to. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct


class Fold(Struct):
    """Events of one session that follow each other, newest first; `session` is None where they are in none."""

    session: Mapping[str, Any] | None
    events: list[Mapping[str, Any]]

    @property
    def hidden(self) -> int:
        """How many events of the session are on other pages."""
        return max(0, self.session["events"] - len(self.events)) if self.session else 0


def fold_timeline(events: Sequence[Mapping[str, Any]], sessions: Sequence[Mapping[str, Any]]) -> list[Fold]:
    """`events` newest first, in folds whose newest event is in that order too."""
    named = {session["session_id"]: session for session in sessions if not session["rebuilt"]}
    folds: dict[str, Fold] = {}
    for event in events:
        session = named.get(event["session_id"]) or _find_session(event["occurred_at"], sessions)
        # Strays between two sessions are told where they happened, not all at one place.
        key = session["session_id"] if session else f"after {list(folds)[-1] if folds else ''}"
        folds.setdefault(key, Fold(session, [])).events.append(event)
    return list(folds.values())


def _find_session(moment: str, sessions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The session begun last of those that were going on; texts of one form compare like the moments."""
    return next((each for each in sessions if each["started_at"] <= moment <= each["ended_at"]), None)
