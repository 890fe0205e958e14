"""The engine answers ClickHouse's HTTP interface: clickhouse-connect and plain requests are content with it."""

import gzip
import zlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import brotli
import clickhouse_connect
import pytest
import urllib3
import zstandard
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError
from lz4 import frame as lz4


class PlainClient:
    """Requests as curl would send them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._root = f"http://{parts.hostname}:{parts.port}"
        self._pool = urllib3.PoolManager()
        self._secret = parts.password or ""

    def ask(
        self, body: bytes = b"", *, path: str = "/", method: str = "POST", secret: str | None = None, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        headers = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": self._secret if secret is None else secret}
        headers |= more.pop("headers", {})
        options = {name: more.pop(name) for name in ("preload_content", "timeout") if name in more}
        url = f"{self._root}{path}?{urlencode(more)}"
        return self._pool.request(
            method, url, body=body or None, headers=headers, retries=False, decode_content=False, **options
        )

    def close(self) -> None:
        self._pool.clear()


@pytest.fixture
def plain(engine_url: str) -> Iterator[PlainClient]:
    client = PlainClient(engine_url)
    yield client
    client.close()


@pytest.fixture
def client(engine_url: str) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=engine_url, dedicated_pool=True)
    yield client
    client.close()


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    client.command("CREATE TABLE numbers_seen (number Int64, text String) ENGINE = MergeTree ORDER BY number")
    yield "numbers_seen"
    client.command("DROP TABLE numbers_seen SYNC")


def test_ping_needs_no_secret(plain: PlainClient) -> None:
    answer = plain.ask(path="/ping", method="GET", secret="")
    assert (answer.status, answer.data) == (200, b"Ok.\n")


@pytest.mark.parametrize("secret", ["", "wrong", "test-secret ", "test-secre", "ü"])
def test_a_wrong_secret_is_refused(plain: PlainClient, secret: str) -> None:
    answer = plain.ask(b"SELECT 1", headers={"X-ClickHouse-Key": secret.encode("utf-8").decode("latin-1")})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
    assert b"SELECT" not in answer.data


@pytest.mark.parametrize("value", ["Basic", "Basic !", "Basic /////w==", "Bearer test-secret"])
def test_a_broken_authorization_is_refused(plain: PlainClient, value: str) -> None:
    answer = plain.ask(b"SELECT 1", headers={"X-ClickHouse-Key": "", "Authorization": value})
    assert answer.status == 403


def test_another_user_is_refused(plain: PlainClient) -> None:
    assert plain.ask(b"SELECT 1", headers={"X-ClickHouse-User": "root"}).status == 403


def test_the_secret_may_stand_in_the_url(plain: PlainClient) -> None:
    answer = plain.ask(
        b"SELECT 1", secret="", user="default", password="test-secret", headers={"X-ClickHouse-Key": "test-secret"}
    )
    assert answer.data == b"1\n"


def test_an_unknown_path_and_method_are_named(plain: PlainClient) -> None:
    assert plain.ask(path="/play").status == 404
    assert plain.ask(method="PUT").status == 405


def test_a_question_is_answered_with_the_headers_of_a_server(plain: PlainClient) -> None:
    answer = plain.ask(b"SELECT 1 AS one, 'x' AS x", query_id="mine", wait_end_of_query=1)
    assert answer.data == b"1\tx\n"
    assert answer.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert '"result_rows": "1"' in answer.headers["X-ClickHouse-Summary"]


@pytest.mark.parametrize(
    ("format_name", "expected"),
    [("CSV", b'1,"x"\n'), ("JSONEachRow", b'{"a":1,"b":"x"}\n'), ("TabSeparatedWithNames", b"a\tb\n1\tx\n")],
)
def test_the_format_is_chosen_in_the_query_or_beside_it(plain: PlainClient, format_name: str, expected: bytes) -> None:
    query = b"SELECT 1 AS a, 'x' AS b"
    for answer in (
        plain.ask(query + b" FORMAT " + format_name.encode()),
        plain.ask(query, default_format=format_name),
        plain.ask(query, headers={"X-ClickHouse-Format": format_name}),
    ):
        assert answer.data == expected
        assert answer.headers["X-ClickHouse-Format"] == format_name


def test_the_query_may_stand_in_the_url(plain: PlainClient) -> None:
    assert plain.ask(method="GET", query="SELECT 7").data == b"7\n"
    assert plain.ask(b"+ 1", query="SELECT 7").data == b"8\n"


def test_get_only_reads(plain: PlainClient) -> None:
    answer = plain.ask(method="GET", query="CREATE TABLE never (a Int8) ENGINE = MergeTree ORDER BY a")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "164")


@pytest.mark.parametrize("value", ["plain", "tab\tline\nquote'back\\slash", "ü😀", "'; DROP TABLE events; --", ""])
def test_a_parameter_comes_through_whatever_it_holds(client: Client, value: str) -> None:
    assert client.query("SELECT {value:String} AS v", parameters={"value": value}).result_rows == [(value,)]


def test_a_parameter_too_long_for_a_url_comes_through(client: Client) -> None:
    value = "x'\\\n" * 50_000
    assert client.query("SELECT {value:String} AS v", parameters={"value": value}).result_rows == [(value,)]


def test_a_setting_holds_for_its_own_request_only(client: Client) -> None:
    ask = "SELECT getSetting('max_block_size')"
    assert client.command(ask, settings={"max_block_size": 123}) == 123
    assert client.command(ask) != 123


def test_an_unknown_setting_is_refused(plain: PlainClient) -> None:
    for name in ("no_such_setting", "a; DROP"):
        answer = plain.ask(b"SELECT 1", **{name: "1"})
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "115")


@pytest.mark.parametrize(
    ("query", "code", "name", "status"),
    [
        ("SELEC 1", 62, "SYNTAX_ERROR", 400),
        ("", 62, "SYNTAX_ERROR", 400),
        ("SELECT nothing", 47, "UNKNOWN_IDENTIFIER", 400),
        ("SELECT * FROM nothing", 60, "UNKNOWN_TABLE", 404),
        ("SELECT throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO", 500),
        ("SELECT {a:Int8}", 456, "UNKNOWN_QUERY_PARAMETER", 400),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR", 400),
        ("SELECT sleep(3) SETTINGS max_execution_time = 1", 159, "TIMEOUT_EXCEEDED", 408),
    ],
)
def test_errors_carry_clickhouses_code_and_name(
    plain: PlainClient, query: str, code: int, name: str, status: int
) -> None:
    answer = plain.ask(query.encode())
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code))
    assert answer.data.startswith(b"Code: %d. " % code)
    assert name.encode() in answer.data


def test_a_client_reads_code_and_name_of_an_error(client: Client) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query("SELECT * FROM nothing")
    assert (caught.value.code, caught.value.name) == (60, "UNKNOWN_TABLE")


@pytest.mark.parametrize("compression", ["zstd", "lz4", "gzip", "br", False])
def test_inserts_arrive_in_every_compression(client: Client, table: str, engine_url: str, compression: Any) -> None:
    other = clickhouse_connect.get_client(dsn=engine_url, compress=compression, dedicated_pool=True)
    rows = [(number, f"text {number}") for number in range(5_000)]
    summary = other.insert(table, rows, column_names=["number", "text"])
    assert summary.written_rows == 5_000
    assert other.query(f"SELECT number, text FROM {table} ORDER BY number").result_rows == rows
    other.close()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4.compress),
        ("br", brotli.compress),
        ("identity", bytes),
    ],
)
def test_a_packed_body_is_unpacked(plain: PlainClient, encoding: str, pack: Any) -> None:
    assert plain.ask(pack(b"SELECT 'packed'"), headers={"Content-Encoding": encoding}).data == b"packed\n"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "br"])
def test_a_body_that_does_not_unpack_is_refused(plain: PlainClient, encoding: str) -> None:
    answer = plain.ask(b"SELECT 1", headers={"Content-Encoding": encoding})
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "117")


def test_an_unknown_encoding_is_refused(plain: PlainClient) -> None:
    assert plain.ask(b"SELECT 1", headers={"Content-Encoding": "snappy"}).status == 501


def test_answers_are_packed_when_the_client_asks(plain: PlainClient) -> None:
    query = b"SELECT number FROM numbers(1000)"
    expected = plain.ask(query).data
    for encoding, unpack in (
        ("gzip", gzip.decompress),
        ("zstd", zstandard.ZstdDecompressor().decompressobj().decompress),
    ):
        answer = plain.ask(query, enable_http_compression=1, headers={"Accept-Encoding": encoding})
        assert answer.headers["Content-Encoding"] == encoding
        assert unpack(answer.data) == expected
    assert "Content-Encoding" not in plain.ask(query, headers={"Accept-Encoding": "gzip"}).headers


def test_rows_in_text_follow_the_insert(plain: PlainClient, client: Client, table: str) -> None:
    insert = f"INSERT INTO {table} (number, text) FORMAT JSONEachRow"
    rows = b'{"number":1,"text":"a;\\n\\n;b"}\n\n{"number":2,"text":"FORMAT CSV"}'
    for answer in (plain.ask(insert.encode() + b"\n" + rows), plain.ask(rows, query=insert)):
        assert answer.status == 200
        assert "X-ClickHouse-Format" not in answer.headers
    plain.ask(f"INSERT INTO `{table}` SETTINGS max_threads = 1 FORMAT CSV 3,c\n4,d".encode())
    plain.ask(f"INSERT INTO {table} VALUES (5, 'e')".encode())
    plain.ask(b"(6, 'f')", query=f"INSERT INTO {table} VALUES")
    texts = client.query(f"SELECT number, text FROM {table} ORDER BY number, text").result_rows
    assert texts == [*[(1, "a;\n\n;b")] * 2, *[(2, "FORMAT CSV")] * 2, (3, "c"), (4, "d"), (5, "e"), (6, "f")]


def test_one_bad_row_stores_none_of_its_insert(plain: PlainClient, client: Client, table: str) -> None:
    answer = plain.ask(b'{"number":1}\n{"number":"x"}\n', query=f"INSERT INTO {table} FORMAT JSONEachRow")
    assert answer.status == 400
    assert b"/proc/self" not in answer.data
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_an_insert_without_rows_stores_none(plain: PlainClient, client: Client, table: str) -> None:
    assert plain.ask(query=f"INSERT INTO {table} FORMAT JSONEachRow").status == 200
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_an_insert_that_fails_while_writing_is_an_error_and_not_a_success(client: Client, table: str) -> None:
    """chDB's own streaming insert reports success here: the engine must not use it."""
    client.command(f"ALTER TABLE {table} MODIFY SETTING max_parts_in_total = 1")
    client.insert(table, [(1, "a")], column_names=["number", "text"])
    with pytest.raises(DatabaseError) as caught:
        for number in range(3):
            client.insert(table, [(number, "b")], column_names=["number", "text"])
    assert caught.value.code == 252


def test_a_long_answer_streams_and_adds_up(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        blocks = [sum(row[0] for row in block) for block in stream]
    assert len(blocks) > 1
    assert sum(blocks) == 999_999 * 500_000


def test_an_error_in_the_middle_of_a_stream_reaches_the_client(client: Client) -> None:
    query = "SELECT throwIf(number = 90000, 'in the middle') FROM numbers(100000)"
    with (
        pytest.raises(StreamFailureError, match="in the middle") as caught,
        client.query_rows_stream(query, settings={"max_block_size": 1000}) as stream,
    ):
        for _ in stream:
            pass
    assert caught.value.code == 395


def test_a_stream_left_early_ends_its_query(plain: PlainClient, client: Client) -> None:
    answer = plain.ask(b"SELECT number, 'left early' FROM system.numbers", preload_content=False)
    assert len(answer.read(100_000)) == 100_000
    answer.close()
    ask = "SELECT count() FROM system.processes WHERE query LIKE '%left early%' AND query NOT LIKE '%processes%'"
    while client.command(ask):
        pass


def test_a_question_whose_asker_left_is_stopped(plain: PlainClient, client: Client) -> None:
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        plain.ask(b"SELECT count(), 'nobody waits' FROM system.numbers", wait_end_of_query=1, timeout=0.5)
    ask = "SELECT count() FROM system.processes WHERE query LIKE '%nobody waits%' AND query NOT LIKE '%processes%'"
    while client.command(ask):
        pass


def test_a_query_id_cannot_add_headers(plain: PlainClient) -> None:
    answer = plain.ask(b"SELECT 1", query_id="a\r\nX-Added: yes")
    assert answer.headers["X-ClickHouse-Query-Id"] == "a??X-Added: yes"
    assert "X-Added" not in answer.headers


def test_external_data_is_refused_by_name(plain: PlainClient) -> None:
    fields, kind = urllib3.encode_multipart_formdata({"query": "SELECT 1", "extra": ("extra.csv", b"1\n")})
    answer = plain.ask(fields, headers={"Content-Type": kind})
    assert answer.status == 501
    assert b"extra" in answer.data


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\0", b"SELECT '\xff'", b"(" * 5000, b"INSERT", b"'" * 99])
def test_rubbish_is_answered_and_the_engine_lives_on(plain: PlainClient, body: bytes) -> None:
    plain.ask(body)
    assert plain.ask(b"SELECT 1").data == b"1\n"
