"""ClickHouse's format Native, written column by column: the cheapest thing the engine reads.

Station 4 of the road, below `rows.py`. A block is a count of columns and rows, then per column
its name, its type and all its values. Low-cardinality and UUID columns are sent as String, which
the engine converts. It writes only; answers are read by clickhouse-connect. As fast as an Arrow
stream (`benchmarks/store_insert.py`), and without pyarrow, whose import costs every process that
touches the store 100 MB and a second.
"""

from array import array
from collections.abc import Sequence
from sys import byteorder
from typing import NamedTuple

TIME = "DateTime64(3, 'UTC')"
MONEY = "Decimal(18, 4)"

# array's letters for ClickHouse's integer types, all of them little-endian.
_LETTERS = {"UInt16": "H", "UInt32": "I", "UInt64": "Q", TIME: "q", MONEY: "q"}


class Column(NamedTuple):
    """A column's name, ClickHouse type and values in Native form."""

    name: str
    type: str
    values: bytes


def encode_length(number: int) -> bytes:
    """LEB128: seven bits a byte, low bits first."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SHORT_LENGTHS = [encode_length(number) for number in range(4096)]


def encode_bytes(value: bytes) -> bytes:
    size = len(value)
    return (_SHORT_LENGTHS[size] if size < 4096 else encode_length(size)) + value


def encode_text(value: str) -> bytes:
    return encode_bytes(value.encode())


def make_text_column(name: str, values: Sequence[str]) -> Column:
    """UnicodeEncodeError for a lone surrogate. Most columns repeat few values, so each is encoded once."""
    encoded = {value: encode_text(value) for value in set(values)}
    if len(encoded) == 1:
        return Column(name, "String", encoded.popitem()[1] * len(values))
    return Column(name, "String", b"".join([encoded[value] for value in values]))


def make_bytes_column(name: str, values: Sequence[bytes]) -> Column:
    return Column(name, "String", b"".join([encode_bytes(value) for value in values]))


def make_number_column(name: str, type_name: str, values: Sequence[int]) -> Column:
    """OverflowError for a number outside the type. Times are milliseconds, money is ten-thousandths."""
    numbers = array(_LETTERS[type_name], values)
    if byteorder == "big":
        numbers.byteswap()
    return Column(name, type_name, numbers.tobytes())


def make_bool_column(name: str, values: Sequence[bool]) -> Column:
    return Column(name, "Bool", bytes(values))


def join_block(columns: Sequence[Column], rows: int) -> bytes:
    """One block of `rows` rows."""
    parts = [encode_length(len(columns)), encode_length(rows)]
    for column in columns:
        parts += (encode_text(column.name), encode_text(column.type), column.values)
    return b"".join(parts)
