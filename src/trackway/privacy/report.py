"""The words of a certificate: what was removed where, that nothing is left, what remains and why. Pure."""

from typing import Any

import msgspec

from trackway.clock import format_time
from trackway.control.privacy_requests import Request
from trackway.privacy.progress import Progress

# Place in the progress -> what a reader is told it is.
PLACES = {
    "events": "event store: events",
    "profile_overrides": "event store: assignments of identifiers to profiles",
    "identities": "relational state: identifiers",
    "edges": "relational state: links between identifiers",
    "decisions": "relational state: decisions about links",
    "traits": "relational state: traits",
    "memberships": "relational state: stays at companies",
    "visits": "relational state: whose profile a client's session belongs to",
    "consents": "relational state: what was said of consent",
    "consent_states": "relational state: how consent stands",
    "held_events": "relational state: events held until consent",
    "dead_letters": "relational state: dead letters, conflicts and rejected bodies",
    "swallowing_keys": "relational state: reports of badly chosen dedupe keys",
    "log": "event log: records overwritten",
    "damaged_bytes": "event log: files of damaged bytes",
}

REMAINS = (
    "tombstones: keyed digests of the identifiers, so that what was sent before does not come back",
    "one row per removed event in the books: event id, source, type, time of receipt, place in the log; no personal data",
    "counts of what events break of the tracking plan, with the id of the last such event; no personal data",
    "digests of dedupe keys, order and conversion ids in the key index, so that a repeat is not counted twice",
    "withdrawals of consent, by keyed digest, so that whoever objected is not tracked again",
    "this request, with a salted hash in the place of the identifier",
)
ANONYMISED = "events, with nobody in them: no identifier, address, query, properties or context"


def write_certificate(request: Request, progress: Progress, now: int) -> dict[str, Any]:
    """What is signed. `verified` is true when the re-query found nothing anywhere."""
    about = msgspec.to_builtins(request.about)
    return {
        "version": 1,
        "request": request.id,
        "kind": request.kind,
        "workspace": request.workspace,
        "about": about,
        "asked_by": request.asked_by,
        "asked_at": format_time(request.asked_at),
        "erased_up_to": format_time(progress.erased_at),
        "finished_at": format_time(now),
        "identifiers": len(progress.nodes),
        "removed": [
            {"place": PLACES[place], "count": progress.removed[place]} for place in PLACES if place in progress.removed
        ],
        "log_records_read": progress.records_read,
        "left": [{"place": PLACES[place], "count": progress.left[place]} for place in PLACES if place in progress.left],
        "verified": not any(progress.left.values()),
        "remains": [*((ANONYMISED,) if request.kind == "anonymise" else ()), *REMAINS],
    }
