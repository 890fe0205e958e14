"""What the engine refuses although it holds the right secret: everything outside its own database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from trackway.store.client import EventStore, StoreRefused

CANARY = "canary that nobody may read"


@pytest.fixture
def embedded(engine_url: str) -> Iterator[EventStore]:
    store = EventStore(engine_url)
    yield store
    store.close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    file = tmp_path / "canary.csv"
    file.write_text(CANARY)
    return file


OUTSIDE = {
    "scalar file()": "SELECT file('{file}')",
    "file() quoted": "SELECT `file`('{file}')",
    "file() spelled with escapes": "SELECT `fi\\x6ce`('{file}')",
    "file() behind a comment": "SELECT file/* */('{file}')",
    "file() in a lambda": "SELECT arrayMap(x -> file(x), ['{file}'])",
    "file() by APPLY": "SELECT * APPLY(file) FROM (SELECT '{file}' AS x)",
    "file() by REPLACE": "SELECT * REPLACE(file(x) AS x) FROM (SELECT '{file}' AS x)",
    "file() in a view": "CREATE VIEW leak AS SELECT file('{file}')",
    "file() in a default": "CREATE TABLE leak (a String DEFAULT file('{file}')) ENGINE = Memory",
    "file() in eval()": "SELECT * FROM eval('SELECT file(\\'{file}\\')')",
    "table function file()": "SELECT * FROM file('{file}', 'LineAsString')",
    "a file as a table": "SELECT * FROM `{file}`",
    "url()": "SELECT * FROM url('http://127.0.0.1:9/', 'LineAsString')",
    "remote()": "SELECT * FROM remote('127.0.0.1:9', 'system.one')",
    "s3()": "SELECT * FROM s3('http://127.0.0.1:9/a', 'LineAsString')",
    "executable()": "SELECT * FROM executable('id', 'LineAsString', 'a String')",
    "python()": "SELECT * FROM python(engine)",
    "sqlite()": "SELECT * FROM sqlite('{file}', 't')",
    "INTO OUTFILE": "SELECT 1 INTO OUTFILE '{target}'",
    "INTO OUTFILE of SHOW": "SHOW TABLES INTO OUTFILE '{target}'",
    "INTO OUTFILE of KILL": "KILL QUERY WHERE 0 INTO OUTFILE '{target}'",
    "INSERT INTO FUNCTION": "INSERT INTO FUNCTION file('{target}', 'CSV') SELECT 1",
    "FROM INFILE": "INSERT INTO events (title) FROM INFILE '{file}' FORMAT LineAsString",
    "ENGINE = File": "CREATE TABLE leak (a String) ENGINE = File(CSV)",
    "ENGINE = URL": "CREATE TABLE leak (a String) ENGINE = URL('http://127.0.0.1:9/')",
    "a dictionary from a file": (
        "CREATE DICTIONARY leak (a UInt64, b String) PRIMARY KEY a "
        "SOURCE(FILE(path '{file}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)"
    ),
    "BACKUP": "BACKUP DATABASE trackway TO File('{target}')",
    "SYSTEM": "SYSTEM STOP MERGES",
    "a user": "CREATE USER other",
    "a right": "GRANT ALL ON *.* TO default",
    "a function": "CREATE FUNCTION leak AS x -> x",
    "another database": "CREATE DATABASE other",
    "the end of our database": "DROP DATABASE trackway",
    "another language": "SELECT 1 SETTINGS dialect = 'prql'",
    "users": "SELECT * FROM system.users",
    "two statements": "SELECT 1; SELECT file('{file}')",
    "an assistant": "SELECT aiGenerate('x')",
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_way_out_is_refused(embedded: EventStore, canary: Path, name: str) -> None:
    target = canary.with_name("written")
    with pytest.raises(StoreRefused) as caught:
        embedded.select(OUTSIDE[name].format(file=canary, target=target))
    assert CANARY not in str(caught.value)
    assert not target.exists()


def test_the_same_words_in_a_text_or_a_name_are_harmless(embedded: EventStore) -> None:
    (row,) = embedded.select(
        "SELECT 'file(1)' AS file, 'python \\n eval' AS b, $$file('x')$$ AS c, profile_id AS d FROM (SELECT 1 AS profile_id)"
    )
    assert row == {"file": "file(1)", "b": "python \n eval", "c": "file('x')", "d": 1}


def test_a_setting_given_beside_the_query_cannot_change_the_language(embedded: EventStore) -> None:
    with pytest.raises(StoreRefused, match="dialect is readonly"):
        embedded.select("SELECT 1", settings={"dialect": "prql"})
