"""Identifiers: what names a person or a device, made comparable, and what is no identifier at all.

Pure. A dialect puts what its sender said into `anonymous_id`, `user_id`, `contact_id`,
`instance_id` or `identifiers` of the canonical event; `collect_identifiers` makes of it the list
that the ledger links. Rules of comparison, with their reasons: docs/reference/identity.md.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import Any, NamedTuple
from uuid import UUID

import phonenumbers
from msgspec import Struct

from trackway.event import PROFILE_LESS, Event
from trackway.group_hash import DROPPED, DROPPED_IN_RUBY, HASH_LENGTH, calc_group

LONGEST_IDENTIFIER = 500
MOST_PER_EVENT = 50


class Kind(Struct, frozen=True):
    """One kind of identifier.

    `rank` says which of an event's identifiers names it (lowest wins). A `person` kind names
    somebody wherever they are, the others a device or an interaction. Of an `exclusive` kind one
    person has one value: two values never meet through a device.
    """

    rank: int
    person: bool
    exclusive: bool
    says: str


KINDS: dict[str, Kind] = {
    "user_id": Kind(0, True, True, "The sender's own id of a person who logged in"),
    "contact_id": Kind(1, True, True, "A CRM's id of a person"),
    "email": Kind(2, True, False, "Mail address"),
    "phone": Kind(3, True, False, "Telephone number"),
    "email_hash": Kind(4, True, False, "Hash of a mail address (Tracify's class 1)"),
    "merge_key": Kind(5, True, False, "A key by which a sender says that two profiles are one (Tracardi)"),
    "profile_id": Kind(6, False, False, "A profile id that Trackway gave out and a client sent back"),
    "anonymous_id": Kind(7, False, False, "A device's id (cookie, local storage, installation)"),
    "instance_id": Kind(8, False, False, "One interaction seen by two senders: a chat, a call"),
    "session_id": Kind(9, False, False, "A visit, where the event names no device"),
    "session_hash": Kind(10, False, False, "Hash of address and browser (Tracify's class 2); links nobody"),
}
# These arrive in fields of their own; the others in `identifiers`.
FIELD_KINDS = ("user_id", "contact_id", "anonymous_id", "instance_id")
SENT_KINDS = tuple(kind for kind in KINDS if kind not in ("session_id",))
# A value of these kinds never links one profile to another.
UNLINKED_KINDS = frozenset({"session_hash"})

# What broken clients send for "nobody"; one such value would make one person of thousands.
BLOCKED = frozenset(
    {
        "",
        *("null", "undefined", "none", "nil", "nan", "n/a", "-1", "true", "false"),
        *("anonymous", "guest", "unknown", "unauthenticated", "not_authenticated"),
        *("[object object]", "{}", "[]", "distinct_id", "anonymous_id", "user_id", "contact_id"),
    }
)
# Nothing is seen of these and nothing said by them; copied texts bring them along. Joiners stay: words need them.
_UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u00ad"))
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"


class Identifier(NamedTuple):
    """A kind and a value that can be compared to the letter."""

    kind: str
    value: str


class Refused(NamedTuple):
    """A value that links nobody, and why."""

    kind: str
    value: str
    why: str


class Collected(Struct, frozen=True):
    """Identifiers of one event, the one that names it first.

    `derived` says of a computed hash which mail address it was computed from; `refused` are the
    values left out.
    """

    found: tuple[Identifier, ...]
    derived: Mapping[Identifier, Identifier] = {}
    refused: tuple[Refused, ...] = ()


def is_blocked(value: str, more: frozenset[str] = frozenset()) -> bool:
    """Is it a word for nobody, also in quotes, also in capitals, also hashed? Nothing but zeros (a nil UUID) is one."""
    bare = value.translate(_UNSEEN).strip().strip(_QUOTES).strip().lower()
    if len(bare) == HASH_LENGTH and (bare in _hash_words(BLOCKED) or bare in _hash_words(more)):
        return True
    return bare in BLOCKED or bare in more or not bare.strip("0-")


@lru_cache(256)
def _hash_words(words: frozenset[str]) -> frozenset[str]:
    """What a sender sends who hashes whatever is there: nothing, `null`, or `|` for no address and no browser."""
    forms = {"|"}.union(*((word, word.upper(), word.capitalize(), word.title()) for word in words))
    hashed = {calc_group(form, dropped) for form in forms for dropped in (DROPPED, DROPPED_IN_RUBY)}
    return frozenset(hashed | {sha256(form.encode("utf-8", "surrogatepass")).hexdigest() for form in forms})


@lru_cache(65_536)
def normalise(kind: str, value: str, country: str = "") -> str:
    """The form in which two values are compared; "" when the value is none of its kind.

    Zero-width blanks and soft hyphens go. Ids: NFC and trimmed, control characters make them unusable; capitals count. Mail addresses:
    NFKC and lower case. Telephone numbers: E.164, a national number by `country`. Letters that
    look alike in two scripts stay two letters.
    """
    text = unicodedata.normalize("NFC", value.translate(_UNSEEN)).strip()
    if not text or len(text) > LONGEST_IDENTIFIER or any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        return ""
    compared = _compare(kind, text, country)
    # Some letters become several: a name of 500 may have grown beyond what the ledger's column holds.
    return compared if len(compared) <= LONGEST_IDENTIFIER else ""


def _compare(kind: str, text: str, country: str) -> str:
    if kind == "email":
        return _normalise_email(text)
    if kind == "phone":
        return _normalise_phone(text, country)
    if kind in ("email_hash", "session_hash"):
        return text.lower()
    if kind == "profile_id":
        try:
            return str(UUID(text))
        except ValueError:
            return ""
    return text


def _normalise_email(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).strip("<> ").lower().removeprefix("mailto:")
    local, at, domain = text.rpartition("@")
    sound = at and local and domain.strip(".") and "@" not in local and not any(c.isspace() for c in text)
    return text if sound else ""


def _normalise_phone(text: str, country: str) -> str:
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(65_536)
def hash_email(sent: str) -> tuple[str, ...]:
    """The class-1 hashes by which others may know this address: as sent, normalised, and by the Ruby sample."""
    plain = _normalise_email(sent)
    forms = dict.fromkeys((sent, sent.strip(), plain))
    return tuple(dict.fromkeys([*(calc_group(form) for form in forms), calc_group(plain, DROPPED_IN_RUBY)]))


def collect_identifiers(event: Event, blocked: frozenset[str] = frozenset()) -> Collected:
    """Every identifier of an event, strongest first; `blocked` are further words for nobody.

    `traits.email` and `traits.phone` count as sent in `identifiers`. A mail address brings its hashes.
    An event that is sent to be nobody's has none.
    """
    if event.context and event.context.get(PROFILE_LESS) is True:
        return Collected(())
    found: dict[Identifier, None] = {}
    derived: dict[Identifier, Identifier] = {}
    refused: list[Refused] = []
    for kind, sent in _list_sent(event):
        if is_blocked(sent, blocked):
            refused.append(Refused(kind, sent, "a word for nobody"))
            continue
        value = normalise(kind, sent, event.country if kind == "phone" else "")
        if not value:
            refused.append(Refused(kind, sent[:100], "not a value of this kind"))
            continue
        found[Identifier(kind, value)] = None
        if kind == "email":
            derived |= {Identifier("email_hash", digest): Identifier(kind, value) for digest in hash_email(sent)}
    found |= dict.fromkeys(derived)
    visit = "" if found or is_blocked(event.session_id, blocked) else normalise("session_id", event.session_id)
    if visit:
        found[Identifier("session_id", visit)] = None
    in_order = tuple(found) if len(found) == 1 else tuple(sorted(found, key=lambda i: (KINDS[i.kind].rank, i.value)))
    return Collected(in_order, derived, tuple(refused))


def names_device_only(event: Event) -> bool:
    """Most events name nothing but a device; then `find_device` says what `collect_identifiers` would."""
    return bool(event.anonymous_id) and not (
        event.user_id or event.contact_id or event.instance_id or event.identifiers or event.traits
    )


@lru_cache(65_536)
def find_device(anonymous_id: str, blocked: frozenset[str]) -> Identifier | None:
    value = "" if is_blocked(anonymous_id, blocked) else normalise("anonymous_id", anonymous_id)
    return Identifier("anonymous_id", value) if value else None


def _list_sent(event: Event) -> Iterable[tuple[str, str]]:
    for kind in FIELD_KINDS:
        if value := getattr(event, kind):
            yield kind, value
    for kind, values in event.identifiers.items():
        if kind in KINDS:
            yield from ((kind, value) for value in values[:MOST_PER_EVENT])
    for kind in ("email", "phone"):
        value = event.traits.get(kind)
        if isinstance(value, str) and value:
            yield kind, value


def read_sent_identifiers(sent: Mapping[str, Any]) -> dict[str, list[str]]:
    """`{"email": "a@example.com"}` or lists of values, as the canonical event keeps them.

    ValueError, in words for the sender, when a kind is unknown, a value is no text or there are too many.
    """
    kept: dict[str, list[str]] = {}
    for kind, values in sent.items():
        if kind not in KINDS:
            raise ValueError(f"has no kind {kind[:60]!r}; known: {', '.join(SENT_KINDS)}")
        listed = values if isinstance(values, list) else [values]
        texts = [str(v) if type(v) is int else v for v in listed if v not in (None, "")]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"{kind} must be a text or a list of texts")
        if any(len(text) > LONGEST_IDENTIFIER for text in texts):
            raise ValueError(f"{kind} holds a value longer than {LONGEST_IDENTIFIER} characters")
        if texts:
            kept[kind] = texts
    if sum(map(len, kept.values())) > MOST_PER_EVENT:
        raise ValueError(f"holds more than {MOST_PER_EVENT} values; one event names one person")
    return kept


class ProfileKeys:
    """Makes and checks the ids of profiles of one workspace.

    An id is a UUID (version 8) of 90 bits that name the identifier and 32 bits that only the
    holder of the workspace's key can make, so an id that we gave out is told from an invented one
    without looking anything up. The same identifier always gives the same id.
    """

    def __init__(self, key: bytes) -> None:
        self._key = blake2b(key, digest_size=32, person=b"trackway-people").digest()
        self.make = lru_cache(262_144)(self._make)
        self.name = lru_cache(262_144)(lambda identifier: format_profile_id(self.make(identifier)))

    def _make(self, identifier: Identifier) -> bytes:
        """16 bytes. A profile id that was sent back names itself, when it is one of ours."""
        if identifier.kind == "profile_id":
            sent = UUID(identifier.value).bytes
            if self.issued(sent):
                return sent
        named = blake2b(f"{identifier.kind}\0{identifier.value}".encode(), digest_size=12, key=self._key).digest()
        value = int.from_bytes(named, "big")
        # 48 bits, the version, 12 bits, the variant, 30 bits: the 90 bits; then the tag of 32.
        high, middle, low = value >> 48, value >> 36 & 0xFFF, value >> 6 & 0x3FFF_FFFF
        head = high << 80 | 0x8 << 76 | middle << 64 | 0b10 << 62 | low << 32
        return (head | self._tag(head)).to_bytes(16, "big")

    def _tag(self, head: int) -> int:
        return int.from_bytes(blake2b(head.to_bytes(16, "big"), digest_size=4, key=self._key).digest(), "big")

    def issued(self, profile: bytes) -> bool:
        """Was this id made with the workspace's key?"""
        value = int.from_bytes(profile, "big")
        return value & 0xFFFF_FFFF == self._tag(value >> 32 << 32)


def format_profile_id(profile: bytes) -> str:
    return str(UUID(bytes=profile))


def read_profile_id(text: str) -> bytes:
    """ValueError when it is no UUID."""
    return UUID(text).bytes
