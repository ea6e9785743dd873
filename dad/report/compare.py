"""Models against the first one, image by image: `python -m dad.report a.json b.json --compare`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dad.errors import DataError, UsageError
from dad.markdown import format_rows
from dad.report.columns import Column
from dad.report.differences import AVERAGES
from dad.report.paired import RESAMPLES, SEED
from dad.report.pairs import FEWEST_PHOTOS, Difference, Pairs, scored_by_both
from dad.report.results import row_name
from dad.report.table import MISSING, format_number

ABOUT = (
    f"Differences on the same images, in points; intervals of 95 % by bootstrap over photos ({RESAMPLES:,} resamples, "
    f"seed {SEED}), where all versions of a photo, known by its class and its file's name, are drawn together. p is of "
    "McNemar's exact test, not corrected for the number of sets. All of it is of the images alone: another seed of a "
    "training moves a number too."
)
_AVERAGE_TITLES = {"average natural": "Avg natural", "average seven": "Avg"}


@dataclass
class PairedTable:
    """Two results on all sets that can be compared: rows of cells below `headings`, and what could not be compared."""

    title: str
    headings: list[str]
    rows: list[list[str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def compare(pairs: Pairs) -> list[PairedTable]:
    """Return each further result compared with the first.

    Raises:
        UsageError: there is one result alone. DataError: no set of any two can be compared.
    """
    if len(pairs.results) < 2:
        raise UsageError("--compare: it takes two results at least, of one file or of several")
    found = [_compare(pairs, 0, place) for place in range(1, len(pairs.results))]
    if not any(comparison.rows for comparison in found):
        raise DataError(f"--compare: {'; '.join(line for comparison in found for line in comparison.left_out)}")
    return found


def _compare(pairs: Pairs, first: int, second: int) -> PairedTable:
    one, other = (row_name(pairs.results[place]) for place in (first, second))
    headings = ["Set", one, other, "Difference", "95 % interval", "Only first", "Only second", "p", "Images", "Photos"]
    comparison = PairedTable(f"{other} minus {one}", headings)
    reasons: dict[str, list[str]] = {}
    for column in scored_by_both(pairs.results, first, second):
        difference = pairs.difference([column.name], first, second)
        if isinstance(difference, str):
            reasons.setdefault(difference, []).append(column.title)
        else:
            comparison.rows.append(_row(column, difference, pairs, first, second))
    for name, sets in AVERAGES.items():
        difference = pairs.difference(sets, first, second)
        if not isinstance(difference, str):
            cells = _cells(difference)
            comparison.rows.append([_AVERAGE_TITLES[name], *[MISSING] * 2, *cells[:2], *[MISSING] * 3, *cells[-2:]])
    if not comparison.rows and not reasons:
        reasons["no set was scored for both"] = [comparison.title]
    comparison.left_out = [f"{', '.join(titles)}: {why}" for why, titles in reasons.items()]
    return comparison


def _row(column: Column, difference: Difference, pairs: Pairs, first: int, second: int) -> list[str]:
    numbers = [format_number(column.value(pairs.results[place])) for place in (first, second)]
    return [column.heading, *numbers, *_cells(difference)]


def _cells(found: Difference) -> list[str]:
    low, high = found.interval
    interval = f"{low:+.2f} to {high:+.2f}" if found.photos >= FEWEST_PHOTOS else MISSING
    return [
        f"{found.value:+.2f}", interval, *(f"{count:,}" for count in found.only), format_p(found.p),
        f"{found.images:,}", f"{found.photos:,}",
    ]  # fmt: skip


def format_p(p: float | None) -> str:
    """Return a p-value as it is printed, or a dash."""
    if p is None:
        return MISSING
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def format_paired(comparisons: Iterable[PairedTable]) -> str:
    """Return the comparisons as Markdown."""
    parts = [ABOUT]
    for comparison in comparisons:
        parts += [f"{comparison.title}:"]
        parts += [format_rows([comparison.headings, *comparison.rows])] if comparison.rows else []
        parts += [f"not compared: {line}" for line in comparison.left_out]
    return "\n\n".join(parts)
