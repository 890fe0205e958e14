"""import contacts, import accounts: mirroring a CRM out of a file, as often as one likes."""

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import click
import msgspec

from trackway.cli.batches import find_or_make_source, open_text, read_books, send_events, wait_until_settled
from trackway.cli.contact_rows import RowReader, Worded, read_mapping
from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option, open_state, read_settings
from trackway.cli.row_files import BadRow, FileError, read_rows
from trackway.clock import now_ms
from trackway.control.sources import issue_key, revoke_key
from trackway.profiles.people import read_guards

F = TypeVar("F", bound=Callable[..., Any])

BATCH_ROWS = 500
BATCH_BYTES = 500_000
SHOWN_ROWS = 20


class Problem(msgspec.Struct, frozen=True):
    row: int
    field: str
    why: str


class Tally(msgspec.Struct):
    """What became of the rows of one import. `refused` and `remarks` hold the first; the counts are of all."""

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    dropped: Counter[str] = msgspec.field(default_factory=Counter)
    rows_refused: int = 0
    rows_remarked: int = 0
    refused: list[Problem] = msgspec.field(default_factory=list)
    remarks: list[Problem] = msgspec.field(default_factory=list)
    dry_run: bool = False


class Report:
    """Counts rows, and writes every problem to a file where one is asked for."""

    def __init__(self, tally: Tally, errors: IO[str] | None) -> None:
        self.tally = tally
        self._errors = csv.writer(errors) if errors else None
        if self._errors:
            self._errors.writerow(("row", "field", "problem", "why"))

    def refuse(self, row: int, field: str, why: str) -> None:
        self.tally.rows_refused += 1
        self._note(self.tally.refused, "refused", Problem(row, field, why))

    def remark(self, worded: Worded) -> None:
        self.tally.rows_remarked += bool(worded.remarks)
        for field, why in worded.remarks:
            self._note(self.tally.remarks, "remark", Problem(worded.number, field, why))

    def _note(self, shown: list[Problem], kind: str, problem: Problem) -> None:
        if len(shown) < SHOWN_ROWS:
            shown.append(problem)
        if self._errors:
            self._errors.writerow((problem.row, problem.field, kind, problem.why))


class Sender:
    """Batches on their way to the server; None of a server makes it a dry run."""

    def __init__(self, server: LocalServer | None, key: str, report: Report) -> None:
        self._server, self._key, self._report = server, key, report
        self._rows: list[tuple[int, bytes]] = []
        self._bytes = 0

    def add(self, worded: Worded, longest: int) -> None:
        encoded = msgspec.json.encode(worded.event)
        if len(encoded) > longest:
            why = f"makes an event of {len(encoded):,} bytes; the limit event_bytes is {longest:,}"
            self._report.refuse(worded.number, "", why)
            return
        if self._bytes + len(encoded) > BATCH_BYTES:
            self.flush()
        self._report.remark(worded)
        self._rows.append((worded.number, encoded))
        self._bytes += len(encoded)
        if len(self._rows) == BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        rows, self._rows, self._bytes = self._rows, [], 0
        if not rows or self._server is None:
            return
        answer = send_events(b"[" + b",".join(encoded for _, encoded in rows) + b"]", self._server, self._key)
        for (number, _), result in zip(rows, answer["results"], strict=True):
            if result["status"] == "rejected":
                field = result["field"].rpartition("].")[2]
                self._report.refuse(number, field, result["message"].removeprefix(f"{field} "))


def row_options(function: F) -> F:
    """The options that both commands share."""
    options = (
        click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
        click.option(
            "--source", "name", default="crm", show_default=True, help="Name of the source; made when missing."
        ),
        click.option(
            "--map",
            "maps",
            multiple=True,
            metavar="COLUMN=FIELD",
            help="What a column is: a field, traits.NAME, or - to leave it out. May be repeated.",
        ),
        click.option("--encoding", default="utf-8", show_default=True, help="Of the file; Excel often writes cp1252."),
        click.option("--dry-run", is_flag=True, help="Check every row and send none."),
        click.option("--again", is_flag=True, help="Send rows that were sent before once more."),
        click.option(
            "--errors",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write every problem to this CSV, not only the first 20.",
        ),
        data_option,
        json_option,
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.command("contacts")
@row_options
@click.option("--country", default="", metavar="CODE", help="Country of national telephone numbers: DE, US, …")
def contacts(country: str, **options: Any) -> None:
    """Import contacts of a CRM: CSV with a header, or JSON lines; .gz too.

    Columns contact_id (or id), email, phone, account_id, user_id, anonymous_id and updated_at (or
    occurred_at) are known; every other one becomes a trait. An empty cell leaves alone what is known. The
    same file again changes nothing. Ends with 1 when a row was refused.
    """
    import_rows("contact_id", country=country.upper(), **options)


@click.command("accounts")
@row_options
def accounts(**options: Any) -> None:
    """Import accounts of a CRM: CSV with a header, or JSON lines; .gz too.

    Columns account_id (or id), name, domain and updated_at (or occurred_at) are known; every other one
    becomes a trait. An empty cell leaves alone what is known. The same file again changes nothing. Ends
    with 1 when a row was refused.
    """
    import_rows("account_id", country="", **options)


def import_rows(
    kind: str,
    file: Path,
    name: str,
    maps: Sequence[str],
    encoding: str,
    dry_run: bool,
    again: bool,
    errors: Path | None,
    data: Path,
    as_json: bool,
    country: str,
) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise click.ClickException(f"there is no encoding {encoding!r}; try utf-8, cp1252 or utf-16") from None
    settings = read_settings(data)
    tally = Tally(dry_run=dry_run)
    try:
        mapping = read_mapping(kind, maps)
        reader = RowReader(kind, now_ms(), mapping, read_guards(settings).blocked, country, again)
        with ExitStack() as stack:
            written = stack.enter_context(errors.open("w", encoding="utf-8", newline="")) if errors else None
            report = Report(tally, written)
            if dry_run:
                _read_file(file, encoding, reader, Sender(None, "", report), report, settings.event_bytes, as_json)
            else:
                with _watch_source(data, name, tally) as (server, key):
                    sender = Sender(server, key, report)
                    _read_file(file, encoding, reader, sender, report, settings.event_bytes, as_json)
    except FileError as error:
        raise click.ClickException(str(error)) from None
    _print_tally(tally, as_json)
    if tally.rows_refused:
        click.get_current_context().exit(1)


@contextmanager
def _watch_source(data: Path, name: str, tally: Tally) -> Iterator[tuple[LocalServer, str]]:
    """The server and a key of the source; at the end, what became of what was sent."""
    state = open_state(data)
    source_id = find_or_make_source(state, name)
    key = issue_key(state, source_id)
    try:
        with reach_server(data) as server:
            before = read_books(server, source_id)
            yield server, key
            after = wait_until_settled(server, source_id)
            tally.stored = after.get("stored", 0) - before.get("stored", 0)
            tally.unchanged = after.get("duplicate", 0) - before.get("duplicate", 0)
            tally.dropped = _count_lost(after) - _count_lost(before)
    finally:
        revoke_key(state, key)
        state.close()


def _count_lost(books: Mapping[str, Any]) -> Counter[str]:
    """What was taken and is not stored, by reason."""
    return Counter({**books.get("dropped", {}), "dead_lettered": books.get("dead_lettered", 0)})


def _read_file(
    file: Path, encoding: str, reader: RowReader, sender: Sender, report: Report, longest: int, quiet: bool
) -> None:
    with (
        file.open("rb") as raw,
        click.progressbar(length=file.stat().st_size, label=f"importing {file.name}", hidden=quiet) as bar,
    ):
        try:
            lines = open_text(raw, encoding, errors="surrogateescape", newline="")
            for row in read_rows(lines):
                report.tally.read += 1
                worded = row if isinstance(row, BadRow) else reader.word(row)
                if isinstance(worded, BadRow):
                    report.refuse(worded.number, worded.field, worded.why)
                else:
                    sender.add(worded, longest)
                if report.tally.read % BATCH_ROWS == 0:
                    bar.update(raw.tell() - bar.pos)
        except UnicodeError as error:
            raise FileError(f"the file is not in the encoding {encoding}: {error}; try --encoding utf-8") from None
        sender.flush()
        bar.update(file.stat().st_size - bar.pos)


def _print_tally(tally: Tally, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(tally).decode())
        return
    if tally.dry_run:
        click.echo(f"read {tally.read:,} rows: {tally.read - tally.rows_refused:,} can be taken, none was sent")
    else:
        dropped = f", dropped {tally.dropped.total():,} ({', '.join(tally.dropped)})" if tally.dropped else ""
        click.echo(f"read {tally.read:,} rows: changed {tally.stored:,}, unchanged {tally.unchanged:,}{dropped}")
    for rows, problems, word in (
        (tally.rows_refused, tally.refused, "refused"),
        (tally.rows_remarked, tally.remarks, "taken with a remark"),
    ):
        if rows:
            click.echo(f"  {word}: {rows:,}")
        for problem in sorted(problems, key=lambda problem: problem.row):
            click.echo(f"    row {problem.row}: {f'{problem.field} ' if problem.field else ''}{problem.why}")
        if rows > len(problems):
            click.echo("    … --errors FILE writes them all")
