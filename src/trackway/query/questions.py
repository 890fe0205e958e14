"""What may be asked, and the one error for what may not.

Station 5 of the road, its first step. Checks the numbers and texts of a question before anything
is compiled; asks nothing of the store.
"""

import uuid

FEWEST_ITEMS, MOST_ITEMS = 1, 1000
MOST_HOURS = 24 * 366
MOST_MINUTES = 24 * 60
LONGEST_TEXT = 500


class QuestionError(ValueError):
    """The question cannot be answered as it was put; `field` names the part, the text says what to do."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


def check_number(field: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise QuestionError(f"{field} must be a whole number from {least} to {most}, not {value}", field)
    return value


def check_text(field: str, value: str) -> str:
    if len(value) > LONGEST_TEXT:
        raise QuestionError(f"{field} has {len(value)} characters; at most {LONGEST_TEXT} are compared", field)
    if "\x00" in value:
        raise QuestionError(f"{field} holds a NUL character, which no event does", field)
    return value


def check_event_id(value: str) -> str:
    """The id in its canonical form: 36 characters, lower case."""
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise QuestionError(
            f"{value[:60]!r} is no event id; one looks like 019aa3b2-4c5d-7e6f-8a9b-0c1d2e3f0000", "event_id"
        ) from None
