"""replay: trying again what was refused, or what the log holds; a preview first, changes only with --apply."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option
from trackway.cli.replay_log import find_source, post, replay_log, wait_until_settled
from trackway.control.workspaces import FIRST_WORKSPACE, TEST_WORKSPACE

LETTERS_AT_ONCE = 100


@click.command()
@click.argument("ids", nargs=-1)
@click.option("--rejected", is_flag=True, help="Try rejections and dead letters again: those named, or all that wait.")
@click.option(
    "--from", "since", default="", help="Parse again what the log holds from this time on: 2026-05-01T10:00:00Z."
)
@click.option("--since", "received_since", default="", help="With --rejected: only received at this time or later.")
@click.option("--until", default="", help="Only received before this time.")
@click.option("--source", default="", help="Only of this source: its id or name.")
@click.option("--protocol", default="", help="Only of this protocol.")
@click.option("--reason", default="", help="With --rejected: only rejected or dead-lettered for this reason.")
@click.option(
    "--apply/--dry-run", "apply", default=False, help="Do it, or only say what would come of it.  [default: dry-run]"
)
@click.option("--test", is_flag=True, help="Of the test space.")
@data_option
@json_option
def replay(
    ids: tuple[str, ...],
    rejected: bool,
    since: str,
    received_since: str,
    until: str,
    source: str,
    protocol: str,
    reason: str,
    apply: bool,
    test: bool,
    data: Path,
    as_json: bool,
) -> None:
    """Parse again what was refused, or what the log still holds, with today's adapters and settings.

    --rejected tries what was refused; IDS are those of rejections and dead letters, as GET /api/v1/rejections
    and the page Diagnostics show them. --from compares what the log holds with what is stored, and with
    --apply stores events that were never stored and replaces those that are different; what would not be made any
    more is shown and left as it is.
    """
    if rejected == bool(since):
        raise click.UsageError("say what to replay: --rejected, or --from TIME")
    space = TEST_WORKSPACE if test else FIRST_WORKSPACE
    chosen = {"source": source, "protocol": protocol, "until": until}
    if since:
        if ids or reason or received_since:
            raise click.UsageError("IDS, --reason and --since go with --rejected; --from says since when")
        replay_log(data, space, since, chosen, apply, as_json)
        return
    chosen = {name: text for name, text in (chosen | {"reason": reason, "since": received_since}).items() if text}
    if ids and chosen:
        raise click.UsageError("name IDS, or say which with options, not both")
    with reach_server(data) as server:
        if source:
            chosen["source"] = find_source(server, space, source)
        items = list(_ask(server, space, ids, chosen, apply))
        if apply:
            wait_until_settled(server, space)
    if as_json:
        click.echo(msgspec.json.encode({"applied": apply, "items": items}).decode())
        return
    for line in _word(items, apply):
        click.echo(line)


def _ask(
    server: LocalServer, space: str, ids: Sequence[str], chosen: dict[str, str], apply: bool
) -> Iterator[dict[str, Any]]:
    if ids:
        for start in range(0, len(ids), LETTERS_AT_ONCE):
            yield from post(
                server, space, "rejections/replay", {"apply": apply, "ids": ids[start : start + LETTERS_AT_ONCE]}
            )["items"]
        return
    cursor = ""
    while cursor is not None:
        answer = post(server, space, "rejections/replay", {"apply": apply, "cursor": cursor, **chosen})
        yield from answer["items"]
        cursor = answer["next"]


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
