"""What the engine's HTTP front must know of a SQL text before it runs it.

Station 4 of the road, inside the engine child. Two questions: where does the data of an
`INSERT ... FORMAT X` begin, and may the statement run at all. The second is asked of the engine's
own parser (`classify_query`, `EXPLAIN AST`), so that no second grammar can be fooled where the
first is not; it closes what grants leave open: the scalar function `file()`, `eval()`, `python()`,
INTO OUTFILE, FROM INFILE, SYSTEM, several statements in one text.

It is the wall around our own clients' mistakes, not a gate for untrusted SQL.
"""

import re
from typing import Any, NamedTuple

ACCESS_DENIED = 497
SYNTAX_ERROR = 62

_TOKEN = re.compile(
    rb"""(?P<blank>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
      |  (?P<word>[A-Za-z_]\w*)
      |  '(?:[^'\\]|\\.)*' | (?P<quoted>`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")
      |  (?P<open>[(\[{]) | (?P<close>[)\]}])
      |  .""",
    re.VERBOSE | re.DOTALL,
)

# Functions that read files, run code, run a text as SQL or call a web service, and that no grant covers.
DENIED_FUNCTIONS = frozenset(
    {"file", "filesystem", "python", "arrowstream", "eval", "executable"}
    | {
        f"ai{what}"
        for what in ("classify", "embed", "extract", "filter", "generate", "redact", "similarity", "translate")
    }
)

# Only a text with one of these words, or with an escape that could spell one, is parsed a second time.
_SUSPICIOUS = re.compile(rf"(?i)\b(?:{'|'.join(sorted(DENIED_FUNCTIONS))}|infile)\b|\\")
_OUTFILE = re.compile(r"(?i)\boutfile\b")
_FUNCTION = re.compile(r" *Function (\S+)")
_FIRST_WORD = re.compile(r"(?s)(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*([A-Za-z]+)")
_LAST_FORMAT = re.compile(r"(?is)\bFORMAT\s+(\w+)\s*;?\s*$")

# What the parser files under control with SYSTEM and FREEZE, and yet reaches nothing outside: grants
# cover INSERT INTO FUNCTION, and SET and USE end with their request.
HARMLESS_CONTROL = frozenset({"INSERT", "KILL", "SET", "USE"})
DATA_DEFINITION = frozenset({"CREATE", "ALTER", "DROP", "RENAME", "ATTACH", "DETACH", "TRUNCATE", "EXCHANGE", "UNDROP"})


class EngineError(Exception):
    """The engine's answer to a statement it did not carry out; `code` is ClickHouse's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def deny(what: str) -> EngineError:
    return EngineError(ACCESS_DENIED, f"Not enough privileges: {what} is not offered by this engine. (ACCESS_DENIED)")


class DataInsert(NamedTuple):
    """An INSERT whose rows follow in a format: what stands before its SETTINGS, these, format, rows."""

    target: str
    settings: str
    format: str
    rows: memoryview


class Verdict(NamedTuple):
    """What a permitted statement does: only reads, or changes tables' definitions (or neither)."""

    reads: bool
    defines: bool
    streams: bool


def split_insert(text: bytes) -> DataInsert | None:
    """The parts of an `INSERT INTO t [(columns)] [SETTINGS ...] FORMAT X <rows>`, else None."""
    depth, words = 0, 0
    settings_at = format_at = 0
    expects_name = False
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "blank":
            continue
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "word" and depth == 0:
            word = token[0].upper()
            if words == 0 and word != b"INSERT":
                return None
            if expects_name:
                return _cut_insert(text, settings_at or format_at, format_at, token)
            if words and word in (b"SELECT", b"WITH", b"VALUES", b"INFILE"):
                return None
            # The third word is the table's name, and a table may be called format.
            expects_name = words >= 3 and word == b"FORMAT"
            if expects_name:
                format_at = token.start()
            elif words >= 3 and word == b"SETTINGS":
                settings_at = token.start()
            words += 1
        elif kind == "quoted":
            words += 1
        elif words == 0:
            return None
    return None


def _cut_insert(text: bytes, settings_at: int, format_at: int, name: re.Match[bytes]) -> DataInsert:
    return DataInsert(
        target=text[:settings_at].decode(),
        settings=text[settings_at:format_at].decode(),
        format=name[0].decode(),
        rows=_skip_blank(text, name.end()),
    )


def _skip_blank(text: bytes, position: int) -> memoryview:
    """ClickHouse's rule: blanks and one line end belong to the statement, the rest is data."""
    while text[position : position + 1] in (b" ", b"\t", b"\r"):
        position += 1
    if text[position : position + 1] == b"\n":
        position += 1
    return memoryview(text)[position:]


def judge_statement(connection: Any, sql: str) -> Verdict:
    """What the one statement in `sql` does. EngineError when it does not parse or may not run."""
    said = connection.classify_query(sql, "")
    kind, count = said["query_class"].name, said["statement_count"]
    if count > 1:
        raise EngineError(SYNTAX_ERROR, "One request holds one statement; this one holds several. (SYNTAX_ERROR)")
    if count == 0:
        _raise_syntax_error(connection, sql)
    first = read_first_word(sql)
    if kind not in ("READ_ONLY", "MUTATING") and (first not in HARMLESS_CONTROL or _OUTFILE.search(sql)):
        raise deny("INTO OUTFILE" if _OUTFILE.search(sql) else first)
    if _SUSPICIOUS.search(sql):
        _refuse_outside_access(connection, sql)
    return Verdict(
        reads=kind == "READ_ONLY",
        defines=first in DATA_DEFINITION,
        streams=kind == "READ_ONLY" and first in ("SELECT", "WITH"),
    )


def read_first_word(sql: str) -> str:
    match = _FIRST_WORD.match(sql)
    return match[1].upper() if match else ""


def read_format(sql: str, default: str) -> str:
    """Name of the format that the statement's result is written in."""
    match = _LAST_FORMAT.search(sql)
    return match[1] if match else default


def _explain(connection: Any, sql: str) -> list[str]:
    result = connection.query("EXPLAIN AST " + sql, "TabSeparatedRaw")
    return list(result.bytes().decode().splitlines())


def _raise_syntax_error(connection: Any, sql: str) -> None:
    if not sql.strip():
        raise EngineError(SYNTAX_ERROR, "Syntax error: the query is empty. (SYNTAX_ERROR)")
    _explain(connection, sql)
    raise EngineError(SYNTAX_ERROR, "Syntax error: the statement is not understood. (SYNTAX_ERROR)")


def _refuse_outside_access(connection: Any, sql: str) -> None:
    """Walk the engine's own syntax tree, where every spelling of a name has become the name."""
    tree = _explain(connection, sql)
    for line in tree:
        name = _FUNCTION.match(line)
        if name and name[1].lower() in DENIED_FUNCTIONS:
            raise deny(f"{name[1]}()")
        if line.lstrip().startswith("ColumnsApplyTransformer"):
            raise deny("APPLY beside such a word")
    if tree and tree[0].startswith("InsertQuery") and any(line.startswith(" Literal") for line in tree):
        raise deny("FROM INFILE")
