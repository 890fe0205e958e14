"""The command line: `trackway COMMAND`. Every command has a page in docs/reference/cli.md.

A command's module is loaded when the command is called: the libraries of the store and of the
database take longer to load than most commands run.
"""

from importlib import import_module

import click

# Command -> the module of this package that has it, and its name there.
COMMANDS = {
    "serve": ("installation", "serve"),
    "role": ("installation", "role"),
    "migrate": ("installation", "migrate"),
    "doctor": ("doctor", "doctor"),
    "sources": ("sources", "sources"),
    "workspaces": ("sources", "workspaces"),
    "tokens": ("people", "tokens"),
    "password": ("people", "password"),
    "privacy": ("privacy", "privacy"),
    "explain": ("events", "explain"),
    "calc-group": ("hashes", "calc_group"),
    "query": ("events", "query"),
    "people": ("identity", "people"),
    "replay": ("replay", "replay"),
    "plan": ("plan", "plan"),
    "catalogue": ("plan", "catalogue"),
    "import": ("imports", "import_group"),
}


class LazyGroup(click.Group):
    """Knows its commands by name and loads one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"trackway.cli.{module}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trackway")
def main() -> None:
    """First-party event tracking that one team can run."""
