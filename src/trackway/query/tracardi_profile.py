"""A profile in Tracardi's schema (0.9), as the answer to `/track` and the management routes show it.

Station 5. What we know stands in its place in the tree, every other place is there and null, so that
a client may read `data.contact.email.main` of anybody. Traits of other dialects stand under `traits`.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from trackway.clock import format_time
from trackway.control.database import State
from trackway.profiles.consent_words import Topic
from trackway.profiles.consents import Register, join_registers, read_registers
from trackway.profiles.tracardi_tree import (
    COUNTERS,
    CREATED_AT,
    VIEWS,
    VISIT_NOW,
    VISITS,
    place_trait,
)
from trackway.profiles.traits import Trait
from trackway.query.people import NAMES, SHORT_NAMES, list_traits, read_person

# Names below these are one step, whatever dots they hold: types of events, interests.
_FLAT = (COUNTERS, "interests")
# Who somebody is: left out of what anybody gets who knows a session's id. The real server leaves out its
# `pii` and `traits.private`; what stood in `pii` stands in these today, or comes from other dialects.
_PRIVATE = (
    *("data.pii", "data.contact", "data.identifier", "data.loyalty.card", "data.devices.last.geo"),
    *("traits.private", "traits.email", "traits.phone", "ids"),
    *(f"traits.{name}" for names in (NAMES, *SHORT_NAMES) for name in names),
)
# Worked out of others when it is shown, so that no order of events can leave a wrong one behind.
_STARTED, _COMPLETED, _STARTED_BY_COMPLETED = ("data.metrics.ltcosc", "data.metrics.ltcocc", "data.metrics.ltcop")

_SCHEMA: dict[str, Any] = {
    "id": None,
    "primary_id": None,
    "ids": [],
    "active": True,
    "metadata": {
        "time": {
            "insert": None,
            "create": None,
            "update": None,
            "segmentation": None,
            "visit": {"last": None, "current": None, "count": 0, "tz": None},
        },
        "aux": {},
        "status": None,
        "fields": {},
        "system": {},
    },
    "stats": {"visits": 0, "views": 0, "counters": {}},
    "traits": {},
    "segments": [],
    "interests": {},
    "consents": {},
    "aux": {},
    "misc": {},
    "trash": {},
    "data": {
        "anonymous": None,
        "pii": {
            **dict.fromkeys(("firstname", "lastname", "display_name", "birthday", "gender")),
            "language": {"native": None, "spoken": None},
            "education": {"level": None},
            "civil": {"status": None},
            "attributes": dict.fromkeys(("height", "weight", "shoe_number")),
        },
        "contact": {
            "email": dict.fromkeys(("main", "private", "business")),
            "phone": dict.fromkeys(("main", "business", "mobile", "whatsapp")),
            "app": dict.fromkeys(
                ("whatsapp", "discord", "slack", "twitter", "telegram", "wechat", "viber", "signal", "other")
            ),
            "address": dict.fromkeys(("town", "county", "country", "postcode", "street", "other")),
            "confirmations": [],
        },
        "identifier": dict.fromkeys(("id", "pk", "badge", "passport", "credit_card", "token", "coupons")),
        "devices": {"names": [], "last": {"geo": {}}},
        "media": {"image": None, "webpage": None, "social": {}},
        "preferences": {
            **dict.fromkeys(("purchases", "colors", "sizes", "devices", "channels", "payments"), None),
            **dict.fromkeys(("brands", "fragrances", "services"), None),
            "other": [],
        },
        "job": {},
        "metrics": {**dict.fromkeys(("ltv", "ltcosc", "ltcocc", "ltcop", "ltcosv", "ltcocv")), "next": None, "custom": {}},
        "loyalty": {"codes": [], "card": dict.fromkeys(("id", "name", "issuer", "expires", "points"))},
    },
}  # fmt: skip


def render_profile(state: State, profile: bytes, *, private: bool = False) -> dict[str, Any]:
    """The profile that this id leads to now, from the relational state alone. Of nobody known: an empty one.

    `private` is for whoever may read the API: it adds what names somebody.
    """
    with state.read() as connection:
        person = read_person(connection, profile)
        nodes = {person.profile, *person.known}
        traits = list_traits(connection, nodes)
        consents = join_registers(read_registers(connection, nodes).values())
    return lay_out(person.id, person.keys, traits, consents, private=private)


def lay_out(
    profile_id: str,
    keys: Iterable[str],
    traits: Iterable[Trait],
    consents: Mapping[Topic, Register] | None = None,
    *,
    private: bool,
) -> dict[str, Any]:
    """Tracardi's tree of what is known. `keys` are all ids that lead to the profile. Pure."""
    whole = deepcopy(_SCHEMA)
    whole["id"], whole["ids"] = profile_id, list(dict.fromkeys([profile_id, *keys]))
    known = {place_trait(trait.name): trait for trait in traits}
    for path in sorted(known):
        if private or not _is_private(path):
            _put(whole, path, known[path].value)
    _fill_times(whole, known)
    _fill_figures(whole, known)
    if private and (pk := known.get("data.identifier.pk")):
        whole["primary_id"] = str(pk.value)
    whole["consents"] |= {
        ".".join(part for part in topic if part): {
            "revoke": format_time(register.expires_at) if register.expires_at else None
        }
        for topic, register in sorted((consents or {}).items())
        if register.state == "granted"
    }
    return whole


def _is_private(path: str) -> bool:
    return any(path == branch or path.startswith(f"{branch}.") for branch in _PRIVATE)


def _put(whole: dict[str, Any], path: str, value: Any) -> None:
    """Sets the value at its path. Where a step is taken by a value, the rest of the path is one name beside it."""
    head, *steps = _split(path)
    inside = whole.setdefault(head, {})
    if isinstance(inside, list):
        # `ids` and `segments`; what is below one of them has no place.
        items = value if isinstance(value, list) else [value]
        inside += [] if steps else [item for item in items if item not in inside]
        return
    while len(steps) > 1:
        below = inside.get(steps[0])
        if below is None:
            below = inside[steps[0]] = {}
        if not isinstance(below, dict):
            steps = [".".join(steps)]
            break
        inside, steps = below, steps[1:]
    taken = inside.get(steps[0])
    if not (isinstance(taken, dict) and taken):
        inside[steps[0]] = value


def _split(path: str) -> list[str]:
    for flat in _FLAT:
        if path.startswith(f"{flat}."):
            return [*flat.split("."), path[len(flat) + 1 :]]
    return path.split(".")


def _fill_times(whole: dict[str, Any], known: Mapping[str, Trait]) -> None:
    times = whole["metadata"]["time"]
    if known:
        times["update"] = format_time(max(trait.evidence.occurred_at for trait in known.values()))
    if created := known.get(CREATED_AT):
        times["insert"] = times["create"] = created.value
    if current := known.get(VISIT_NOW):
        times["visit"]["current"] = current.value
    if visits := known.get(VISITS):
        times["visit"]["count"] = visits.value


def _fill_figures(whole: dict[str, Any], known: Mapping[str, Trait]) -> None:
    for path in (VISITS, VIEWS):
        name = path.rpartition(".")[2]
        whole["stats"][name] = known[path].value if path in known else 0
    started, completed = (known[path].value if path in known else 0 for path in (_STARTED, _COMPLETED))
    if _is_number(started) and _is_number(completed) and completed:
        _put(whole, _STARTED_BY_COMPLETED, started / completed)
    geo = whole["data"]["devices"]["last"]["geo"] if isinstance(whole["data"]["devices"], dict) else {}
    if isinstance(geo, dict) and {"longitude", "latitude"} <= set(geo):
        geo["location"] = [geo["longitude"], geo["latitude"]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
