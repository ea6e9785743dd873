"""The card's other tables of all models: attacks, the paper's rows, and how everything was measured."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from dad.charts.svg import element
from dad.report.beside import Cell, our_rows, printed_rows, without_row
from dad.report.columns import columns_of
from dad.report.markup import head_row, interval_text, row_head, scrolling_table
from dad.report.paper import PaperTable
from dad.report.results import Result, row_name
from dad.report.table import ATTACK_HEADINGS, MISSING, attack_cells

_FILES = {"model": "model", "checkpoint": "checkpoint", "checkpoint_hash": "checkpoint's hash", "weights": "weights"}


def attack_table(results: Iterable[Result]) -> str:
    """Return a row for each attack of each model; empty if nothing was attacked."""
    rows = []
    for result in results:
        for attack in result.get("attacks", ()):
            name, images, norm, *numbers, robust = attack_cells(attack)
            words = [element("td", escape(word), class_="word") for word in (name, images, norm)]
            interval = interval_text(attack.get("top1_interval"))
            last = element("td", robust, element("small", interval) if interval else "")
            plain = (element("td", escape(number)) for number in numbers)
            rows.append(element("tr", row_head(row_name(result)), *words, *plain, last))
    return scrolling_table([head_row(["Model", *ATTACK_HEADINGS], 4)], rows, "numbers", "attacks") if rows else ""


def paper_table(table: PaperTable, results: Sequence[Result]) -> str:
    """Return a table of the paper with our rows on top; a misprinted average is struck out beside the right one."""
    split = len(table.labels)
    ours = [_paper_row(row, split, class_="ours") for row in our_rows(table, results)]
    printed = [_paper_row(row, split) for row in printed_rows(table)]
    title = f"Table {table.number}: {table.title}"
    body = scrolling_table([head_row(table.headings, split)], ours + printed, "numbers", title)
    notes = "".join(element("p", escape(note), class_="about") for note in [*table.notes, *without_row(table, results)])
    return element("h3", escape(title)) + body + notes


def provenance_table(results: Sequence[Result]) -> str:
    """Return files, settings, versions and transforms of all models; what all share stands once."""
    facts = [_facts(result) for result in results]
    rows = []
    for name in dict.fromkeys(name for known in facts for name in known):
        values = [known.get(name, MISSING) for known in facts]
        shown = values[:1] if len(set(values)) == 1 else values
        if shown != [MISSING]:
            span = len(values) // len(shown)
            rows.append(element("tr", row_head(name), *(element("td", escape(text), colspan=span) for text in shown)))
    return scrolling_table([head_row(["", *map(row_name, results)], 1)], rows, "words", "settings")


def _paper_row(row: Sequence[Cell], split: int, **attributes: str) -> str:
    names = [row_head(row[0].text), *(element("td", escape(cell.text), class_="word") for cell in row[1:split])]
    numbers = []
    for cell in row[split:]:
        sic = f"the paper prints {cell.text}; its own numbers give {cell.correction}"
        wrong = element("s", escape(cell.text)) + " " + element("b", cell.correction, class_="sic", title=sic)
        numbers.append(element("td", wrong if cell.correction else escape(cell.text)))
    return element("tr", *names, *numbers, **attributes)


def _facts(result: Result) -> dict[str, str]:
    facts = {title: _text(result.get(key) or MISSING) for key, title in _FILES.items()}
    for group in ("settings", "versions"):
        facts |= {name.replace("_", " "): _text(value) for name, value in result.get(group, {}).items()}
    transforms: dict[str, list[str]] = {}
    for column in columns_of([result]):
        if not column.beside and (transform := (column.scores(result) or {}).get("transform")):
            transforms.setdefault(transform, []).append(column.title)
    facts |= {f"images of {', '.join(titles)}": transform for transform, titles in transforms.items()}
    facts |= _other_versions(result)
    seconds = sum(scores.get("seconds", 0) for scores in result["variants"].values())
    return facts | {"time": f"{seconds:,.0f} s" if seconds else MISSING}


def _other_versions(result: Result) -> dict[str, str]:
    """Return the versions that differ from the last run's, of the sets that an earlier one has scored."""
    titles: dict[str, list[str]] = {}
    for column in columns_of([result]):
        scores = column.scores(result) or {}
        if not column.beside and "versions" in scores:
            now, then = result.get("versions", {}), scores["versions"]
            different = [f"{name} {version}" for name, version in then.items() if now.get(name) != version]
            titles.setdefault(", ".join(different), []).append(column.title)
    return {f"made with, {', '.join(sets)}": versions for versions, sets in titles.items() if versions}


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
