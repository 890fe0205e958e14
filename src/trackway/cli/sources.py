"""sources, workspaces: who may send, and what is done with what they send."""

from pathlib import Path

import click
import msgspec

from trackway.app.folder import Folder
from trackway.cli.options import data_option, json_option, open_state
from trackway.collect.protocols import show_example
from trackway.control.source_changes import change_source, remove_source
from trackway.control.sources import (
    CREDENTIAL_FORMS,
    OWN_SOURCES,
    SourceError,
    add_source,
    list_keys,
    list_sources,
    set_enabled,
)
from trackway.control.workspaces import FIRST_WORKSPACE, IP_MODES, list_workspaces, set_ip_mode
from trackway.dashboard.first_steps import make_curl
from trackway.event import CHANNELS

LONGEST_SHOWN = 60


@click.group()
def sources() -> None:
    """Senders of events and their keys."""


def _split_settings(pairs: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.ClickException(f"a setting is said as KEY=VALUE, not {pair!r}")
        settings[key] = value
    return settings


@sources.command("add")
@click.argument("name")
@click.option("--protocol", type=click.Choice(list(CREDENTIAL_FORMS)), required=True)
@click.option("--channel", type=click.Choice(CHANNELS), required=True)
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of the source; source_id=… fixes its id."
)
@click.option("--workspace", default=FIRST_WORKSPACE, show_default=True)
@data_option
@json_option
def add(
    name: str, protocol: str, channel: str, pairs: tuple[str, ...], workspace: str, data: Path, as_json: bool
) -> None:
    """Register a sender and print its credentials. Works while the server runs."""
    state = open_state(data)
    try:
        added = add_source(state, name, protocol, channel, _split_settings(pairs), workspace)
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    source = added.source
    if as_json:
        content = {name: getattr(source, name) for name in ("id", "name", "protocol", "channel", "workspace")}
        click.echo(msgspec.json.encode({**content, "credentials": added.credentials}).decode())
        return
    click.echo(f"source {source.id} ({source.protocol}, {source.channel}) added")
    for field, value in added.credentials.items():
        click.echo(f"  {field}: {value}")
    if added.secret:
        click.echo("The key is shown once; only its digest is kept.")
    running = Folder(data).read_server()
    key = next(iter(added.credentials.values()))
    curl = make_curl(running.url if running else "http://HOST:8000", show_example(source, key))
    click.echo(f"A first event:\n  {curl}")


@sources.command("list")
@data_option
@json_option
def list_command(data: Path, as_json: bool) -> None:
    """List the senders, with public keys whole and secret keys by their first characters."""
    state = open_state(data)
    found = list_sources(state)
    keys = {key.source: key for w in list_workspaces(state) for key in list_keys(state, w.id)}
    state.close()
    if as_json:
        content = [
            {**msgspec.to_builtins(s), "key": {keys[s.id].field: keys[s.id].shown} if s.id in keys else {}}
            for s in found
        ]
        click.echo(msgspec.json.encode(content).decode())
        return
    for source in found:
        key = keys.get(source.id)
        state_word = "" if source.enabled else "  (off)" if key or source.id in OWN_SOURCES else "  (removed)"
        click.echo(
            f"{source.id:24} {source.protocol:8} {source.channel:7} {key.shown if key else '-':50} {source.name}{state_word}"
        )


@sources.command("switch")
@click.argument("source_id")
@click.argument("state_word", type=click.Choice(["on", "off"]), metavar="on|off")
@data_option
def switch(source_id: str, state_word: str, data: Path) -> None:
    """Switch a sender on or off; while it is off its events are answered 403."""
    state = open_state(data)
    try:
        set_enabled(state, source_id, state_word == "on")
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    click.echo(f"source {source_id} is {state_word}")


@sources.command("set")
@click.argument("source_id")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE…")
@data_option
def set_settings(source_id: str, pairs: tuple[str, ...], data: Path) -> None:
    """Change settings of a sender; running servers follow within a second.

    KEY=@FILE takes the value from a file, KEY= takes the setting away.
    """
    changes = {key: _read_value(key, value) for key, value in _split_settings(pairs).items()}
    state = open_state(data)
    try:
        source = change_source(state, source_id, changes)
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    for key in changes:
        value = source.settings.get(key, "")
        shown = value if len(value) <= LONGEST_SHOWN else f"{len(value):,} characters"
        click.echo(f"source {source.id}: {key} {shown or 'is not set any more'}")


@sources.command("remove")
@click.argument("source_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
def remove(source_id: str, yes: bool, data: Path) -> None:
    """End a sender's keys for good. What it sent stays, and so does its id."""
    if not yes:
        click.confirm(f"End the keys of {source_id}? Nothing can send with them any more", abort=True)
    state = open_state(data)
    try:
        remove_source(state, source_id)
    except SourceError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    click.echo(f"source {source_id} is removed")


def _read_value(key: str, value: str) -> str:
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{key}: {value[1:]} cannot be read: {error}") from None


@click.group()
def workspaces() -> None:
    """Workspaces and their rules."""


@workspaces.command("set")
@click.argument("workspace")
@click.option("--ip-mode", type=click.Choice(IP_MODES), required=True, help="What is kept of a sender's address.")
@data_option
def set_command(workspace: str, ip_mode: str, data: Path) -> None:
    """Change a workspace; running servers follow within a second."""
    state = open_state(data)
    try:
        set_ip_mode(state, workspace, ip_mode)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    click.echo(f"workspace {workspace}: ip_mode {ip_mode}")
