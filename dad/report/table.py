"""Results as Markdown, aligned for terminals too."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from dad.markdown import format_rows
from dad.report.columns import SEVEN, Column, average_natural, average_seven, columns_of, metrics_of
from dad.report.results import Result, attacked_set, row_name

MISSING = "–"
INCOMPLETE = "incomplete"
ATTACKS = {"fgsm": "FGSM", "pgd": "PGD", "autoattack": "AutoAttack"}
ATTACK_HEADINGS = ("Attack", "Set", "Norm", "Epsilon", "Step size", "Steps", "Images", "Clean", "Under attack")
_AVERAGES = ("Avg natural", "Avg")  # in the order of `averages`
_LEVELS = 16  # larger radii are of other norms, and written as they are
_NORMS = {"linf": "L∞", "l2": "L2"}


def format_table(results: Iterable[Result]) -> str:
    """Return a table in the paper's shape: a row for each of `results`; the seven sets that the paper averages, the
    averages, and then the other sets that were scored. Own data have those of the seven and of the averages alone
    that there are."""
    results = list(results)
    columns = columns_of(results)
    seven = [column for column in columns if column.name in SEVEN]
    others = [column for column in columns if column.name not in SEVEN]
    shown = shown_averages(seven, results)
    headings = [column.heading for column in seven] + [_AVERAGES[number] for number in shown]
    rows = []
    for result in results:
        own = [format_number(averages(result)[number]) for number in shown]
        rows.append([row_name(result), *_cells(seven, result), *own, *_cells(others, result)])
    return format_rows([["Model", *headings, *(column.heading for column in others)], *rows])


def shown_averages(seven: Sequence[Column], results: Iterable[Result]) -> list[int]:
    """Return which of the two of `averages` a table has: both, or of own data those that a result has."""
    means = [averages(result) for result in results]
    return [place for place in range(2) if len(seven) == len(SEVEN) or any(mean[place] is not None for mean in means)]


def format_attacks(results: Iterable[Result]) -> str:
    """Return a table of the attacks of all `results`, with what an accuracy under attack means nothing without; empty
    if nothing was attacked."""
    rows = [[row_name(result), *attack_cells(attack)] for result in results for attack in result.get("attacks", ())]
    return format_rows([["Model", *ATTACK_HEADINGS], *rows]) if rows else ""


def attack_cells(attack: Mapping[str, Any]) -> list[str]:
    """Return the cells of an attack below `ATTACK_HEADINGS`."""
    return [
        ATTACKS.get(attack["attack"], str(attack["attack"])),
        _set_title(attack),
        format_norm(str(attack.get("norm", MISSING))),
        format_radius(attack.get("epsilon")),
        format_radius(attack.get("step_size")),
        MISSING if attack.get("steps") is None else str(attack["steps"]),
        MISSING if attack.get("count") is None else f"{attack['count']:,}",
        format_number(attack.get("clean_top1")),
        format_number(attack.get("top1")),
    ]


def _set_title(attack: Mapping[str, Any]) -> str:
    name = attacked_set(attack)
    known = {column.name: column.title for column in columns_of([])}
    return str(attack.get("title") or known.get(name, name))


def averages(result: Result) -> tuple[float | None, float | None]:
    """Return a model's averages over the natural shifts and over the seven sets."""
    metrics = metrics_of(result)
    return average_natural(metrics), average_seven(metrics)


def format_number(value: float | None) -> str:
    """Return a percentage as the paper prints it, or a dash."""
    return MISSING if value is None else f"{value:.1f}"


def format_norm(name: str) -> str:
    """Return a norm as papers write it."""
    return _NORMS.get(name, name)


def format_radius(value: float | None) -> str:
    """Return the size of an attack as papers write it: a small one in 255ths, if it is a multiple of a quarter."""
    if value is None:
        return MISSING
    levels = Fraction(round(value * 255 * 4), 4)
    return (
        f"{float(levels):g}/255" if 0 < levels <= _LEVELS and abs(float(levels) / 255 - value) < 1e-5 else f"{value:g}"
    )


def _cells(columns: Sequence[Column], result: Result) -> list[str]:
    return [INCOMPLETE if column.is_incomplete(result) else format_number(column.value(result)) for column in columns]
