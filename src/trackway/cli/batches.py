"""What every import shares: its source, the file it reads, and batches through the server's door."""

import gzip
import io
import time
from collections.abc import Iterator, Mapping
from typing import IO, Any

import click

from trackway.cli.local_server import LocalServer
from trackway.control.database import State
from trackway.control.sources import add_source, list_sources

# A server that is behind or out of disk says so with these, and takes the same again later.
TRY_AGAIN = (503, 507)
TRIES = 6
PAUSE_S = 0.5


def find_or_make_source(state: State, name: str) -> str:
    for source in list_sources(state):
        if name in (source.name, source.id):
            if source.protocol != "native":
                raise click.ClickException(
                    f"the source {name!r} speaks {source.protocol}; an import needs a native one"
                )
            return source.id
    return add_source(state, name, "native", "server", {}).source.id


def open_text(raw: IO[bytes], encoding: str = "utf-8", errors: str = "replace", newline: str = "\n") -> Iterator[str]:
    """Lines of a plain or gzipped file. By default bytes that are no UTF-8 become U+FFFD."""
    packed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    stream: Any = gzip.GzipFile(fileobj=raw) if packed else raw
    text = io.TextIOWrapper(stream, encoding, errors=errors, newline=newline)
    try:
        yield from text
        # Otherwise the wrapper closes the file, whose position the progress bar still asks for.
        text.detach()
    except (gzip.BadGzipFile, EOFError) as error:
        raise click.ClickException(
            f"the file ends or breaks in the middle: {error}; import it again when it is whole"
        ) from None


def send_events(body: bytes, server: LocalServer, key: str) -> dict[str, Any]:
    """The answer of `POST /v1/events`. ClickException when the batch as a whole is refused."""
    for attempt in range(TRIES):
        status, answer = server.call("POST", "/v1/events", body, key)
        if status not in TRY_AGAIN:
            break
        time.sleep(PAUSE_S * 2**attempt)
    if not isinstance(answer, dict) or "results" not in answer:
        raise click.ClickException(
            f"the server refused the import ({status}): {answer}; run it again, what is stored stays single"
        )
    return answer


def read_books(server: LocalServer, source_id: str) -> Mapping[str, Any]:
    """The books of a source; {} as long as nothing came from it."""
    return next((source for source in server.api("books")["sources"] if source["source"] == source_id), {})


def wait_until_settled(server: LocalServer, source_id: str) -> Mapping[str, Any]:
    """The books of a source as soon as nothing of it is on the way to the store."""
    while (books := read_books(server, source_id)).get("in_flight"):
        time.sleep(0.1)
    return books
