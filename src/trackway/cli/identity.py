"""people: why somebody is who they are, and what to do when it is wrong."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option, open_state, read_settings
from trackway.profiles.check import check_ledger
from trackway.profiles.identifiers import KINDS
from trackway.profiles.people import read_guards

PERSON = click.argument("person")
SHOWN_OF_A_VALUE = 44


@click.group()
def people() -> None:
    """Look at profiles, merge them, undo links.

    PERSON is a profile's id (also one that was merged away), or KIND:VALUE such as email:jane@example.com.
    """


@people.command()
@PERSON
@data_option
@json_option
def explain(person: str, data: Path, as_json: bool) -> None:
    """Say which identifiers are one person, and by which event each came in."""
    with reach_server(data) as server:
        profile = _find(server, person)
        links = server.api(f"profiles/{profile['profile_id']}/identities")
    if as_json:
        _print_json({**profile, "links": links["links"]})
        return
    click.echo(f"{profile['name']}: profile {profile['profile_id']}")
    figures = profile["figures"]
    click.echo(
        f"  {figures['events']} events, {figures['sessions']} sessions, last seen {figures['last_seen'] or 'never'}"
    )
    for identity in profile["identities"]:
        click.echo(f"  {identity['kind']:13} {_cut(identity['value'])}")
    for trait in profile["traits"]:
        value = msgspec.json.encode(trait["value"]).decode()
        click.echo(f"  trait {trait['name']} = {_cut(value)}  ({trait['occurred_at']}, event {trait['event_id']})")
    for link in links["links"]:
        click.echo(_word_link(link))


def _word_link(link: dict[str, Any]) -> str:
    ends = " - ".join(f"{end['kind']}:{_cut(end['value'])}" for end in (link["a"], link["b"]))
    evidence = f"event {link['event_id']} of {link['source']}" if link["event_id"] else "by hand"
    state = link["state"] if not link["why"] else f"{link['state']}: {link['why']}"
    decided = "".join(f"; {d['action']} by {d['by']} {d['at']}" for d in link["decisions"])
    return f"  link {link['edge']} {ends}\n    {state}; {link['says']}, {evidence}, {link['occurred_at']}{decided}"


@people.command("preview-merge")
@click.argument("a")
@click.argument("b")
@data_option
@json_option
def preview_merge(a: str, b: str, data: Path, as_json: bool) -> None:
    """Show what merging two people would change, and change nothing."""
    with reach_server(data) as server:
        ends = {name: _find(server, person)["profile_id"] for name, person in (("a", a), ("b", b))}
        _print_change(_ask(server, "GET", f"profiles/preview-merge?a={ends['a']}&b={ends['b']}"), as_json)


@people.command()
@click.argument("a")
@click.argument("b")
@data_option
@json_option
def merge(a: str, b: str, data: Path, as_json: bool) -> None:
    """Merge two people into one profile; `unmerge` of the printed link takes it back."""
    with reach_server(data) as server:
        ends = {name: _find(server, person)["profile_id"] for name, person in (("a", a), ("b", b))}
        _print_change(_ask(server, "POST", "profiles/merge", ends), as_json)


@people.command()
@click.argument("edge")
@data_option
@json_option
def unmerge(edge: str, data: Path, as_json: bool) -> None:
    """Undo a link: its profile splits as if the link had never been, and events follow."""
    _decide(edge, "undo", data, as_json)


@people.command()
@click.argument("edge")
@data_option
@json_option
def approve(edge: str, data: Path, as_json: bool) -> None:
    """Let a quarantined link join the two ends it links."""
    _decide(edge, "approve", data, as_json)


@people.command()
@click.argument("edge")
@data_option
@json_option
def restore(edge: str, data: Path, as_json: bool) -> None:
    """Take an unmerge or an approval back: the rules decide again."""
    _decide(edge, "restore", data, as_json)


@people.command()
@data_option
def check(data: Path) -> None:
    """Work out every profile anew from the ledger's links and compare. Ends with status 1 when they differ."""
    state = open_state(data)
    try:
        report = check_ledger(state, read_guards(read_settings(data)))
    finally:
        state.close()
    click.echo(f"{report.identities} identifiers, {report.links} links, {report.profiles} profiles")
    for wrong in report.differences[:20]:
        click.echo(f"WRONG {wrong}")
    if report.differences:
        raise SystemExit(1)


def _decide(edge: str, action: str, data: Path, as_json: bool) -> None:
    with reach_server(data) as server:
        _print_change(_ask(server, "POST", f"edges/{quote(edge, safe='')}/{action}"), as_json)


def _find(server: LocalServer, person: str) -> dict[str, Any]:
    kind, colon, value = person.partition(":")
    if colon and kind in KINDS:
        found = server.api("profiles/lookup", kind=kind, value=value)
    else:
        found = server.api(f"profiles/{quote(person, safe='')}")
    if found is None:
        raise click.ClickException(
            f"nobody is known as {person}; write a profile's id or KIND:VALUE ({', '.join(KINDS)})"
        )
    answer: dict[str, Any] = found
    return answer


def _ask(server: LocalServer, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    status, content = server.call(method, f"/api/v1/{path}", msgspec.json.encode(body) if body is not None else None)
    if status != 200:
        raise click.ClickException(content["error"]["message"])
    answer: dict[str, Any] = content
    return answer


def _print_change(change: dict[str, Any], as_json: bool) -> None:
    if as_json:
        _print_json(change)
        return
    if change.get("applied") is False:
        click.echo(change["says"])
        return
    click.echo(f"link {change['edge']}" + (" (a preview, nothing was changed)" if "decision" not in change else ""))
    for profile in change["profiles"]:
        names = ", ".join(f"{i['kind']}:{_cut(i['value'])}" for i in profile["identities"])
        click.echo(f"  profile {profile['profile_id']}: {names}")
    for moved in change["moved"]:
        click.echo(f"  {moved['kind']}:{_cut(moved['value'])} moves from {moved['from']} to {moved['to']}")
    if not change["moved"]:
        click.echo("  no identifier changes its profile: other links hold it")


def _cut(value: str) -> str:
    return value if len(value) <= SHOWN_OF_A_VALUE else value[: SHOWN_OF_A_VALUE - 1] + "…"


def _print_json(content: Any) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(content)).decode())
