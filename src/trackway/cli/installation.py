"""serve, role, migrate: running an installation."""

import logging
import sys
from pathlib import Path

import click

from trackway.app.aliases import Aliases
from trackway.app.folder import Folder, FolderInUse, RunningServer
from trackway.app.supervisor import Supervisor
from trackway.cli.options import data_option, open_state, read_settings
from trackway.control.database import State, make_url, migrate_state
from trackway.control.sources import add_source, list_keys, list_sources
from trackway.control.users import FIRST_USER, ensure_first_user
from trackway.control.workspaces import FIRST_WORKSPACE
from trackway.eventlog.embedded import check
from trackway.eventlog.interface import Position
from trackway.query.progress import read_positions
from trackway.settings import SettingError

FIRST_SOURCE = "First web site"


@click.command()
@data_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--collectors", type=int, help="How many collector processes share the port.")
def serve(data: Path, host: str | None, port: int | None, collectors: int | None) -> None:
    """Run the server: collector, pipeline, store and dashboard, on one port."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s trackway %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    settings = read_settings(data, host=host, port=port, collectors=collectors)
    folder = Folder(data)
    try:
        Aliases(settings)
        with folder.lock() as lock:
            for leftover in ("ready", "pipeline-ready", "children.json"):
                (folder.run / leftover).unlink(missing_ok=True)
            folder.read_secret()
            password, positions = _prepare(data)
            for damage in check(folder.log, positions):
                click.echo(
                    f"log: stream {damage.stream} segment {damage.segment:x} at byte {damage.offset}: {damage.reason}",
                    err=True,
                )
            Supervisor(folder, settings, lock).run(lambda running: _greet(data, running, password))
    except (FolderInUse, SettingError) as error:
        raise click.ClickException(str(error)) from None


def _prepare(data: Path) -> tuple[str | None, dict[str, Position]]:
    """First workspace, first source, first login: its password when it was made now, and how far the log is read."""
    state = open_state(data)
    if not list_sources(state):
        add_source(state, FIRST_SOURCE, "native", "web", {})
    password, positions = ensure_first_user(state), read_positions(state)
    state.close()
    return password, positions


def _greet(data: Path, running: RunningServer, password: str | None) -> None:
    state = open_state(data)
    key = next((k.shown for k in list_keys(state, FIRST_WORKSPACE) if not k.trusted and k.field == "write_key"), "")
    state.close()
    click.echo(f"\nTrackway runs. Live events:  {running.url}/app/tracking")
    if password:
        click.echo(
            f"Log in as {FIRST_USER} with the password  {password}  (shown once; change it with: trackway password)"
        )
    if key:
        click.echo("Send an event:")
        click.echo(
            f"  curl {running.url}/v1/events -H 'Authorization: Bearer {key}' "
            '-d \'{"event_type": "page_view", "anonymous_id": "me", "url": "https://example.com/"}\'\n'
        )
    sys.stdout.flush()


@click.command(hidden=True)
@click.argument("name", type=click.Choice(["engine", "pipeline", "server"]))
@data_option
@click.option("--listener", type=int, default=-1)
@click.option("--bell", type=int, default=-1)
@click.option("--stream", default="0")
def role(name: str, data: Path, listener: int, bell: int, stream: str) -> None:
    """Run one process of the server; the supervisor starts these."""
    settings = read_settings(data)
    # Each role loads only what it runs: the engine's library alone is hundreds of megabytes.
    if name == "engine":
        from trackway.app.engine_process import run_engine_process

        run_engine_process(data, settings)
    elif name == "pipeline":
        from trackway.app.pipeline_process import run_pipeline

        run_pipeline(data, settings, bell)
    else:
        from trackway.app.server_process import run_server

        run_server(data, settings, listener, stream, bell)


@click.command()
@data_option
def migrate(data: Path) -> None:
    """Bring the relational state up to date; the event store follows when the server starts."""
    Folder(data)
    state = State(make_url(data, read_settings(data).state_url))
    applied = migrate_state(state)
    state.close()
    click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do")
