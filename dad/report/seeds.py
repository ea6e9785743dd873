"""Several seeds of one training: mean, standard deviation and interval of what their runs score.

Runs belong together where their checkpoints say that they were trained alike but for the seed, and where they were
scored alike. Rows of single runs stay where they are.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os.path import commonprefix
from pathlib import Path
from statistics import fmean, stdev

from dad.charts.svg import element
from dad.markdown import format_rows
from dad.report.columns import NATURAL, SEVEN, Column, columns_of
from dad.report.markup import head_row, row_head, scrolling_table, section
from dad.report.results import Result, row_name
from dad.report.table import MISSING, averages, shown_averages

ABOUT = (
    "Of runs that differ in the seed alone: mean ± standard deviation, and the 95 % interval of the mean by Student's "
    "t, which is wide for two runs."
)
_AVERAGES = ("Avg natural", "Avg")  # in the order of `averages`
_SHARE = 0.95


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and 95 % interval of the mean of several runs, by Student's t."""

    mean: float
    deviation: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class SeedGroup:
    """Results of one training with several seeds, in ascending order of these."""

    results: tuple[Result, ...]

    @property
    def name(self) -> str:
        """What the runs' names have in common, if that is most of them; otherwise all names."""
        names = [row_name(result) for result in self.results]
        start = commonprefix(names)  # noqa: RUF071  (characters are meant)
        return f"{start}*" if 2 * len(start) >= max(map(len, names)) else ", ".join(names)

    @property
    def seeds(self) -> str:
        """The seeds, in words."""
        return ", ".join(str(result["training"]["seed"]) for result in self.results)


def seed_groups(results: Sequence[Result]) -> tuple[list[SeedGroup], list[str]]:
    """Return the results that differ in the seed alone, two or more each, and a line on what could not be grouped."""
    alike: dict[str, list[Result]] = {}
    for result in results:
        if result.get("training"):
            alike.setdefault(_key(result), []).append(result)
    groups, left_out = [], []
    for found in (part for every in alike.values() for part in _told_apart(every)):
        once = {result.get("checkpoint_hash"): result for result in found}.values()  # a file in two results files
        seeds = [result["training"]["seed"] for result in once]
        if len(set(seeds)) < len(seeds) and len(seeds) > 1:
            names = ", ".join(row_name(result) for result in once)
            left_out.append(f"{names}: trained alike, but some with the same seed; no mean over seeds")
        elif len(seeds) > 1:
            groups.append(SeedGroup(tuple(sorted(once, key=lambda result: result["training"]["seed"]))))
    return groups, left_out


def seed_rows(results: Sequence[Result]) -> tuple[list[list[str]], list[str]]:
    """Return titles and a row for each group of seeds, and lines on what it lacks; no rows if there is no group."""
    groups, notes = seed_groups(results)
    columns = columns_of([result for group in groups for result in group.results]) if groups else []
    seven = [column for column in columns if column.name in SEVEN]
    shown = shown_averages(seven, [result for group in groups for result in group.results])
    rows = []
    for group in groups:
        reasons: dict[str, list[str]] = {}
        cells = [_cell(group, column, reasons) for column in columns]
        notes += [f"{group.name}, {', '.join(sets)}: {why}; no mean over seeds" for why, sets in reasons.items()]
        rows.append([group.name, group.seeds, *cells, *(_average_cell(group, place) for place in shown)])
    titles = ["Model", "Seeds", *(column.heading for column in columns), *(_AVERAGES[place] for place in shown)]
    return ([titles, *rows] if rows else []), notes


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of two or more values."""
    mean, deviation = fmean(values), stdev(values)
    half = t_quantile(len(values) - 1) * deviation / math.sqrt(len(values))
    return Spread(mean, deviation, (mean - half, mean + half))


def t_quantile(degrees: int) -> float:
    """Return within which distance of 0 Student's t lies in 95 % of all draws, by bisection of its distribution."""
    low, high = 0.0, 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < _SHARE else (low, middle)
    return low


def _within(distance: float, degrees: int) -> float:
    """Return how often Student's t lies within a distance of 0 (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan(distance / math.sqrt(degrees))
    power = degrees % 2
    term, total = math.cos(angle) ** power, 0.0
    while power <= degrees - 2:
        total += term
        term *= math.cos(angle) ** 2 * (power + 1) / (power + 2)
        power += 2
    if degrees % 2:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def _key(result: Result) -> str:
    """Return what has to be the same but for the seed: which checkpoint of a run it is, too."""
    recipe = result["training"].get("recipe")
    same = [recipe, result["model"], result.get("weights"), result.get("settings"), _checkpoint_name(result)]
    return json.dumps(same, sort_keys=True)


def _told_apart(results: list[Result]) -> list[list[Result]]:
    """Divide results by what some of them tell of their trainings and others do not, which older files do not: the
    epoch, unless the checkpoint was chosen as the run's best, and the images of an update."""
    parts = [results]
    for name in ("epoch", "images_per_update"):
        if name == "epoch" and _checkpoint_name(results[0]).startswith("model_best"):
            continue
        parts = [divided for part in parts for divided in _divide(part, name)]
    return parts


def _divide(results: list[Result], name: str) -> list[list[Result]]:
    values = [result["training"].get(name) for result in results]
    if len(set(values) - {None}) < 2:  # who tells nothing may be alike
        return [results]
    return [[one for one, own in zip(results, values, strict=True) if own == value] for value in dict.fromkeys(values)]


def _checkpoint_name(result: Result) -> str:
    return Path(str(result.get("checkpoint"))).name


def _average_cell(group: SeedGroup, place: int) -> str:
    if any(len(_images(group, name)) > 1 for name in (NATURAL, SEVEN)[place]):
        return MISSING
    return _spread_text([averages(result)[place] for result in group.results])


def _images(group: SeedGroup, name: str) -> set[str | None]:
    """Return the digests of the images that the runs were scored on: one, if all on the same."""
    return {result["variants"].get(name, {}).get("images") for result in group.results}


def _cell(group: SeedGroup, column: Column, reasons: dict[str, list[str]]) -> str:
    images = _images(group, column.beside or column.name)
    if len(images) > 1:
        known = [row_name(result) for result in group.results if column.scores(result)]
        all_of_them = len(known) == len(group.results)
        why = "scored on different images" if all_of_them else f"scored for {', '.join(known)} alone"
        reasons.setdefault(why, []).append(column.title)
    return MISSING if len(images) > 1 else _spread_text([column.value(result) for result in group.results])


def _spread_text(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return MISSING
    found = spread(known)
    return f"{found.mean:.1f} ± {found.deviation:.1f} ({found.interval[0]:.1f}–{found.interval[1]:.1f})"


def format_seeds(results: Sequence[Result]) -> str:
    """Return the groups as Markdown; empty if there is nothing to tell."""
    rows, notes = seed_rows(results)
    parts = [ABOUT, format_rows(rows)] if rows else []
    return "\n\n".join([*parts, *notes])


def seeds_section(results: Sequence[Result]) -> str:
    """Return the groups as a section of the card; empty if there is nothing to tell."""
    rows, notes = seed_rows(results)
    if not rows and not notes:
        return ""
    parts = [element("p", escape(f"{note}."), class_="about") for note in notes]
    if rows:
        body = [_row(row) for row in rows[1:]]
        parts.insert(0, scrolling_table([head_row(rows[0], 2)], body, "numbers", "several seeds"))
    return section("Several seeds", ABOUT if rows else "", *parts)


def _row(row: Sequence[str]) -> str:
    name, seeds, *cells = row
    values = [cell.rstrip(")").partition(" (") for cell in cells]
    numbers = [element("td", value, element("small", interval) if interval else "") for value, _, interval in values]
    return element("tr", row_head(name), element("td", escape(seeds), class_="word"), *numbers)
