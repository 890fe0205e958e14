"""calc-group: what a sender of hashed identifiers must send."""

import sys

import click

from trackway.client import calc_group as hash_value


@click.command("calc-group")
@click.argument("values", nargs=-1, metavar="[VALUE]...")
def calc_group(values: tuple[str, ...]) -> None:
    """Print Tracify's hash of each VALUE; without one, of each line of the standard input.

    Values are hashed as they are: no trimming, no lower case. Of a line only its line break goes. What stands
    in a command can be read in the shell's history and in the list of processes: pipe mail addresses in.
    """
    if values:
        for value in values:
            click.echo(hash_value(value))
        return
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise click.ClickException(f"line {number} of the standard input is not UTF-8: {error}") from None
        click.echo(hash_value(text.removesuffix("\n").removesuffix("\r")))
