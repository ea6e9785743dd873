"""The rows of a table, and the recipes that make each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dad.errors import UsageError
from dad.names import nearest_name
from dad.report.columns import SEVEN
from dad.report.paper import PaperTable, paper_tables
from dad.report.table import ATTACKS
from dad.tables.headers import Place, places, read_header
from dad.variants.table import VARIANTS

EMOJINET = "emojinet"
_HALVES = {"above": "original", "below": "distilled"}  # of Table 8


@dataclass(frozen=True)
class Row:
    """A row as it is printed, and the names of the recipes for it: the first is taken unless another one is asked
    for. Without a suffix, a ViT is fine-tuned and a ResNet begins from scratch."""

    labels: tuple[str, ...]
    recipes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of the paper, or EmojiNet's, as work to do.

    Attributes:
        variants: the test sets that its columns need.
        attacks: the attacks that they need.
    """

    number: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    variants: tuple[str, ...]
    attacks: tuple[str, ...]


def read_headers(folder: Path) -> dict[str, dict[str, str]]:
    """Return the headers of all recipes in a folder, by the recipes' names.

    Raises:
        UsageError: there are none.
    """
    headers = {path.stem: read_header(path) for path in sorted(folder.glob("*.yaml"))}
    if not headers:
        raise UsageError(f"--recipes {folder}: no recipes there; run it from the clone's root, where hparams/ is")
    return headers


def resolve_tables(numbers: str, headers: Mapping[str, Mapping[str, str]]) -> list[Table]:
    """Return the tables that a word names: comma-separated numbers of the paper's, `emojinet`, or `all` of the paper's.

    Raises:
        UsageError: there is no such table.
    """
    known = paper_tables()
    wanted = list(known) if numbers == "all" else [number.strip() for number in numbers.split(",")]
    for number in wanted:
        if number not in (*known, EMOJINET):
            raise UsageError(f"no table '{number}'; known are all, {EMOJINET}, {', '.join(known)}")
    return [_emojinet(headers) if number == EMOJINET else _of_paper(known[number], headers) for number in wanted]


def choose(tables: Sequence[Table], names: Sequence[str]) -> list[Table]:
    """Return tables with the recipes `names` alone, each in the place of others for its rows; without names, as they
    are.

    Raises:
        UsageError: none of the tables has such a recipe.
    """
    known = {recipe for table in tables for row in table.rows for recipe in row.recipes}
    for name in names:
        if name not in known:
            near = nearest_name(name, known)
            hint = f"did you mean '{near}'? " if near else ""
            raise UsageError(f"--recipe {name}: {hint}the recipes here are {', '.join(sorted(known))}")
    if not names:
        return list(tables)
    return [
        Table(table.number, table.title, table.headings, _chosen(table.rows, names), table.variants, table.attacks)
        for table in tables
    ]


def find_row(table: PaperTable, place: Place) -> int:
    """Return which row of a table a header means.

    Raises:
        UsageError: no row is called so, or several are.
    """
    wanted = _plain(place.row)
    rows = [labels for labels, _ in table.rows]
    for names in (_all_labels, _last_label, _first_label):  # a model's name is also a method's, of its plain training
        found = [
            number
            for number, labels in enumerate(rows)
            if names(labels) == wanted
            and _plain(labels[0]).startswith(_plain(place.of))
            and labels[-1] == _HALVES.get(place.half, labels[-1])
        ]
        if len(found) == 1:
            return found[0]
    raise UsageError(f'a recipe\'s header names row "{place.row}" of Table {table.number}, which is not one row there')


def _of_paper(table: PaperTable, headers: Mapping[str, Mapping[str, str]]) -> Table:
    recipes: dict[int, list[str]] = {}
    for name, header in headers.items():
        for place in places(header):
            if place.table == table.number and not name.startswith("generate"):
                recipes.setdefault(find_row(table, place), []).append(name)
    rows = [
        Row(labels, tuple(sorted(recipes.get(number, ()), key=lambda name: (len(name), name))))
        for number, (labels, _) in enumerate(table.rows)
    ]
    variants = tuple(variant.name for variant in VARIANTS if variant.name in table.columns)
    attacks = tuple(column for column in table.columns if column in ATTACKS)
    if attacks:
        variants = ("imagenet",)  # whose images are attacked
    return Table(table.number, table.title, table.labels, tuple(rows), variants, attacks)


_UNSCORED = ("generate", "validate", "feature")  # what trains nothing, and what learns no classes


def _emojinet(headers: Mapping[str, Mapping[str, str]]) -> Table:
    parts = [name.partition("_") for name in headers if name.startswith(f"{EMOJINET}_")]
    rows = [Row((method,), (f"{EMOJINET}_{method}",)) for _, _, method in parts if not method.startswith(_UNSCORED)]
    return Table(EMOJINET, "The embedded world", ("Objective",), tuple(rows), SEVEN, ())


def _chosen(rows: Sequence[Row], names: Sequence[str]) -> tuple[Row, ...]:
    kept = [Row(row.labels, tuple(name for name in names if name in row.recipes)) for row in rows]
    return tuple(Row(row.labels, (name,)) for row in kept for name in row.recipes)


def _all_labels(labels: Sequence[str]) -> str:
    return _plain(", ".join(labels))


def _last_label(labels: Sequence[str]) -> str:
    return _plain(labels[-1])


def _first_label(labels: Sequence[str]) -> str:
    return _plain(labels[0])


def _plain(label: str) -> str:
    return label.replace("–", "-").lower()
