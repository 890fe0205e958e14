"""import: bringing history in, through the same door as every other event."""

from collections import Counter
from pathlib import Path
from typing import Any

import click
import msgspec

from trackway.app.folder import Folder
from trackway.app.supervisor import find_store_url
from trackway.cli.access_log import BadLine, read_lines
from trackway.cli.batches import find_or_make_source, open_text, read_books, send_events, wait_until_settled
from trackway.cli.import_contacts import accounts, contacts
from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option, open_state, read_settings
from trackway.clock import now_ms
from trackway.control.sources import issue_key, revoke_key
from trackway.store.client import EventStore

BATCH = 500
SHOWN_BAD_LINES = 5


@click.group("import")
def import_group() -> None:
    """Import history: web server logs, contacts and accounts."""


import_group.add_command(contacts)
import_group.add_command(accounts)


class Tally(msgspec.Struct):
    """What became of the lines of one import."""

    read: int = 0
    sent: int = 0
    duplicate: int = 0
    stored: int = 0
    bots: int = 0
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    examples: list[str] = msgspec.field(default_factory=list)

    def reject(self, reason: str, example: str) -> None:
        self.rejected[reason] += 1
        if len(self.examples) < SHOWN_BAD_LINES:
            self.examples.append(example)


@import_group.command("access-log")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--source", "name", default="access-log", show_default=True, help="Name of the source; made when missing."
)
@click.option("--site", default="", help="Address of the site, put before each path: https://example.com")
@data_option
@json_option
def access_log(file: Path, name: str, site: str, data: Path, as_json: bool) -> None:
    """Import a web server's log in the combined format, plain or .gz. A second import adds nothing."""
    state = open_state(data)
    source_id = find_or_make_source(state, name)
    key = issue_key(state, source_id)
    try:
        with reach_server(data) as server:
            started = now_ms()
            before = read_books(server, source_id).get("stored", 0)
            tally = _send_file(file, site, server, key, quiet=as_json)
            tally.stored = wait_until_settled(server, source_id).get("stored", 0) - before
            tally.bots = _count_bots(data, source_id, started)
    finally:
        revoke_key(state, key)
        state.close()
    _print_tally(tally, as_json)


def _send_file(file: Path, site: str, server: LocalServer, key: str, quiet: bool) -> Tally:
    tally = Tally()
    with (
        file.open("rb") as raw,
        click.progressbar(length=file.stat().st_size, label=f"importing {file.name}", hidden=quiet) as bar,
    ):
        batch: list[dict[str, Any]] = []
        for item in read_lines(open_text(raw), site):
            tally.read += 1
            if isinstance(item, BadLine):
                tally.reject("not a log line", f"line {item.number} {item.reason}")
                continue
            batch.append(item)
            if len(batch) == BATCH:
                _send_batch(batch, server, key, tally)
                bar.update(raw.tell() - bar.pos)
                batch = []
        _send_batch(batch, server, key, tally)
        bar.update(raw.tell() - bar.pos)
    return tally


def _send_batch(batch: list[dict[str, Any]], server: LocalServer, key: str, tally: Tally) -> None:
    if not batch:
        return
    answer = send_events(msgspec.json.encode(batch), server, key)
    tally.sent += answer["accepted"]
    tally.duplicate += answer["duplicate"]
    for result in answer["results"]:
        if result["status"] == "rejected":
            tally.reject(result["reason"], f"{result['field']}: {result['message']}")


def _count_bots(data: Path, source_id: str, since: int) -> int:
    store = EventStore(find_store_url(Folder(data), read_settings(data)))
    sql = "SELECT count() AS n FROM events WHERE source = {source:String} AND bot != '' AND received_at >= fromUnixTimestamp64Milli({since:Int64})"
    try:
        return int(store.select(sql, {"source": source_id, "since": since})[0]["n"])
    finally:
        store.close()


def _print_tally(tally: Tally, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(tally).decode())
        return
    click.echo(
        f"read {tally.read:,} lines: stored {tally.stored:,} (of them {tally.bots:,} by bots), "
        f"duplicate {tally.duplicate:,}, rejected {sum(tally.rejected.values()):,}"
    )
    for reason, count in tally.rejected.items():
        click.echo(f"  rejected, {reason}: {count:,}")
    for example in tally.examples:
        click.echo(f"    {example}")
