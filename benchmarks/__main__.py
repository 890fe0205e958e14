"""`python -m benchmarks`: measures, prints tables in Markdown, and says on what machine.

Medians over several runs, with the lowest and the highest. Nothing here is a test: figures of a
busy machine are worse than its best, and nobody fails for it.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from benchmarks.effort import QUICK, THOROUGH, Effort
from benchmarks.machine import describe_machine
from benchmarks.measurements.access_log import measure_import
from benchmarks.measurements.browser import measure_browser
from benchmarks.measurements.dialects import measure_dialects
from benchmarks.measurements.drain import measure_drain
from benchmarks.measurements.fresh_clone import measure_fresh_clone
from benchmarks.measurements.memory import measure_memory
from benchmarks.measurements.people import measure_people
from benchmarks.measurements.posts import measure_batches, measure_singles
from benchmarks.measurements.python_client import measure_python_client
from benchmarks.measurements.visibility import measure_visibility
from benchmarks.tables import Table, format_table

MEASUREMENTS: dict[str, Callable[[Effort, Path], list[Table]]] = {
    "singles": measure_singles,
    "batches": measure_batches,
    "dialects": measure_dialects,
    "visible": measure_visibility,
    "pipeline": measure_drain,
    "import": measure_import,
    "people": measure_people,
    "python-client": measure_python_client,
    "browser": measure_browser,
    "memory": measure_memory,
    "fresh": measure_fresh_clone,
}
# Sets up a whole installation anew, maybe over the network: only when asked for.
ON_REQUEST = frozenset({"fresh"})


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MEASUREMENTS)), help="Measure this; may be repeated.")
@click.option("--quick", is_flag=True, help="Fewer and shorter runs, about two minutes instead of ten.")
@click.option("--fresh", is_flag=True, help="Also clone, set up and start: make run to the first stored event.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write every run's figures to this file too."
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(os.environ.get("TRACKWAY_BENCH_DIR", tempfile.gettempdir())),
    show_default=True,
    help="Where the temporary data folders are made; it should be on the disk of interest.",
)
def main(only: tuple[str, ...], quick: bool, fresh: bool, json_file: Path | None, folder: Path) -> None:
    """Measure Trackway against a real server on this machine."""
    effort = QUICK if quick else THOROUGH
    names = only or [name for name in MEASUREMENTS if name not in ON_REQUEST or fresh]
    machine = describe_machine(folder)
    for name, value in machine.items():
        click.echo(f"- {name}: {value}")
    click.echo(
        f"\nMedian (lowest-highest) of {effort.runs} runs where a row has several, loads of {effort.seconds:g} s."
    )
    tables: list[Table] = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="trackway-bench-", dir=folder) as temporary:
            measured = MEASUREMENTS[name](effort, Path(temporary))
        tables += measured
        for table in measured:
            click.echo(f"\n{format_table(table)}")
    if json_file:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode({"machine": machine, "tables": tables})))


if __name__ == "__main__":
    main()
