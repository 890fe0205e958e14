"""Rows of a file that another system wrote: CSV with a header, or JSON objects, one a line. Pure.

A CSV's delimiter (comma, semicolon, tab, bar) is read off its header, a byte order mark is skipped,
quotes may hold delimiters and line breaks. Its cells stay texts: `007` is no seven.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

DELIMITERS = ",;\t|"
# A quote that is never closed would swallow the rest of the file.
LONGEST_CELL = 131_072
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"


class Row(Struct, frozen=True):
    """`number` as a spreadsheet counts: the header is row 1. Of JSON it is the line.

    `names` are all columns of a CSV, of which `content` has those that are not empty; of JSON, its own.
    """

    number: int
    names: tuple[str, ...]
    content: dict[str, Any]
    is_cells: bool = False


class BadRow(Struct, frozen=True):
    """A row that cannot be taken; `field` names the column, or is empty."""

    number: int
    field: str
    why: str


class FileError(ValueError):
    """The file as a whole cannot be read; the text says why and what to do."""


def read_rows(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Rows in the order of the file. FileError when it has no header, or a header of doubtful meaning."""
    rest = iter(lines)
    first = next((line for line in rest if line.strip(BYTE_ORDER_MARK + " \t\r\n")), None)
    if first is None:
        raise FileError("the file is empty")
    first = first.removeprefix(BYTE_ORDER_MARK)
    if "\x00" in first:
        raise FileError("the file is no text, or one in UTF-16; save it as CSV in UTF-8")
    everything = itertools.chain([first], rest)
    return _read_objects(everything) if first.lstrip().startswith("{") else _read_cells(everything, first)


def _read_objects(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            yield BadRow(number, "", f"is not JSON: {error}")
            continue
        if isinstance(content, dict):
            yield Row(number, tuple(content), content)
        else:
            yield BadRow(number, "", "must be a JSON object")


def _read_cells(lines: Iterable[str], first: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(lines, delimiter=find_delimiter(first))
    names = _read_header(next(reader))
    number = 1
    try:
        for number, cells in enumerate(reader, 2):
            if any(cells):
                yield _make_row(number, names, cells)
    except csv.Error as error:
        yield BadRow(
            number + 1,
            "",
            f"{error}; the rest of the file was not read. Is a quotation mark never closed?",
        )


def find_delimiter(header: str) -> str:
    """The one that occurs most outside of quotes; a comma where there is none."""
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def _read_header(cells: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise FileError(f"the header has two columns {twice!r}; name each differently")
    if not any(names):
        raise FileError("the first row is no header: every column needs a name")
    return names


def _make_row(number: int, names: Sequence[str], cells: Sequence[str]) -> Row | BadRow:
    if len(cells) != len(names):
        return BadRow(
            number, "", f"has {len(cells)} cells, the header {len(names)}; a text with the delimiter in it needs quotes"
        )
    if any("\udc80" <= letter <= "\udcff" for cell in cells if not cell.isascii() for letter in cell):
        return BadRow(number, "", "is not in the encoding of the file; try --encoding cp1252")
    nameless = next((cell for name, cell in zip(names, cells, strict=True) if not name and cell.strip()), None)
    if nameless is not None:
        return BadRow(number, "", f"has the text {nameless[:40]!r} in a column without a name")
    named = {name: text for name, cell in zip(names, cells, strict=True) if name and (text := cell.strip())}
    return Row(number, tuple(filter(None, names)), named, is_cells=True)
