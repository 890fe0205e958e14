"""A table of figures: each row keeps every run, and shows the median."""

from statistics import median

from msgspec import Struct


class Row(Struct, frozen=True):
    """`runs` has one mapping column -> value for each run; all runs have the same columns."""

    label: str
    runs: list[dict[str, float]]

    def read_median(self, column: str) -> float:
        return median(run[column] for run in self.runs)


class Table(Struct, frozen=True):
    """`says` tells in a sentence or two what was done. Columns are those of the first row."""

    name: str
    title: str
    says: str
    rows: list[Row]


def format_table(table: Table) -> str:
    """Markdown: medians, and under each the lowest and highest run where there were several."""
    columns = list(table.rows[0].runs[0])
    lines = [["", *columns]]
    for row in table.rows:
        lines.append([row.label, *(_format_cell([run[column] for run in row.runs]) for column in columns)])
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns) + 1)]
    drawn = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    drawn.insert(1, "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|")
    return "\n".join([f"### {table.title}", "", table.says, "", *drawn])


def _format_cell(values: list[float]) -> str:
    shown = _format_number(median(values))
    if len(values) == 1 or min(values) == max(values):
        return shown
    return f"{shown} ({_format_number(min(values))}-{_format_number(max(values))})"


def _format_number(value: float) -> str:
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
