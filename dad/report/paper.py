"""The tables of the paper as they are printed, and what their averages should have been."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from statistics import fmean

from dad.errors import UsageError
from dad.report.columns import average_over, columns_of
from dad.report.table import ATTACKS

_ROUNDING = 0.0501  # half of the last printed digit, and the error of floats


@dataclass(frozen=True)
class PaperTable:
    """A printed table; a column is a variant, an attack, an average, or else what it is called."""

    number: str
    title: str
    labels: tuple[str, ...]  # headings of the cells that name a row
    columns: tuple[str, ...]
    averages: Mapping[str, tuple[str, ...]]  # of which columns each average is
    rows: tuple[tuple[tuple[str, ...], Mapping[str, float]], ...]  # (cells that name it, printed number by column)
    notes: tuple[str, ...]

    @property
    def headings(self) -> list[str]:
        """The titles of all columns."""
        titles = {column.name: column.heading for column in columns_of([])} | ATTACKS
        return [*self.labels, *(titles.get(column, column) for column in self.columns)]

    def recomputed(self, row: int) -> dict[str, float]:
        """Return what follows from other printed numbers of the table, by column: averages, and Table 8's changes."""
        labels, values = self.rows[row]
        if labels[-1] == "change":
            return {column: self._change(column) for column in self.columns}
        means = {name: average_over(names, values) for name, names in self.averages.items()}
        return {name: mean for name, mean in means.items() if mean is not None}

    def misprints(self, row: int) -> dict[str, float]:
        """Return those of the recomputed numbers that differ from the printed ones by more than rounding."""
        printed = self.rows[row][1]
        return {name: value for name, value in self.recomputed(row).items() if abs(value - printed[name]) > _ROUNDING}

    def _change(self, column: str) -> float:
        models = {labels: values[column] for labels, values in self.rows}
        return fmean(
            value - models[model, "original"] for (model, kind), value in models.items() if kind == "distilled"
        )


@cache
def paper_tables() -> dict[str, PaperTable]:
    """Return the paper's tables by number."""
    content = json.loads((files("dad.report") / "paper_tables.json").read_text(encoding="utf-8"))
    return {number: _table(number, **table) for number, table in content.items()}


def resolve_tables(numbers: str) -> list[PaperTable]:
    """Return the tables that `--paper` names: comma-separated numbers, or "all".

    Raises:
        UsageError: there is no such table.
    """
    tables = paper_tables()
    wanted = list(tables) if numbers == "all" else [number.strip() for number in numbers.split(",")]
    for number in wanted:
        if number not in tables:
            raise UsageError(f"--paper: the paper has no table '{number}'; known are all, {', '.join(tables)}")
    return [tables[number] for number in wanted]


def _table(
    number: str,
    title: str,
    labels: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Sequence[str | float]],
    averages: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> PaperTable:
    split = len(labels)
    typed = [
        (
            tuple(map(str, row[:split])),
            {
                column: number
                for column, number in zip(columns, row[split:], strict=True)
                if not isinstance(number, str)
            },
        )
        for row in rows
    ]
    means = {name: tuple(names) for name, names in (averages or {}).items()}
    return PaperTable(number, title, tuple(labels), tuple(columns), means, tuple(typed), tuple(notes))
