"""Our rows beside the paper's.

A printed average that is not the mean of its row stays as it is printed, with the recomputed one: "35.6 (sic; 71.55)".
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dad.images.classes import imagenet_folders
from dad.markdown import format_rows
from dad.report.columns import average_over, columns_of, metrics_of
from dad.report.paper import PaperTable
from dad.report.results import Result, attacked_set, has_imagenets_classes, row_name
from dad.report.table import ATTACKS, MISSING, format_norm, format_number, format_radius


@dataclass(frozen=True)
class Cell:
    """A number of a table, and what it should have been where the paper misprints it."""

    text: str
    correction: str = ""


def our_rows(table: PaperTable, results: Iterable[Result]) -> list[list[Cell]]:
    """Return a row for each of `results` that has a number for the table; the first cell is its name."""
    rows = []
    for result in results:
        metrics = metrics_of(result)
        means = {name: average_over(names, metrics) for name, names in table.averages.items()}
        known = {name: format_number(value) for name, value in (metrics | means).items() if value is not None}
        known |= _under_attack(result)
        if any(column in known for column in table.columns):
            blank = [""] * (len(table.labels) - 1)
            numbers = [known.get(column, MISSING) for column in table.columns]
            rows.append([Cell(text) for text in [row_name(result), *blank, *numbers]])
    return rows


def without_row(table: PaperTable, results: Iterable[Result]) -> list[str]:
    """Say which results have no row in a table, for want of its numbers; nothing of a table that none can have."""
    columns = {column.name for column in columns_of([])} | ATTACKS.keys()
    if columns.isdisjoint(table.columns):
        return []
    names = [row_name(result) for result in results if not our_rows(table, [result])]
    return [f"Without a number of this table: {', '.join(names)}."] if names else []


def printed_rows(table: PaperTable) -> list[list[Cell]]:
    """Return the rows of the paper."""
    rows = []
    for index, (labels, values) in enumerate(table.rows):
        corrections = {name: str(round(value, 3)) for name, value in table.misprints(index).items()}
        cells = [Cell(str(value), corrections.get(name, "")) for name, value in values.items()]
        rows.append([*map(Cell, labels), *cells])
    return rows


def format_paper(tables: Iterable[PaperTable], results: Sequence[Result]) -> str:
    """Return the tables as Markdown, our rows above the printed ones."""
    parts = [f"{caveat}\n" for caveat in caveats(results)]
    for table in tables:
        ours, printed = our_rows(table, results), printed_rows(table)
        for row in ours:
            row[0] = Cell(f"**{row[0].text}**")
        parts += [f"Table {table.number}: {table.title}\n"]
        cells = [[f"{cell.text} (sic; {cell.correction})" if cell.correction else cell.text for cell in row]
                 for row in ours + printed]  # fmt: skip
        notes = [*table.notes, *without_row(table, results)]
        parts += [format_rows([table.headings, *cells]) + "\n", *(f"{note}\n" for note in notes)]
    return "\n".join(parts).rstrip("\n")


def caveats(results: Iterable[Result]) -> list[str]:
    """Say of which results the numbers cannot be compared with the paper's."""
    names: dict[str, list[str]] = {}
    for result in results:
        if not has_imagenets_classes(result):
            names.setdefault(other_classes(result), []).append(row_name(result))
    return [
        f"{', '.join(found)}: {why}; no number of theirs compares with the paper's." for why, found in names.items()
    ]


def other_classes(result: Result) -> str:
    """Say which classes a model has that are not ImageNet's."""
    count = result.get("settings", {}).get("num_classes")
    if not count:
        return "a class list that the file does not name"
    if count == len(imagenet_folders()):
        return f"{count:,} classes, but others than ImageNet's"
    return f"{count:,} classes, not ImageNet's 1,000"


def _under_attack(result: Result) -> dict[str, str]:
    """Return a model's accuracy under each attack of the validation images, with the radius that the number means
    nothing without, and its norm where it is not the paper's attacks'."""
    cells: dict[str, list[str]] = {}
    for attack in result.get("attacks", ()):
        if attacked_set(attack) != "imagenet":
            continue
        norm = attack.get("norm", "linf")
        radius = f"{'' if norm == 'linf' else f'{format_norm(norm)} '}{format_radius(attack.get('epsilon'))}"
        text = f"{format_number(attack.get('top1'))} at {radius}"
        cells.setdefault(str(attack["attack"]), []).append(text)
    return {name: ", ".join(texts) for name, texts in cells.items()}
