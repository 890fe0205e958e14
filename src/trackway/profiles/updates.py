"""What somebody outside says of a contact or an account, as one event of the native protocol. Pure.

Used by the API and by the import of files, so that both refuse the same. Checked here is what would
otherwise be taken and link nobody (an id that is a word for nobody, an address that is none); the
rest is checked at the door, like every event.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from trackway.profiles.identifiers import LONGEST_IDENTIFIER, is_blocked, normalise
from trackway.profiles.traits import (
    LARGEST_AMOUNT,
    LONGEST_NAME,
    LONGEST_VALUE,
    MOST_TRAITS_PER_EVENT,
    counts,
    is_amount,
)

CONTACT_UPDATED = "contact_updated"
ACCOUNT_UPDATED = "account_updated"
PERSON_ADDED = "account_person_added"

CONTACT_FIELDS = ("email", "phone", "account_id", "traits", "identifiers", "occurred_at")
ACCOUNT_FIELDS = ("name", "domain", "traits", "occurred_at")
ACCOUNT_TRAIT_FIELDS = ("name", "domain")
# What must be readable, lest it link nobody without a word.
SHAPES = {
    "email": "must be a mail address, like ann@example.com",
    "phone": "must be an international telephone number, like +49 30 901820",
}


class UpdateRefused(ValueError):
    """What was said cannot be taken; `field` names the part, the text says why and what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field


def check_id(name: str, value: Any, blocked: frozenset[str]) -> str:
    """The id of a contact or an account, trimmed. UpdateRefused when nobody could be found by it again."""
    if type(value) is int:
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise UpdateRefused(name, "must be a text")
    if value is None or not value.strip():
        raise UpdateRefused(name, "is required: a text that is not empty")
    text = value.strip()
    if len(text) > LONGEST_IDENTIFIER:
        raise UpdateRefused(name, f"has {len(text):,} characters; an id has {LONGEST_IDENTIFIER} at most")
    if is_blocked(text, blocked):
        raise UpdateRefused(name, f"is {text!r}, a word for nobody; give each its own id")
    if "\ufffd" in text or not normalise("contact_id", text):
        raise UpdateRefused(name, "holds control characters, or characters that are not UTF-8")
    # A contact is compared in this form; an account's id is compared as it is sent.
    return normalise("contact_id", text) if name == "contact_id" else text


def word_contact(contact_id: Any, said: Mapping[str, Any], blocked: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The event `contact_updated`; `said` holds fields of CONTACT_FIELDS. UpdateRefused when one cannot be taken.

    What is null or empty is left as it is known.
    """
    _refuse_unknown(said, CONTACT_FIELDS)
    event: dict[str, Any] = {
        "event_type": CONTACT_UPDATED,
        "contact_id": check_id("contact_id", contact_id, blocked),
        "traits": _read_traits(said),
        **_read_time(said),
    }
    for name, shape in SHAPES.items():
        if value := _read_text(said, name):
            if is_blocked(value, blocked) or not normalise(name, value):
                raise UpdateRefused(name, f"{shape}, not {value[:60]!r}")
            event[name] = value
    if said.get("account_id") not in (None, ""):
        event["account_id"] = check_id("account_id", said["account_id"], blocked)
    identifiers = said.get("identifiers")
    if identifiers is not None and not isinstance(identifiers, dict):
        raise UpdateRefused("identifiers", 'must be an object, like {"user_id": "u1"}')
    if identifiers:
        event["identifiers"] = identifiers
    return event


def word_account(account_id: Any, said: Mapping[str, Any], blocked: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The event `account_updated`; `said` holds fields of ACCOUNT_FIELDS. UpdateRefused when one cannot be taken."""
    _refuse_unknown(said, ACCOUNT_FIELDS)
    named = {name: value for name in ACCOUNT_TRAIT_FIELDS if (value := _read_text(said, name))}
    return {
        "event_type": ACCOUNT_UPDATED,
        "account_id": check_id("account_id", account_id, blocked),
        "account_traits": {**_read_traits(said), **named},
        **_read_time(said),
    }


def word_person_added(account_id: str, profile_id: str, by: str) -> dict[str, Any]:
    """Somebody decided that a person belongs to an account."""
    return {
        "event_type": PERSON_ADDED,
        "account_id": account_id,
        "identifiers": {"profile_id": [profile_id]},
        "properties": {"by": by},
    }


WORDINGS: dict[str, Callable[..., dict[str, Any]]] = {"contact_id": word_contact, "account_id": word_account}


def _refuse_unknown(said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """A misspelt field would be lost without a word."""
    for name in sorted(set(said) - set(known)):
        raise UpdateRefused(name[:60], f"is no field; known: {', '.join(known)}. Anything else is a trait")


def _read_text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if type(value) is int:
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise UpdateRefused(name, "must be a text")
    text = (value or "").strip()
    if len(text) > LONGEST_IDENTIFIER:
        raise UpdateRefused(name, f"has {len(text):,} characters; at most {LONGEST_IDENTIFIER} are taken")
    return text


def _read_traits(said: Mapping[str, Any]) -> dict[str, Any]:
    traits = said.get("traits")
    if traits is not None and not isinstance(traits, dict):
        raise UpdateRefused("traits", 'must be an object, like {"plan": "pro"}')
    if not traits:
        return {}
    # The pipeline leaves out what is beyond these, which nobody would notice.
    if len(traits) > MOST_TRAITS_PER_EVENT:
        raise UpdateRefused(
            "traits", f"holds {len(traits):,} traits; at most {MOST_TRAITS_PER_EVENT} are taken at once"
        )
    for name, value in traits.items():
        if not name.strip() or len(name) > LONGEST_NAME:
            raise UpdateRefused("traits", f"has a name of {len(name)} characters; a name has 1 to {LONGEST_NAME}")
        if not isinstance(value, list) and len(msgspec.json.encode(value)) > LONGEST_VALUE:
            raise UpdateRefused(f"traits.{name}", f"is longer than the {LONGEST_VALUE:,} bytes that a trait may have")
        if counts(value) and not is_amount(next(iter(value.values()))):
            raise UpdateRefused(
                f"traits.{name}", f"adds no number from -{LARGEST_AMOUNT:,.0f} to {LARGEST_AMOUNT:,.0f}"
            )
    return traits


def _read_time(said: Mapping[str, Any]) -> dict[str, Any]:
    value = said.get("occurred_at")
    return {} if value in (None, "") else {"occurred_at": value}
