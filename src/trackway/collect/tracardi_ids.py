"""Which session and which profile a Tracardi request belongs to: what the door notes before it is a submission.

The table of docs/reference/protocols/tracardi.md, in its order. The notes are all that `parse` knows
of people, so a replay names the same ones.
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from uuid import uuid4

from msgspec import Struct

from trackway.collect.door_people import DoorPeople
from trackway.collect.limits import LONGEST_ID
from trackway.collect.protocol import Request
from trackway.collect.tracardi_payload import TRACK, Outline, read_outline, strip_text
from trackway.event import Source
from trackway.profiles.identifiers import Identifier, format_profile_id, is_blocked, read_profile_id
from trackway.profiles.visits import CHANGED, COUNT, ENDED, OPENED, PROFILE, REOPENED, SESSION, VISIT, Visit

VISIT_ENDED = "visit-ended"
SESSION_COOKIE = "tracardi-session-id"

# Further words of the notes. PROFILE is missing where there is no profile.
UNSAVED, STATIC, CREATED, RETURNED, WARNING = "session_unsaved", "static_profile", "created", "returned", "warning"
DEBUGGER, FULL = "debugger", "full_profile"
# What the source's settings said at the door: a change must not make other events of what was taken.
QUIET, MISFIT = "no_system_events", "wrong_endpoint"

# A session that goes on for long is written down anew now and then, lest it be forgotten as silent.
SEEN_AGAIN_MS = 86_400_000


class Asked(Struct):
    """What a request says of who it is about."""

    session: str
    profile: str = ""
    passed: Mapping[str, Any] = {}
    profile_less: bool = False
    # False: the session is not to be remembered; it is used where it is known.
    keep: bool = True
    ends: bool = False
    debugger: bool = False
    full: bool = False


def fits_endpoint(source: Source, path: str) -> bool:
    """Is the source made for the endpoint: its setting `bridge`."""
    wanted = "rest" if path == TRACK else "redirect" if path.startswith("/redirect/") else "webhook"
    return wanted in source.settings.get("bridge", "rest,webhook").split(",")


def note(request: Request, source: Source, people: DoorPeople) -> dict[str, str]:
    """The notes of a request; none where it has neither session nor profile.

    A request that will be refused is noted, too: it may be replayed when the source is made to fit.
    """
    if request.path == TRACK:
        asked = _ask_payload(request, source)
    else:
        asked = _ask_path(request)
        if asked and not asked.keep and people.find_visit(source.workspace, asked.session) is None:
            # A redirect opens no session.
            asked = None
    noted = _decide(asked, source, people) if asked else {}
    if not fits_endpoint(source, request.path):
        noted[MISFIT] = "1"
    return noted


def _ask_payload(request: Request, source: Source) -> Asked | None:
    if request.method != "POST":
        return None
    payload = read_outline(request.body)
    if payload is None or not payload.events:
        return None
    less = request.query_value("profile_less").lower()
    return Asked(
        session=_read_session(payload.session.id if payload.session else ""),
        profile=payload.profile.id.strip() if payload.profile else "",
        passed=_find_passed(payload),
        profile_less=less in ("1", "true", "yes", "on") if less else bool(payload.profile_less),
        keep=payload.option("saveSession") is not False,
        ends=any(name_type(item.type) == VISIT_ENDED for item in payload.events),
        debugger=payload.option("debugger") is True and source.settings.get("debugger") == "yes",
        full=payload.option("profile") is True and source.settings.get("returns_profile") == "yes",
    )


def _ask_path(request: Request) -> Asked | None:
    session = _read_session(request.params.get("session_id", ""))
    redirects = request.path.startswith("/redirect/")
    if not session and redirects:
        session = _read_cookie(request.headers.get("cookie", ""))
    if not session:
        return None
    ends = name_type(request.params.get("event_type", "")) == VISIT_ENDED
    return Asked(session=session, keep=not redirects, ends=ends)


def _read_session(sent: str) -> str:
    """The client's session id; "" for none, and for a word for nobody, which thousands would share."""
    session = strip_text(sent)
    return "" if not session or len(session) > LONGEST_ID or is_blocked(session) else session


def _read_cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return _read_session(found.value) if found else ""


def _find_passed(payload: Outline) -> Mapping[str, Any]:
    """`context.tracardi.pass`: the profile that another domain of the same workspace sends along."""
    inner = payload.context.tracardi if payload.context else None
    passed = inner.get("pass") if isinstance(inner, dict) else None
    return passed if isinstance(passed, dict) else {}


def name_type(event_type: str) -> str:
    """As Tracardi stores it: lower case, blanks become dashes."""
    return strip_text(event_type).lower().replace(" ", "-")


def _decide(asked: Asked, source: Source, people: DoorPeople) -> dict[str, str]:
    workspace = source.workspace
    session = asked.session or str(uuid4())
    known = people.find_visit(workspace, session) if asked.session else None
    noted = {SESSION: session}
    if source.settings.get("system_events") == "no":
        noted[QUIET] = "1"
    profile = b"" if asked.profile_less else _find_profile(asked, session, known, source, people, noted)
    if profile:
        noted[PROFILE] = format_profile_id(profile)
    if asked.debugger:
        noted[DEBUGGER] = "1"
    if asked.full:
        noted[FULL] = "1"
    if asked.keep:
        _note_visit(asked, session, known, profile, people, workspace, noted)
    else:
        noted[UNSAVED] = "1"
    return noted


def _find_profile(
    asked: Asked, session: str, known: Visit | None, source: Source, people: DoorPeople, noted: dict[str, str]
) -> bytes:
    """The session's own, else the one that was sent if it is one of ours, else a new one."""
    workspace = source.workspace
    if source.settings.get("static_profile_id") == "yes" and asked.profile and not is_blocked(asked.profile):
        issued = _find_issued(asked.profile, workspace, people)
        if issued is None:
            noted[STATIC] = strip_text(asked.profile)
            return people.keys_of(workspace).make(Identifier("merge_key", noted[STATIC]))
    if known and known.profile and (own := people.find_profile(known.profile)):
        if known.visits > 1 or own != people.name_session(workspace, session):
            noted[RETURNED] = "1"
        return own
    sent = _find_issued(asked.profile, workspace, people)
    if asked.passed:
        sent = _find_passed_profile(asked.passed, workspace, people, noted) or sent
    if sent is not None:
        noted[RETURNED] = "1"
        return sent
    first, current = people.derive_profile(workspace, session)
    if first == current:
        noted[CREATED] = "1"
    return current


def _find_issued(sent: str, workspace: str, people: DoorPeople) -> bytes | None:
    """What the id leads to today, if we gave it out and its person was not erased."""
    if not sent:
        return None
    try:
        profile = read_profile_id(sent)
    except ValueError:
        return None
    return people.find_profile(profile) if people.keys_of(workspace).issued(profile) else None


def _find_passed_profile(
    passed: Mapping[str, Any], workspace: str, people: DoorPeople, noted: dict[str, str]
) -> bytes | None:
    profile, from_source = passed.get("profile"), passed.get("source")
    if not isinstance(from_source, str) or not people.knows_source(workspace, from_source):
        noted[WARNING] = "context.tracardi.pass names no source of this workspace, so its profile is not taken"
        return None
    found = _find_issued(profile, workspace, people) if isinstance(profile, str) else None
    if found is None:
        noted[WARNING] = "context.tracardi.pass names no profile that is known here"
    return found


def _note_visit(
    asked: Asked,
    session: str,
    known: Visit | None,
    profile: bytes,
    people: DoorPeople,
    workspace: str,
    noted: dict[str, str],
) -> None:
    """What the request makes of its session, where that changes anything."""
    now = people.clock()
    if known is None:
        said, count = OPENED, 1
    elif known.ended and not asked.ends:
        said, count = REOPENED, known.visits + 1
    elif (
        known.ended != asked.ends
        or now - known.seen_at > SEEN_AGAIN_MS
        or (profile and not _leads_to(known, profile, people))
    ):
        said, count = CHANGED, known.visits
    else:
        return
    noted[VISIT], noted[COUNT] = said, str(count)
    if asked.ends:
        noted[ENDED] = "1"
    # A request without a profile takes none away.
    kept = profile or (known.profile if known else b"")
    people.change_visit(workspace, session, Visit(kept, count, asked.ends, now), noted)


def _leads_to(known: Visit, profile: bytes, people: DoorPeople) -> bool:
    return bool(known.profile) and people.find_profile(known.profile) == profile
