"""tokens, password: who may read."""

import secrets
from pathlib import Path

import click
import msgspec

from trackway.cli.options import data_option, json_option, open_state
from trackway.control.users import FIRST_USER, ensure_first_user, make_token, set_password


@click.group()
def tokens() -> None:
    """Tokens for the JSON API."""


@tokens.command("create")
@click.argument("name")
@data_option
@json_option
def create(name: str, data: Path, as_json: bool) -> None:
    """Make a token for /api/v1 and print it, once."""
    state = open_state(data)
    made = make_token(state, name)
    state.close()
    click.echo(msgspec.json.encode(made).decode() if as_json else made.token)


@click.command()
@click.option("--user", default=FIRST_USER, show_default=True)
@click.option("--generate", is_flag=True, help="Make one up and print it instead of asking.")
@data_option
def password(user: str, generate: bool, data: Path) -> None:
    """Set a dashboard password; every session of the user ends."""
    state = open_state(data)
    ensure_first_user(state)
    new = (
        secrets.token_urlsafe(12)
        if generate
        else click.prompt("New password", hide_input=True, confirmation_prompt=True)
    )
    try:
        set_password(state, user, new)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    finally:
        state.close()
    click.echo(f"password of {user} set" + (f": {new}" if generate else ""))
