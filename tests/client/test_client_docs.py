"""The client's page has every argument, field, call and figure, with the defaults of the code; its examples run."""

import ast
import inspect
import re
from pathlib import Path

import pytest
from tests.client.receiver import KEY, Receiver

from trackway.client import Client, EventFields, Rejected, Stats

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reference" / "python-client.md").read_text()
HOW_TO = (DOCS / "how-to" / "send-from-python.md").read_text()


def read_rows(heading: str) -> list[list[str]]:
    """The cells of all tables below a heading, without the head rows."""
    part = PAGE.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if line[:1] == "|"]
    return [row for row in rows if row[0].startswith("`")]


def test_every_argument_stands_with_its_default() -> None:
    said = {row[0].strip("`"): row[1].strip("`") for row in read_rows("Client(")}
    parameters = inspect.signature(Client).parameters.values()
    assert list(said) == [p.name for p in parameters]
    for parameter in parameters:
        if parameter.default is inspect.Parameter.empty:
            assert said[parameter.name] == ""
        else:
            assert ast.literal_eval(said[parameter.name]) == parameter.default


def test_every_call_stands_with_its_first_arguments() -> None:
    rows = [row[0].strip("`") for row in read_rows("Calls")]
    calls = {row.split("(")[0]: row for row in rows if "(" in row}
    public = {name for name, member in vars(Client).items() if inspect.isfunction(member) and name[0] != "_"}
    assert set(calls) == public
    for name, row in calls.items():
        named = re.findall(r"[a-z]\w*", row.split("(", 1)[1].replace("None", ""))
        assert named == list(inspect.signature(getattr(Client, name)).parameters)[1 : len(named) + 1]


def test_every_field_of_an_event_stands() -> None:
    fields = {name for row in read_rows("Calls") for name in re.findall(r"`(\w+)`", row[0])}
    assert set(EventFields.__annotations__) <= fields


def test_every_figure_stands() -> None:
    figures = [name for row in read_rows("Figures") for name in re.findall(r"`(\w+)`", row[0])]
    assert figures == list(Stats._fields)
    assert all(f"`{field}`" in PAGE for field in Rejected._fields)


@pytest.mark.parametrize("page", [PAGE, HOW_TO], ids=["reference", "how-to"])
def test_the_examples_run(page: str, receiver: Receiver, tmp_path: Path) -> None:
    class Order:
        id = "o-1"

    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    script = "\n".join(blocks).replace('"/var/spool/my-shop"', repr(str(tmp_path)))
    script = re.sub(r'"https?://[^"]+"', "URL", script).replace("Client(URL, WRITE_KEY, on", "Other(URL, WRITE_KEY, on")
    names = {"URL": receiver.url, "WRITE_KEY": KEY, "order": Order, "cookie": "a-1", "Other": Client}
    exec(compile(script, "example", "exec"), names)
    made = names["client"]
    assert isinstance(made, Client)
    made.close()
    for client in [value for value in names.values() if isinstance(value, Client)]:
        client.close()
