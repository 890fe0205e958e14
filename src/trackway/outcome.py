"""What became of an event: outcomes and reasons, both closed sets.

Each reason is a metric label, a word in replies and in the books, and a row of
`docs/reference/outcomes.md`.
"""

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """Every received event ends in exactly one of the first four; a rejected one was never received."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"
    DEAD_LETTERED = "dead_lettered"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why an event was not stored. `REASONS` holds the status and the explanation of each."""

    INVALID_JSON = "invalid_json"
    EMPTY_BODY = "empty_body"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_RANGE = "out_of_range"
    TOO_DEEP = "too_deep"
    PLAN_VIOLATION = "plan_violation"
    EVENT_TOO_LARGE = "event_too_large"
    BODY_TOO_LARGE = "body_too_large"
    DECOMPRESSED_TOO_LARGE = "decompressed_too_large"
    TOO_MANY_EVENTS = "too_many_events"
    TOO_MANY_VALUES = "too_many_values"
    UNDECODABLE_BODY = "undecodable_body"
    MISSING_KEY = "missing_key"
    UNKNOWN_KEY = "unknown_key"
    SOURCE_DISABLED = "source_disabled"
    KEY_NOT_ALLOWED = "key_not_allowed"
    RATE_LIMITED = "rate_limited"
    SOURCE_MISMATCH = "source_mismatch"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    SITE_NOT_ALLOWED = "site_not_allowed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_DURABLE = "not_durable"
    DISK_FULL = "disk_full"
    INTERNAL_ERROR = "internal_error"

    TRANSPORT_KEY = "transport_key"
    BUSINESS_KEY = "business_key"
    ALREADY_STORED = "already_stored"

    BOT = "bot"
    NO_CONSENT = "no_consent"
    HOLD_EXPIRED = "hold_expired"
    PROCESS_ONLY = "process_only"
    ERASED = "erased"
    EXPIRED = "expired"
    REPLACED = "replaced"

    ADAPTER_FAILED = "adapter_failed"
    STORE_REFUSED = "store_refused"
    LOG_DAMAGED = "log_damaged"
    SOURCE_GONE = "source_gone"


class ReasonMeaning(Struct, frozen=True):
    """`status` is the HTTP status where the reason is given at the door, 0 where it arises later."""

    outcome: Outcome
    status: int
    meaning: str


_REJECTED, _DUPLICATE, _DEAD = Outcome.REJECTED, Outcome.DUPLICATE, Outcome.DEAD_LETTERED

REASONS: dict[Reason, ReasonMeaning] = {
    Reason.INVALID_JSON: ReasonMeaning(
        _REJECTED, 400, "The body is not JSON (NaN, Infinity and a byte order mark are not JSON either)"
    ),
    Reason.EMPTY_BODY: ReasonMeaning(_REJECTED, 400, "The body holds no event"),
    Reason.MISSING_FIELD: ReasonMeaning(_REJECTED, 422, "A required field is not there"),
    Reason.WRONG_TYPE: ReasonMeaning(_REJECTED, 422, "A field has another type or form than the protocol says"),
    Reason.OUT_OF_RANGE: ReasonMeaning(
        _REJECTED, 422, "A value is outside what can be stored: a date, a number such as 1e400, a text that is too long"
    ),
    Reason.TOO_DEEP: ReasonMeaning(_REJECTED, 422, "JSON nested deeper than the limit `json_depth`"),
    Reason.PLAN_VIOLATION: ReasonMeaning(
        _REJECTED, 422, "The event is not what the tracking plan says of its type, and the entry's mode is `reject`"
    ),
    Reason.EVENT_TOO_LARGE: ReasonMeaning(_REJECTED, 413, "One event is larger than the limit `event_bytes`"),
    Reason.BODY_TOO_LARGE: ReasonMeaning(_REJECTED, 413, "The body is larger than the limit `body_bytes`"),
    Reason.DECOMPRESSED_TOO_LARGE: ReasonMeaning(
        _REJECTED, 413, "The body unpacks to more than the limit `decompressed_bytes`"
    ),
    Reason.TOO_MANY_EVENTS: ReasonMeaning(
        _REJECTED, 413, "One call holds more events than the limit `events_per_call`"
    ),
    Reason.TOO_MANY_VALUES: ReasonMeaning(
        _REJECTED, 413, "One call holds more JSON values than the limit `values_per_call`"
    ),
    Reason.UNDECODABLE_BODY: ReasonMeaning(
        _REJECTED, 415, "The Content-Encoding is unknown or the body does not unpack"
    ),
    Reason.MISSING_KEY: ReasonMeaning(_REJECTED, 401, "The request carries no key"),
    Reason.UNKNOWN_KEY: ReasonMeaning(_REJECTED, 401, "No source has this key"),
    Reason.SOURCE_DISABLED: ReasonMeaning(_REJECTED, 403, "The source is switched off"),
    Reason.SOURCE_MISMATCH: ReasonMeaning(
        _REJECTED, 401, "The source is not made for this endpoint; its setting `bridge` says for which it is"
    ),
    Reason.KEY_NOT_ALLOWED: ReasonMeaning(_REJECTED, 403, "The key is known and may not do this; a secret key may"),
    Reason.RATE_LIMITED: ReasonMeaning(
        _REJECTED,
        429,
        "The source sent more requests in a minute than its setting `rate_limit` allows; what was in them is not kept",
    ),
    Reason.ORIGIN_NOT_ALLOWED: ReasonMeaning(_REJECTED, 403, "The page's origin is not in the source's list `origins`"),
    Reason.SITE_NOT_ALLOWED: ReasonMeaning(
        _REJECTED, 403, "The event's customer_site_id is not in the source's list `customer_site_id`"
    ),
    Reason.METHOD_NOT_ALLOWED: ReasonMeaning(_REJECTED, 405, "The path exists, the method does not"),
    Reason.NOT_DURABLE: ReasonMeaning(_REJECTED, 503, "The event could not be made durable now; send it again"),
    Reason.DISK_FULL: ReasonMeaning(_REJECTED, 507, "The disk is full up to its reserve; send it again later"),
    Reason.INTERNAL_ERROR: ReasonMeaning(
        _REJECTED, 503, "A fault of the server, written to its log; nothing was stored, send it again"
    ),
    Reason.TRANSPORT_KEY: ReasonMeaning(
        _DUPLICATE, 0, "An earlier event carried the same dedupe_key within the window"
    ),
    Reason.BUSINESS_KEY: ReasonMeaning(_DUPLICATE, 0, "An earlier event carried the same order_id or conversion_id"),
    Reason.ALREADY_STORED: ReasonMeaning(
        _DUPLICATE, 0, "A replay brought it once more; the event with the same id is the first"
    ),
    Reason.BOT: ReasonMeaning(Outcome.DROPPED, 0, "A bot sent it and the source's setting `bots` is `drop`"),
    Reason.NO_CONSENT: ReasonMeaning(
        Outcome.DROPPED, 0, "The consent policy does not allow it to be stored; the detail names the rule"
    ),
    Reason.HOLD_EXPIRED: ReasonMeaning(
        Outcome.DROPPED, 0, "It was held until its person would agree to be tracked, and they did not in time"
    ),
    Reason.PROCESS_ONLY: ReasonMeaning(
        Outcome.DROPPED, 0, "Its sender asked to have it processed and not stored; what it says of its person is kept"
    ),
    Reason.ERASED: ReasonMeaning(
        Outcome.DROPPED, 0, "Its person was erased: it was removed from the store, or came after that from before it"
    ),
    Reason.EXPIRED: ReasonMeaning(Outcome.DROPPED, 0, "It was removed from the store by the retention of its type"),
    Reason.REPLACED: ReasonMeaning(
        Outcome.DROPPED, 0, "Its row made way for what a replay with `--apply` made of the same event"
    ),
    Reason.ADAPTER_FAILED: ReasonMeaning(
        _DEAD, 0, "The protocol could not parse a submission again that the door had accepted"
    ),
    Reason.STORE_REFUSED: ReasonMeaning(_DEAD, 0, "The event store refused this one event"),
    Reason.LOG_DAMAGED: ReasonMeaning(_DEAD, 0, "The log's bytes do not match their checksum"),
    Reason.SOURCE_GONE: ReasonMeaning(_DEAD, 0, "The source was deleted before the event was processed"),
}


class Rejection(Struct, frozen=True, kw_only=True):
    """Why the door refused an event or a whole request.

    `index` is the event's place in the request, None for the whole; `field` a path such as
    `events[3].properties.price`.
    """

    reason: Reason
    message: str
    field: str = ""
    index: int | None = None

    @property
    def status(self) -> int:
        return REASONS[self.reason].status


class Refused(Exception):
    """Raised inside the collector where a whole request is refused; caught once, at its border."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


def refuse(reason: Reason, message: str, *, field: str = "", index: int | None = None) -> Refused:
    return Refused(Rejection(reason=reason, message=message, field=field, index=index))
