"""Whether something is about a person: parsed events by their identifiers, bytes by what stands in them.

Pure. Events that can be parsed are judged exactly. What cannot be parsed (a rejected body, a dead
letter) is searched for the person's identifiers in the spellings that JSON and addresses give them;
there it is better to take one too many, so a short value must at least stand in quotes.
"""

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable
from urllib.parse import quote, quote_plus

import phonenumbers
from msgspec import Struct

from trackway.event import Event
from trackway.profiles.identifiers import UNLINKED_KINDS, Identifier, ProfileKeys, collect_identifiers

SHORTEST_UNQUOTED = 6
MOST_UNPACKED = 20_000_000
_PHONE_FILLING = re.compile(rb"[\s().\-/+]|%20|%2b|\\u00a0")

# Unpacks a body by its Content-Encoding; raises what the door raises.
Unpack = Callable[[bytes, str], bytes]


class Subject(Struct, frozen=True):
    """A person as an erasure looks for them: nodes of all identifiers, and the identifiers themselves."""

    workspace: str
    nodes: frozenset[bytes]
    identifiers: tuple[Identifier, ...]
    keys: ProfileKeys
    blocked: frozenset[str] = frozenset()

    def owns(self, event: Event) -> bool:
        return not self.nodes.isdisjoint(list_nodes(event, self.keys, self.blocked))


def list_nodes(event: Event, keys: ProfileKeys, blocked: frozenset[str] = frozenset()) -> tuple[bytes, ...]:
    """Every identifier of the event that names somebody."""
    found = collect_identifiers(event, blocked).found
    linking = [identifier for identifier in found if identifier.kind not in UNLINKED_KINDS]
    return tuple(keys.make(identifier) for identifier in linking or found)


class Needles:
    """The bytes to look for."""

    def __init__(self, identifiers: Iterable[Identifier]) -> None:
        self._plain: set[bytes] = set()
        self._digits: set[bytes] = set()
        for identifier in identifiers:
            if identifier.kind == "phone":
                self._digits |= _spell_phone(identifier.value)
            else:
                self._plain |= _spell(identifier.value)

    def stand_in(self, content: bytes) -> bool:
        """In the bytes as they are, or in what they unpack to, also when their end is missing."""
        return self._stand_in_plain(content) or (content[:2] == b"\x1f\x8b" and self._stand_in_plain(_unzip(content)))

    def _stand_in_plain(self, content: bytes) -> bool:
        # bytes.lower changes ASCII alone, as the needles were made.
        lower = content.lower()
        if any(needle in lower for needle in self._plain):
            return True
        if not self._digits:
            return False
        compact = _PHONE_FILLING.sub(b"", lower)
        return any(needle in compact for needle in self._digits)


def _spell(value: str) -> set[bytes]:
    spellings = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    spellings |= {
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1].replace("@", "\\u0040"),
    }
    raw = {spelling.encode("utf-8", "surrogatepass").lower() for spelling in spellings if spelling}
    if len(value) >= SHORTEST_UNQUOTED:
        return raw
    return {b'"' + spelling + b'"' for spelling in raw} | {b"=" + spelling + b"&" for spelling in raw}


def _spell_phone(value: str) -> set[bytes]:
    spellings = {value.lstrip("+")}
    try:
        number = phonenumbers.parse(value)
        spellings.add("0" + phonenumbers.national_significant_number(number))
    except phonenumbers.NumberParseException:
        pass
    return {spelling.encode() for spelling in spellings if len(spelling) >= SHORTEST_UNQUOTED}


def _unzip(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(content, MOST_UNPACKED)
    except zlib.error:
        return b""


def find_own(events: Collection[Event], subject: Subject) -> list[str]:
    """Ids of the events that are the subject's."""
    return [event.event_id for event in events if event.workspace == subject.workspace and subject.owns(event)]
