"""plan, catalogue: what events must look like, what they do look like, and a plan made of that."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
import msgspec

from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option

TYPE = click.argument("event_type")
SOURCE = click.option("--source", default="", help="Id of the source; without it the entry for all sources.")
DAYS = click.option("--days", default=7, show_default=True, help="How far back, in days of receipt.")
FILE = click.argument("file", type=click.File("rb"))
MODES = click.Choice(["observe", "mark", "reject", "off"])
SHOWN_PROPERTIES = 40


@click.group()
def plan() -> None:
    """What events of a type must look like: JSON Schemas with versions, kept as FILE {"entries": [...]}."""


@plan.command()
@click.option("--event-type", default="", help="Only this type.")
@click.option("--source", default="", help="Only events of this source; the entries are then its own.")
@DAYS
@data_option
def infer(event_type: str, source: str, days: int, data: Path) -> None:
    """Print a plan that the traffic of the last days keeps, to edit and give to `plan set`."""
    with reach_server(data) as server:
        _print_json(_ask(server, "GET", "plan/inferred", event_type=event_type, source=source, days=days))


@plan.command("set")
@FILE
@click.option("--event-type", default="", help="FILE is the JSON Schema of this type's properties, not a whole plan.")
@click.option("--source", default="", help="With --event-type: the entry is of this source alone.")
@click.option("--mode", type=MODES, default=None, help="Mode of all entries; by default what FILE says, else observe.")
@data_option
def set_plan(file: Any, event_type: str, source: str, mode: str | None, data: Path) -> None:
    """Put the entries of FILE in force, all or none; others stay as they are. `-` reads standard input."""
    content = _read_json(file)
    entries = content.get("entries")
    if event_type:
        entries = [{"event_type": event_type, "source": source, "schema": content}]
    elif not isinstance(entries, list):
        raise click.ClickException('FILE must hold {"entries": [...]}; for one schema alone give --event-type')
    if mode:
        entries = [entry | {"mode": mode} if isinstance(entry, dict) else entry for entry in entries]
    with reach_server(data) as server:
        done = _ask(server, "PUT", "plan", {"entries": entries})
    for entry in done["changed"]:
        click.echo(_word_entry(entry))
    if done["unchanged"]:
        click.echo(f"{done['unchanged']} unchanged")


@plan.command()
@data_option
@json_option
def show(data: Path, as_json: bool) -> None:
    """Print what is in force and what events break of it; with --json as a file for `plan set`."""
    with reach_server(data) as server:
        found = _ask(server, "GET", "plan")
    if as_json:
        _print_json({"entries": found["entries"]})
        return
    for entry in found["entries"]:
        click.echo(_word_entry(entry))
        for broken in found["violations"]:
            if (broken["event_type"], broken["entry_source"]) == (entry["event_type"], entry["source"]):
                click.echo(f"  {broken['events']:>8,}  {broken['path']}: {broken['message']}")
                click.echo(f"            last {broken['last_seen']} by {broken['source']}, event {broken['example']}")
    if not found["entries"]:
        click.echo("nothing is planned; `trackway plan infer` makes a plan of what was sent")


@plan.command()
@TYPE
@SOURCE
@data_option
@json_option
def history(event_type: str, source: str, data: Path, as_json: bool) -> None:
    """Print every version of an entry, newest first, with who made it."""
    with reach_server(data) as server:
        versions = _ask(server, "GET", f"plan/{quote(event_type, safe='')}", source=source)["versions"]
    if as_json:
        _print_json(versions)
        return
    for version in versions:
        click.echo(_word_entry(version))


@plan.command()
@TYPE
@SOURCE
@data_option
def delete(event_type: str, source: str, data: Path) -> None:
    """Check events of a type no more. Its versions are kept."""
    with reach_server(data) as server:
        _ask(server, "PUT", "plan", {"entries": [{"event_type": event_type, "source": source, "mode": "off"}]})


@plan.command()
@FILE
@click.option("--event-type", default="", help="FILE is the JSON Schema of this type's properties, not a whole plan.")
@click.option("--source", default="", help="With --event-type: only events of this source.")
@DAYS
@data_option
@json_option
def check(file: Any, event_type: str, source: str, days: int, data: Path, as_json: bool) -> None:
    """Say how many stored events of the last days would break FILE, and where. Changes nothing."""
    content = _read_json(file)
    entries = (
        [{"event_type": event_type, "source": source, "schema": content}] if event_type else content.get("entries")
    )
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise click.ClickException('FILE must hold {"entries": [...]}; for one schema alone give --event-type')
    asked = ("event_type", "source", "schema")
    with reach_server(data) as server:
        found = [
            _ask(server, "POST", "plan/check", {name: entry[name] for name in asked if name in entry} | {"days": days})
            for entry in entries
        ]
    if as_json:
        _print_json(found)
        return
    for each in found:
        click.echo(f"{each['event_type']}: {each['failed']:,} of {each['checked']:,} events would break it")
        for broken in each["violations"]:
            click.echo(f"  {broken['events']:>8,}  {broken['path']}: {broken['message']}, event {broken['example']}")


@click.command()
@click.option("--event-type", default="", help="Only this type.")
@click.option("--source", default="", help="Only events of this source.")
@click.option("--search", default="", help="Only types with this in their name, however it is cased.")
@click.option("--limit", default=50, show_default=True, help="How many types, the most frequent ones; at most 200.")
@DAYS
@data_option
@json_option
def catalogue(event_type: str, source: str, search: str, limit: int, days: int, data: Path, as_json: bool) -> None:
    """List event types and properties as they were observed, the most frequent type first."""
    asked = {"event_type": event_type, "source": source, "search": search, "limit": limit, "days": days}
    with reach_server(data) as server:
        found = _ask(server, "GET", "catalogue", **asked)
    if as_json:
        _print_json(found)
        return
    for item in found["items"]:
        modes = ", ".join(entry["mode"] for entry in item["plan"]) or "not planned"
        click.echo(f"{item['event_type']}: {item['events']:,} events, last {item['last_seen']}, {modes}")
        for place in item["properties"][:SHOWN_PROPERTIES]:
            types = " or ".join(place["types"])
            example = "hidden" if place["hidden"] else place["example"]
            click.echo(
                f"  {place['share']:>6.1%}  {place['path']}: {types}" + (f", such as {example}" if example else "")
            )
        if len(item["properties"]) > SHOWN_PROPERTIES:
            click.echo(f"  and {len(item['properties']) - SHOWN_PROPERTIES} more; --json has them")
    if found["next"]:
        click.echo(f"and {found['types'] - len(found['items']):,} more types; --search finds one")


def _ask(server: LocalServer, method: str, path: str, body: Any = None, **query: object) -> Any:
    asked = f"/api/v1/{path}?{urlencode({name: value for name, value in query.items() if value != ''})}"
    status, content = server.call(method, asked, msgspec.json.encode(body) if body is not None else None)
    if status != 200:
        error = content["error"]
        raise click.ClickException(f"{error['field']}: {error['message']}" if error["field"] else error["message"])
    return content


def _read_json(file: Any) -> dict[str, Any]:
    try:
        content = msgspec.json.decode(file.read())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise click.ClickException(f"{file.name} must hold a JSON object")
    return content


def _word_entry(entry: dict[str, Any]) -> str:
    of = f" of source {entry['source']}" if entry["source"] else ""
    return f"{entry['event_type']}{of}: {entry['mode']}, version {entry['version']} by {entry['changed_by']} {entry['changed_at']}"


def _print_json(content: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(content)).decode())
