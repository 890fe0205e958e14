"""Tracardi's profile is a tree, ours a list of traits: which path is which trait, and what of it names a person.

Pure. A trait is named by its path (`data.contact.email.main`), but for `traits.plan`, which is the
trait `plan` that every other dialect writes too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trackway.control.tracardi_templates import LISTS, TARGETS

# Parts of a profile that traits stand in; Trackway's own visits in `metadata`.
ROOTS = (*TARGETS, "metadata")
VISITS, VIEWS, COUNTERS = "stats.visits", "stats.views", "stats.counters"
VISIT_NOW, CREATED_AT = "metadata.time.visit.current", "metadata.time.insert"
CARD_NUMBER = "data.identifier.credit_card"
LAST_DIGITS = 4

# What Tracardi merges profiles by (its "merging keys"), as kinds of identifiers of ours. `pk`, the primary
# key, is the sender's own id of a person; `identifier.id` and `ids` are keys of unknown origin.
_NAMED_BY_TREE = {"data.contact.email.": "email", "data.contact.phone.": "phone"}
_NAMED_BY = {"data.identifier.pk": "user_id", "data.identifier.id": "merge_key", "ids": "merge_key"}


def name_trait(path: str) -> str:
    """The trait that keeps what stands at a path of the profile."""
    head, _, rest = path.partition(".")
    plain = head == "traits" and rest and rest.partition(".")[0] not in ROOTS
    return rest if plain else path


def place_trait(name: str) -> str:
    """The path at which a trait stands in the profile."""
    head, _, rest = name.partition(".")
    in_tree = name in LISTS or (rest and head in ROOTS and head not in LISTS)
    return name if in_tree else f"traits.{name}"


def flatten(path: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Every leaf of an object with its path; a list is a leaf."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flatten(f"{path}.{name}", inner)
    else:
        yield path, value


def hide_number(path: str, value: Any) -> Any:
    """Of a card's number what a receipt shows: nobody needs the rest to know a person by it."""
    if path != CARD_NUMBER or value is None:
        return value
    return "…" + "".join(c for c in str(value) if c.isalnum())[-LAST_DIGITS:]


def find_identifiers(traits: Mapping[str, Any]) -> dict[str, list[str]]:
    """What the traits of one event say of who it is, as `Event.identifiers` holds it."""
    found: dict[str, dict[str, None]] = {}
    for name, said in traits.items():
        kind = _NAMED_BY.get(name) or next((kind for at, kind in _NAMED_BY_TREE.items() if name.startswith(at)), "")
        if kind:
            found.setdefault(kind, {}).update(dict.fromkeys(_list_texts(said)))
    return {kind: list(values) for kind, values in found.items() if values}


def _list_texts(said: Any) -> list[str]:
    if isinstance(said, Mapping):
        said = said.get("$set_once")
    values = said if isinstance(said, list) else [said]
    return [str(value) for value in values if (isinstance(value, str) and value.strip()) or type(value) is int]
