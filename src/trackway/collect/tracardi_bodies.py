"""What a webhook of Tracardi's `/collect` and a redirect send: any body, made an object of properties.

Senders are other people's systems, so nothing here is refused but what is too large or too deep: an
object is taken as it is, a list or a bare value stands under `payload`, a form's fields are taken
one by one, and what cannot be read is no properties at all.
"""

import logging
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from trackway.collect.limits import ANYTHING, Limits, clean_object
from trackway.event import Submission
from trackway.outcome import Reason, refuse

MOST_FIELDS = 1000
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
# The parser logs every broken form, with a byte of it.
_SILENT = logging.Logger("forms", logging.CRITICAL + 1)
# Flags of ours that may stand in the query.
_OWN_FLAGS = frozenset({"validate"})


def read_query(query: str) -> dict[str, Any]:
    """Fields of a query or a form; of a name that stands there several times, a list."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise refuse(Reason.OUT_OF_RANGE, f"more than {MOST_FIELDS} fields", field="query") from None
    return _gather([(name, value) for name, value in pairs if name not in _OWN_FLAGS])


def read_properties(submission: Submission, body: bytes, limits: Limits) -> dict[str, Any]:
    """The properties that the request holds: of GET its query, otherwise its body."""
    if len(body) > limits.event_bytes:
        raise refuse(Reason.EVENT_TOO_LARGE, f"the event is larger than {limits.event_bytes} bytes (limit event_bytes)")
    if submission.method == "GET":
        properties = read_query(submission.query)
    else:
        properties = _read_body(body, submission.headers.get("content-type", ""))
    return clean_object(properties, "properties", limits.json_depth - 1)


def _read_body(body: bytes, content_type: str) -> dict[str, Any]:
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    name = kind.decode("latin-1").strip().lower()
    if name == MULTIPART:
        return _read_multipart(body, options.get(b"boundary", b""))
    try:
        found = ANYTHING.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return read_query(body.decode("utf-8", "replace")) if name == FORM else {}
    return found if isinstance(found, dict) else {"payload": found}


def _read_multipart(body: bytes, boundary: bytes) -> dict[str, Any]:
    """Fields of a form; of a file its name. Nothing when the form is broken."""
    reader = _FormReader()
    if not boundary:
        return {}
    try:
        parser = MultipartParser(boundary, reader.callbacks)  # type: ignore[arg-type]
        parser.logger = _SILENT
        parser.write(body)
        parser.finalize()
    except FormParserError:
        return {}
    return _gather(reader.fields[:MOST_FIELDS])


class _FormReader:
    """Gathers what the parser calls out."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self._name, self._header, self._disposition, self._value = b"", b"", b"", bytearray()
        self.callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._take_name,
            "on_header_value": self._take_header,
            "on_header_end": self._end_header,
            "on_part_data": self._take_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._name, self._header, self._disposition, self._value = b"", b"", b"", bytearray()

    def _take_name(self, chunk: bytes, start: int, end: int) -> None:
        self._name += chunk[start:end]

    def _take_header(self, chunk: bytes, start: int, end: int) -> None:
        self._header += chunk[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._header
        self._name, self._header = b"", b""

    def _take_data(self, chunk: bytes, start: int, end: int) -> None:
        self._value += chunk[start:end]

    def _end(self) -> None:
        options = parse_options_header(self._disposition)[1]
        value = options.get(b"filename", bytes(self._value))
        self.fields.append((options.get(b"name", b"").decode("utf-8", "replace"), value.decode("utf-8", "replace")))


def _gather(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
