"""replay: trying again what was refused, after a fix; a preview first, changes only with --apply."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from trackway.cli.batches import PAUSE_S, TRIES, TRY_AGAIN
from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option

LETTERS_AT_ONCE = 100
SETTLE_PATIENCE_S = 120.0


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--rejected", is_flag=True, help="Try rejections and dead letters again: those named, or all that wait.")
@click.option("--source", default="", help="Only of this source: its id or name.")
@click.option("--protocol", default="", help="Only of this protocol.")
@click.option("--reason", default="", help="Only rejected or dead-lettered for this reason.")
@click.option("--since", default="", help="Only received at this time or later: 2026-05-01T10:00:00Z.")
@click.option("--until", default="", help="Only received before this time.")
@click.option("--apply", is_flag=True, help="Do it. Without it, only say what would come of it.")
@data_option
@json_option
def replay(
    ids: tuple[str, ...],
    rejected: bool,
    source: str,
    protocol: str,
    reason: str,
    since: str,
    until: str,
    apply: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Try again what was refused, with today's adapters and settings.

    IDS are those of rejections and dead letters, as GET /api/v1/rejections and the page Diagnostics show them.
    """
    if not rejected:
        raise click.UsageError("say what to replay: --rejected")
    filters = {"protocol": protocol, "reason": reason, "since": since, "until": until}
    chosen = {name: value for name, value in filters.items() if value}
    if ids and (chosen or source):
        raise click.UsageError("name IDS, or say which with options, not both")
    with reach_server(data) as server:
        if source:
            chosen["source"] = find_source(server, source)
        items = list(_ask(server, ids, chosen, apply))
        if apply:
            wait_until_settled(server)
    if as_json:
        click.echo(msgspec.json.encode({"applied": apply, "items": items}).decode())
        return
    for line in _word(items, apply):
        click.echo(line)


def find_source(server: LocalServer, name: str) -> str:
    """The id of a source that is named by its id or name; an id that is not registered any more is taken as it is."""
    listed = server.api("sources")["sources"]
    return next((each["id"] for each in listed if name in (each["id"], each["name"])), name)


def _ask(server: LocalServer, ids: Sequence[str], chosen: dict[str, str], apply: bool) -> Iterator[dict[str, Any]]:
    if ids:
        for start in range(0, len(ids), LETTERS_AT_ONCE):
            yield from post(server, {"apply": apply, "ids": ids[start : start + LETTERS_AT_ONCE]})["items"]
        return
    cursor = ""
    while cursor is not None:
        answer = post(server, {"apply": apply, "cursor": cursor, **chosen})
        yield from answer["items"]
        cursor = answer["next"]


def post(server: LocalServer, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of `POST /api/v1/rejections/replay`; tried again while the server takes nothing."""
    for attempt in range(TRIES):
        status, answer = server.call("POST", "/api/v1/rejections/replay", msgspec.json.encode(body))
        if status not in TRY_AGAIN:
            break
        time.sleep(PAUSE_S * 2**attempt)
    if status != 200:
        raise click.ClickException(f"{answer['error']['message']} (what was replayed so far stays; run it again)")
    found: dict[str, Any] = answer
    return found


def wait_until_settled(server: LocalServer) -> None:
    """Until what was put into the log is stored."""
    deadline = time.monotonic() + SETTLE_PATIENCE_S
    while any(line["in_flight"] for line in server.api("books")["sources"]):
        if time.monotonic() > deadline:
            click.echo("it is in the log, but not all of it is stored yet; see trackway doctor", err=True)
            return
        time.sleep(0.1)


def _word(items: Sequence[dict[str, Any]], apply: bool) -> Iterator[str]:
    if not items:
        yield "nothing waits that fits"
        return
    for item in items:
        field = f" ({item['field']})" if item["field"] else ""
        yield f"{item['id']}  {item['source']}  {item['reason']}{field}"
        yield from (f"    {line}" for line in _word_item(item, apply))
    counts: Counter[str] = Counter()
    for item in items:
        counts["events"] += item["events"]
        counts["duplicate"] += item["duplicate"]
        counts["known"] += item["already_stored"]
        counts["letters"] += bool(item["events"])
        counts["left"] += bool(item["refused"] or item["why_not"])
    done = "replayed" if apply else "would be replayed"
    yield (
        f"{counts['events']:,} events of {counts['letters']:,} letters {done} ({counts['duplicate']:,} of them repeats),"
        f" {counts['known']:,} are stored already, {counts['left']:,} letters still refused"
    )
    if not apply and counts["events"]:
        yield "nothing was changed; --apply does it"


def _word_item(item: dict[str, Any], apply: bool) -> Iterator[str]:
    if item["why_not"]:
        yield f"cannot be replayed: {item['why_not']}"
    if item["events"]:
        yield f"{'replayed' if apply else 'would be stored'}: {', '.join(item['event_ids'])}"
    if item["duplicate"]:
        yield f"{item['duplicate']} of them repeat an event that is stored"
    if item["already_stored"]:
        yield f"stored already: {item['already_stored']}"
    for refused in item["refused"]:
        where = f"event {refused['index']}, " if refused["index"] is not None else ""
        field = f"{refused['field']}: " if refused["field"] else ""
        yield f"still refused: {where}{refused['reason']}: {field}{refused['message']}"
