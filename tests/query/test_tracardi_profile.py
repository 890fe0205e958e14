"""A profile in Tracardi's schema: what is known stands in its place, what names somebody only where it may."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trackway.profiles.consent_words import Topic
from trackway.profiles.consents import Register
from trackway.profiles.traits import Evidence, find_traits, read_register
from trackway.query.tracardi_profile import lay_out

ID = "25f1c778-f0f0-88e0-a9d5-f6dd1bb67312"
MOMENT = "1970-01-01T00:00:00.001Z"


def show(said: dict[str, Any], *, private: bool = False, consents: Any = None) -> Any:
    registers = [(name, read_register(value, Evidence(1, 0, "e", "web"))) for name, value in said.items()]
    traits = find_traits((name, register) for name, register in registers if register)
    return lay_out(ID, ["other"], traits, consents, private=private)


TOLD = {
    "stats.visits": {"$add": 2},
    "stats.views": {"$add": 30},
    "stats.counters.page-view": {"$add": 30},
    "stats.counters.v1.5": {"$add": 1},
    "interests.shoes.red": {"$points": 1.5},
    "metadata.time.visit.current": MOMENT,
    "metadata.time.insert": {"$set_once": MOMENT},
    "data.contact.email.main": "ann@example.com",
    "data.pii.firstname": "Ann",
    "data.identifier.pk": 7,
    "data.devices.last.geo.longitude": 13.4,
    "data.devices.last.geo.latitude": 52.5,
    "data.metrics.ltcosc": {"$add": 3},
    "data.metrics.ltcocc": {"$add": 2},
    "data.preferences.colors": ["red"],
    "segments": ["buyers"],
    "ids": ["crm-1"],
    "plan": "pro",
    "email": "ann@example.com",
}


def test_what_is_known_stands_in_its_place() -> None:
    shown = show(TOLD, private=True)
    assert (shown["id"], shown["ids"], shown["primary_id"]) == (ID, [ID, "other", "crm-1"], "7")
    assert shown["stats"] == {"visits": 2, "views": 30, "counters": {"page-view": 30, "v1.5": 1}}
    assert shown["interests"] == {"shoes.red": 1.5}
    assert shown["segments"] == ["buyers"]
    assert shown["traits"] == {"plan": "pro", "email": "ann@example.com"}
    times = shown["metadata"]["time"]
    assert (times["insert"], times["create"], times["update"]) == (MOMENT, MOMENT, MOMENT)
    assert times["visit"] == {"last": None, "current": MOMENT, "count": 2, "tz": None}
    data = shown["data"]
    assert data["contact"]["email"] == {"main": "ann@example.com", "private": None, "business": None}
    assert data["pii"]["firstname"] == "Ann"
    assert data["preferences"]["colors"] == ["red"]
    assert data["devices"]["last"]["geo"] == {"longitude": 13.4, "latitude": 52.5, "location": [13.4, 52.5]}
    assert data["metrics"]["ltcop"] == 1.5


def test_whoever_may_not_know_who_it_is_sees_the_rest() -> None:
    shown = show(TOLD)
    text = json.dumps(shown)
    assert "ann@example.com" not in text
    assert "Ann" not in text
    assert "crm-1" not in text
    assert (shown["primary_id"], shown["data"]["identifier"]["pk"]) == (None, None)
    assert shown["data"]["contact"]["email"]["main"] is None
    assert "location" not in shown["data"]["devices"]["last"]["geo"]
    assert (shown["traits"], shown["data"]["preferences"]["colors"]) == ({"plan": "pro"}, ["red"])


def test_of_consents_those_that_were_granted_with_their_end() -> None:
    shown = show(
        {},
        consents={
            Topic("", "newsletter"): Register("granted", 1),
            Topic("email", "marketing"): Register("granted", 1, 1),
            Topic("", "profiling"): Register("withdrawn", 1),
        },
    )
    assert shown["consents"] == {"newsletter": {"revoke": None}, "email.marketing": {"revoke": MOMENT}}


def test_nobody_known_is_an_empty_profile_that_can_be_read() -> None:
    shown = show({})
    assert shown["stats"] == {"visits": 0, "views": 0, "counters": {}}
    assert shown["data"]["contact"]["phone"]["mobile"] is None


def test_traits_that_are_called_like_parts_of_the_tree_do_no_harm() -> None:
    shown = show({"data": 1, "segments.x": 2, "a": 3, "a.b": 4, "metadata.time.visit.count.x": 5, "traits.data.x": 6})
    assert shown["traits"]["a"] == 3
    assert shown["traits"]["a.b"] == 4
    assert shown["traits"]["segments"] == {"x": 2}
    assert shown["traits"]["data"] in (1, {"x": 6})
    assert shown["metadata"]["time"]["visit"]["count"] == 0


NAMES = st.lists(
    st.sampled_from(["data", "traits", "ids", "metadata", "stats", "counters", "interests", "contact", "email", "x"]),
    min_size=1,
    max_size=5,
).map(".".join)
VALUES = (
    st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.lists(st.integers() | st.lists(st.none()), max_size=2)
)


@given(st.dictionaries(NAMES, VALUES | st.dictionaries(st.sampled_from("ab"), st.none(), max_size=2)), st.booleans())
def test_no_trait_breaks_the_profile(said: dict[str, Any], private: bool) -> None:
    shown = show(said, private=private)
    assert json.loads(json.dumps(shown)) == shown
    assert set(shown) >= {"id", "ids", "metadata", "stats", "traits", "interests", "consents", "data"}
    assert shown["id"] == ID
