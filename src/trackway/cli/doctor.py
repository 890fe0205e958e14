"""doctor: is this installation well."""

import shutil
from pathlib import Path

import click

from trackway.app.folder import Folder
from trackway.cli.local_server import reach_server
from trackway.cli.options import data_option, read_settings
from trackway.eventlog.embedded import check


@click.command()
@data_option
def doctor(data: Path) -> None:
    """Check an installation: disk, log, books, processes. Ends with status 1 when something is wrong."""
    findings = [*_check_folder(data), *_check_server(data)]
    for well, text in findings:
        click.echo(("ok    " if well else "WRONG ") + text)
    if not all(well for well, _ in findings):
        raise SystemExit(1)


def _check_folder(data: Path) -> list[tuple[bool, str]]:
    folder, settings = Folder(data), read_settings(data)
    free = shutil.disk_usage(data).free
    findings = [
        (
            free > settings.disk_reserve_bytes,
            f"{free // 1_000_000:,} MB free on the disk (reserve {settings.disk_reserve_bytes // 1_000_000:,} MB)",
        )
    ]
    damages = check(folder.log)
    findings += [
        (False, f"log: stream {d.stream} segment {d.segment:x} at byte {d.offset}: {d.reason}") for d in damages
    ]
    if not damages:
        findings.append((True, "log: every record matches its checksum"))
    return findings


def _check_server(data: Path) -> list[tuple[bool, str]]:
    if Folder(data).read_server() is None:
        return [(True, "no server runs on this folder; start one with: trackway serve")]
    with reach_server(data) as server:
        _, health = server.call("GET", "/health")
        books = server.api("books")
    findings = [(health[part] == "ok", f"{part}: {health[part]}") for part in ("collect", "pipeline", "store")]
    behind = books["behind_seconds"]
    findings.append((behind < 60, f"the pipeline is {behind} s behind"))
    for process in health["processes"]:
        findings.append(
            (
                process["alive"],
                f"process {process['name']} (pid {process['pid']}), started again {process['restarts']} times",
            )
        )
    for source in books["sources"]:
        word = "balances" if source["balanced"] else "does NOT balance"
        held = f", {source['held']} held for consent" if source["held"] else ""
        findings.append(
            (
                source["balanced"],
                f"books of {source['source']}: {source['received']} received{held}, {source['in_flight']} in flight, {word}",
            )
        )
    return findings
