"""Who an event is about: two stages that name it, and what a batch does to the ledger of people.

`note_likeness` and `name_profile` are pure. `settle_people` stands between the stages and the
store: it asks the ledger whose each kept event is and puts the answer into the rows.
"""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

from msgspec.structs import replace

from trackway.control.database import State
from trackway.event import Event, Row, Source
from trackway.group_hash import calc_group
from trackway.pipeline.desk import Desk
from trackway.pipeline.work import Work
from trackway.profiles.identifiers import collect_identifiers, find_device, names_device_only
from trackway.profiles.people import People

LIKENESS_FILLS = ("weak_key",)
NAME_FILLS = ("profile_key", "profile_id")

DAY_MS = 86_400_000
# A visitor sends several events; hashing anew takes ten times as long as remembering.
CACHED_VISITORS = 8192


def note_likeness(event: Event, desk: Desk) -> Event:
    """A hash of address and user agent that suggests, for two days, that two visitors are one.

    It is keyed with the day's salt, over the hash that Tracify's senders make of the same two: so
    an event that brings only that hash is likened too. It must run before `cut_ip`.
    """
    sent = event.identifiers.get("session_hash")
    day = event.occurred_at // DAY_MS
    if sent:
        key = _hash_likeness(day, sent[0].strip().lower(), desk.visitor_salt)
    elif event.ip and event.user_agent and not event.bot:
        key = _liken(day, event.ip, event.user_agent, desk.visitor_salt)
    else:
        return event
    return event if key == event.weak_key else replace(event, weak_key=key)


@lru_cache(CACHED_VISITORS)
def _liken(day: int, ip: str, user_agent: str, salt: bytes) -> str:
    return _hash_likeness(day, calc_group(f"{ip}|{user_agent}"), salt)


def _hash_likeness(day: int, seen: str, salt: bytes) -> str:
    return blake2b(f"{day}\0{seen}".encode("utf-8", "surrogatepass"), digest_size=8, key=salt).hexdigest()


def name_profile(event: Event, desk: Desk) -> Event:
    """`profile_key` out of the strongest identifier; `profile_id` is the same until the ledger says otherwise."""
    strongest = find_device(event.anonymous_id, desk.blocked_identifiers) if names_device_only(event) else None
    if strongest is None:
        found = collect_identifiers(event, desk.blocked_identifiers).found
        strongest = found[0] if found else None
    key = desk.profile_keys.name(strongest) if strongest else ""
    return event if key == event.profile_key else replace(event, profile_key=key, profile_id=key)


def settle_people(work: Work, state: State, people: People, sources: Mapping[str, Source], stamp: int) -> None:
    """Read what the batch changes of people, and put the profile of each event into its row."""
    with state.read() as connection:
        events = [row.event for row in work.rows]
        work.settled = people.settle(connection, events, sources, stamp, work.replays.replaced.keys())
    merged = work.settled.profiles
    if merged:
        work.rows = [
            Row(replace(row.event, profile_id=merged[row.event.profile_key]), row.place)
            if row.event.profile_key in merged
            else row
            for row in work.rows
        ]
    work.set_processed_aside()
