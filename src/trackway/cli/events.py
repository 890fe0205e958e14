"""explain, query: looking at what is stored."""

import csv
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from trackway.app.folder import Folder
from trackway.app.supervisor import find_store_url
from trackway.cli.local_server import reach_server
from trackway.cli.options import data_option, json_option, read_settings
from trackway.store.client import EventStore, StoreRefused, StoreUnavailable


@click.command()
@click.argument("event_id")
@data_option
@json_option
def explain(event_id: str, data: Path, as_json: bool) -> None:
    """Say what became of one event, stage by stage."""
    with reach_server(data) as server:
        answer = server.api(f"events/{event_id}")
    if answer is None:
        raise click.ClickException(f"no event {event_id} was received here, or it was forgotten by retention")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
        return
    for line in _word_answer(event_id, answer):
        click.echo(line)


def _word_answer(event_id: str, answer: dict[str, Any]) -> list[str]:
    lines = [f"{event_id}: {answer['outcome']}" + (f" ({answer['reason']})" if answer.get("reason") else "")]
    if answer.get("first_event_id"):
        lines.append(f"  the first event with the same key: {answer['first_event_id']}")
    if answer["outcome"] == "held":
        lines.append(f"  {answer['detail']}")
    place = answer.get("log") or {}
    if place:
        lines.append(f"  log: segment {place['segment']}, record {place['record']}, event {place['index']}")
    for each in answer["replaced"]:
        old = each["log"]
        lines.append(f"  a replay replaced its row of segment {old['segment']}, record {old['record']} at {each['at']}")
    event = answer.get("event") or {}
    for name in ("event_type", "source", "protocol", "channel", "occurred_at", "received_at", "time_rule"):
        if event.get(name):
            lines.append(f"  {name}: {event[name]}")
    for stage in answer.get("stages", ()):
        filled = ", ".join(f"{name}={value}" for name, value in stage["filled"].items() if value)
        lines.append(f"  {stage['name']:18} {stage['says']}" + (f": {filled}" if filled else ""))
    return lines


@click.command()
@click.argument("sql")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@data_option
def query(sql: str, form: str, data: Path) -> None:
    """Run one SELECT on the event store (tables: events, outcomes); reads only."""
    folder, settings = Folder(data), read_settings(data)
    with reach_server(data):
        store = EventStore(find_store_url(folder, settings))
        try:
            rows = store.select(sql, {}, {"readonly": "1"})
        except (StoreRefused, StoreUnavailable) as error:
            raise click.ClickException(str(error)) from None
        finally:
            store.close()
    _print_rows(rows, form)


def _print_rows(rows: list[dict[str, Any]], form: str) -> None:
    if form == "json":
        for row in rows:
            click.echo(msgspec.json.encode(row, enc_hook=str).decode())
        return
    if not rows:
        return
    if form == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        return
    texts = [{name: str(value) for name, value in row.items()} for row in rows]
    widths = {name: max(len(name), *(len(row[name]) for row in texts)) for name in texts[0]}
    click.echo("  ".join(name.ljust(width) for name, width in widths.items()))
    for row in texts:
        click.echo("  ".join(row[name].ljust(width) for name, width in widths.items()))
