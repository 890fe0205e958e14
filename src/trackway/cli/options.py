"""Options that several commands share, and the way an error of ours reaches the terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from trackway.app.folder import Folder
from trackway.control.database import State, make_url, migrate_state
from trackway.control.workspaces import ensure_first_workspace, ensure_test_workspace
from trackway.settings import SettingError, Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])


def data_option(function: F) -> F:
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("data"),
        show_default=True,
        envvar="TRACKWAY_DATA",
        help="Data folder of the installation.",
    )(function)


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def read_settings(data: Path, **flags: Any) -> Settings:
    try:
        return load_settings(data, **flags)
    except SettingError as error:
        raise click.ClickException(str(error)) from None


def open_state(data: Path) -> State:
    """The relational state of a data folder, up to date, with its first workspace."""
    Folder(data)
    state = State(make_url(data, read_settings(data).state_url))
    migrate_state(state)
    ensure_first_workspace(state)
    ensure_test_workspace(state)
    return state
