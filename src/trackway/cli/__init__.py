"""The command line: `trackway COMMAND`. Every command has a page in docs/reference/cli.md."""

import click

from trackway.cli import events, imports, installation, people, sources


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trackway")
def main() -> None:
    """First-party event tracking that one team can run."""


for command in (
    installation.serve,
    installation.role,
    installation.migrate,
    installation.doctor,
    sources.sources,
    people.tokens,
    people.password,
    sources.workspaces,
    events.explain,
    events.query,
    imports.import_group,
):
    main.add_command(command)
