"""What a page's script saw, read: the browser script and its drop-ins say it, this says what it means.

So the script stays small, and a better reading can be had for what is in the log already: it is part of
`parse`, and a replay does it again. Counts for a body with `script` beside its events, never for anybody else's.

- The `context` beside the events is every event's.
- A click is a download by the file it leads to, and outbound by the host.
- The address of a page view tells a page on which one pays, and the one after it: guesses, which
  are further events of the request, behind those that were sent. They are never revenue.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.structs import replace

from trackway.collect.bulk import check_copies
from trackway.collect.limits import ANYTHING, LONGEST_ID, Limits, clean_object
from trackway.collect.protocol import Parsed
from trackway.event import Event, Submission
from trackway.ids import EVENTS_PER_SUBMISSION, make_event_id
from trackway.outcome import Reason, refuse

# Fields beside `events` that only a page's script sends.
OUTER = frozenset({"script", "context", "commerce"})
MARK, EVENTS = b'"script"', b'"events"'
OFF = ("off", "false", False)

LONGEST_TEXT = 80
MOST_FIELDS = 50
CLICKS = ("click", "cta_clicked")
PDF = re.compile(r"\.pdf$", re.IGNORECASE)
FILE = re.compile(r"\.(docx?|xlsx?|pptx?|csv|zip|dmg|exe|mp[34])$", re.IGNORECASE)

# Bounded: an address of a thousand times "order" must not take time with the square of its length.
ORDER = re.compile(r"(?:order|session)[\w-]{0,40}[=/]([\w-]{1,100})", re.IGNORECASE)
THANKS = re.compile(r"thank-?you|order-?(confirm|receiv)", re.IGNORECASE)
PAYS = re.compile(r"/(checkout|payment|billing|cart)(/|$)", re.IGNORECASE)
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")


class Around(Struct):
    """What stands beside the events."""

    script: str = ""
    context: Raw | UnsetType = UNSET
    commerce: str | bool | None = None


_AROUND = msgspec.json.Decoder(Around)


def read_meaning(parsed: Parsed, submission: Submission, body: bytes, limits: Limits) -> Parsed:
    """`parsed` as it is for all but a page's script. Refused when what stands beside the events is of a wrong type or too much."""
    if parsed.single or MARK not in body or EVENTS not in body or not body.lstrip().startswith(b"{"):
        return parsed
    try:
        around = _AROUND.decode(body)
    except msgspec.ValidationError as error:
        raise refuse(Reason.WRONG_TYPE, f"beside events: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Lines: nothing stands beside the events.
        return parsed
    if not around.script:
        return parsed
    context = _read_context(_decode_context(around.context, len(parsed.items), limits), submission)
    items = [_read_event(item, context) if isinstance(item, Event) else item for item in parsed.items]
    if around.commerce not in OFF:
        guesses = [guess for item in items if isinstance(item, Event) and (guess := _guess(item))]
        for index, guess in enumerate(guesses[: EVENTS_PER_SUBMISSION - len(items)], len(items)):
            items.append(replace(guess, event_id=make_event_id(submission.submission_id, index)))
    return replace(parsed, items=items)


def _decode_context(sent: Raw | UnsetType, events: int, limits: Limits) -> dict[str, Any]:
    if isinstance(sent, UnsetType):
        return {}
    check_copies(len(memoryview(sent)), events, limits, "context")
    try:
        context = ANYTHING.decode(sent)
    except msgspec.ValidationError as error:
        raise refuse(Reason.OUT_OF_RANGE, f"holds a number that cannot be kept: {error}", field="context") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refuse(Reason.INVALID_JSON, f"is not JSON that can be kept: {error}", field="context") from None
    if not isinstance(context, dict):
        raise refuse(Reason.WRONG_TYPE, "context beside events must be an object", field="context")
    return clean_object(context, "context", limits.json_depth - 1)


def _read_context(said: Mapping[str, Any], submission: Submission) -> dict[str, Any]:
    """`ip` and `user_agent` are believed of a back end only. The language is the browser's own word, its header."""
    context = {name: value for name, value in said.items() if name not in ("ip", "user_agent")}
    language = LANGUAGE.match(submission.headers.get("accept-language", ""))
    return {"language": language[0], **context} if language else context


def _read_event(event: Event, context: Mapping[str, Any]) -> Event:
    event = replace(event, context={**context, **event.context})
    if event.event_type in CLICKS and "tag" in event.properties:
        return _read_click(event)
    if event.event_type == "form_submit" and "fields" in event.properties:
        return _read_form(event)
    return event


def _read_click(event: Event) -> Event:
    properties = dict(event.properties)
    if isinstance(properties.get("text"), str):
        properties["text"] = " ".join(properties["text"].split())[:LONGEST_TEXT]
    for name in ("id", "href"):
        # A drawing's link has an object for an address.
        if name in properties and (not isinstance(properties[name], str) or not properties[name]):
            del properties[name]
    link = _split(properties.get("href", ""))
    # `mailto:` and the like lead to no host and no file.
    path = link.path if link.netloc else ""
    if link.netloc and link.netloc.lower() != _split(event.url).netloc.lower():
        properties["outbound"] = True
    event_type = event.event_type
    if event_type == "click" and PDF.search(path):
        event_type = "download_pdf"
    elif event_type == "click" and FILE.search(path):
        event_type = "file_download"
    return replace(event, event_type=event_type, properties=properties)


def _read_form(event: Event) -> Event:
    """Each field once; of the address the path."""
    fields, action = event.properties["fields"], event.properties.get("action")
    properties = dict(event.properties)
    if isinstance(fields, list):
        named = dict.fromkeys(name for name in fields if isinstance(name, str) and name)
        properties["fields"] = list(named)[:MOST_FIELDS]
    if isinstance(action, str):
        try:
            properties["action"] = urlsplit(urljoin(event.url, action)).path
        except ValueError:
            properties["action"] = ""
    return replace(event, properties=properties)


def _split(url: str) -> SplitResult:
    """What is no address has no parts."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _guess(view: Event) -> Event | None:
    """`payment_success` once per session and order, `payment_page_view` once per session; None for any other page."""
    if view.event_type != "page_view":
        return None
    parts = _split(view.url)
    address = f"{parts.path}?{parts.query}"
    # The number of an order has a digit.
    order = next((found for found in ORDER.findall(address) if re.search(r"\d", found)), "")
    if THANKS.search(address) or (order and "success" in address.lower()):
        event_type = "payment_success"
    elif PAYS.search(parts.path):
        event_type, order = "payment_page_view", ""
    else:
        return None
    once = view.session_id or view.dedupe_key
    return replace(
        view,
        event_type=event_type,
        properties={"auto": True, "heuristic": True},
        dedupe_key=f"{event_type},{once},{order}"[:LONGEST_ID] if once else "",
        business_key="",
    )
