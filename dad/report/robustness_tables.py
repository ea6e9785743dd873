"""Effective robustness and transfer in words and in Markdown."""

from collections.abc import Iterable, Sequence

from dad.markdown import format_rows
from dad.report.beside import other_classes
from dad.report.columns import Column, column_of, columns_of
from dad.report.results import Result, has_imagenets_classes, has_other_classes, row_name
from dad.report.robustness import Above, Comparison, Share, above_line, has_line, share_of_surplus
from dad.report.table import MISSING, format_number
from dad.report.trend import TREND_SETS, trend_lines

EXTRAPOLATED = "*"


def format_robustness(results: Sequence[Result]) -> str:
    """Return effective robustness as a table with what it is, and why others have none; empty for files that do not
    say which classes they are of."""
    parts = []
    if any(map(has_line, results)):
        columns = trend_columns()
        rows = [["Model", "ImageNet", *(column.title for column in columns)]]
        for result in filter(has_line, results):
            clean = result["variants"]["imagenet"]["top1"]
            cells = [above_text(above_line(result, column.name)) for column in columns]
            rows.append([row_name(result), format_number(clean), *cells])
        parts = [f"Effective robustness: {robustness_about()}", format_rows(rows)]
    if parts or any(map(has_other_classes, results)):
        parts += without_line(results)
    return "\n\n".join(parts)


def format_transfer(comparison: Comparison) -> str:
    """Return the transfer of each student as a table with what it is, and why there is none on some sets."""
    columns, notes = transfer_columns(comparison)
    parts = [f"Transfer: {transfer_about(comparison)}"]
    if columns:
        rows = [["Model", *(column.heading for column in columns)]]
        for student in comparison.students:
            cells = [share_text(share_of_surplus(column, student, comparison)) for column in columns]
            rows.append([row_name(student), *cells])
        parts.append(format_rows(rows))
    return "\n\n".join([*parts, *notes])


def robustness_about() -> str:
    """Say what effective robustness is, with how many models its lines are drawn through."""
    count = next(iter(trend_lines().values())).count
    return (
        f"points above the line of {count:,} published models without a teacher and other data than ImageNet-1k, at "
        "the same ImageNet accuracy, with the 95 % interval of the images alone."
    )


def transfer_about(comparison: Comparison) -> str:
    """Say what transfer is, and between which models."""
    teacher, baseline = row_name(comparison.teacher), row_name(comparison.baseline)
    return (
        f"the share of the surplus of {teacher} over {baseline} that has arrived in a student, with its 95 % interval."
    )


def without_line(results: Iterable[Result]) -> list[str]:
    """Say which models and sets have no effective robustness, and whose is extrapolated."""
    results = list(results)
    lines, known = [], [result for result in results if has_imagenets_classes(result)]
    others: dict[str, list[str]] = {}
    for result in results:
        if not has_imagenets_classes(result):
            others.setdefault(other_classes(result), []).append(row_name(result))
    for classes, names in others.items():
        lines.append(f"{', '.join(names)}: {classes}; no published models have them, so there is no line to lie above.")
    unscored = [row_name(result) for result in known if "imagenet" not in result["variants"]]
    if unscored:
        lines.append(f"{', '.join(unscored)}: not scored on ImageNet's validation images, by which the lines go.")
    outside = [column.title for column in columns_of(known) if column.name not in (*TREND_SETS, "imagenet")
               and any(column.scores(result) for result in known)]  # fmt: skip
    if outside:
        lines.append(f"No line for {', '.join(outside)}: results of the published models are for other sets.")
    far = [row_name(result) for result in known if any(is_far(result, name) for name in TREND_SETS)]
    if far:
        line = next(iter(trend_lines().values()))
        lines.append(
            f"{EXTRAPOLATED} extrapolated: the ImageNet accuracy of {', '.join(far)} lies outside of the published "
            f"models' {line.lowest:.1f} to {line.highest:.1f}."
        )
    return lines


def is_far(result: Result, name: str) -> bool:
    """Whether a model's effective robustness on a set is from the line's prolongation."""
    above = above_line(result, name)
    return above is not None and above.is_extrapolated


def trend_columns() -> list[Column]:
    """Return the columns of the sets that have a line."""
    return [column_of(name) for name in TREND_SETS]


def transfer_columns(comparison: Comparison) -> tuple[list[Column], list[str]]:
    """Return the sets on which a student has a share of the surplus, and in words why others have none."""
    columns, notes = [], []
    for column in columns_of([comparison.baseline, comparison.teacher, *comparison.students]):
        shares = [share_of_surplus(column, student, comparison) for student in comparison.students]
        if any(share is not None and share.value is not None for share in shares):
            columns.append(column)
        elif reasons := dict.fromkeys(share.why for share in shares if share is not None):
            notes.append(f"No share on {column.title}: {'; '.join(reasons)}.")
    return columns, notes


def above_text(above: Above | None) -> str:
    """Return "+23.4 (22.6 to 24.1)", with a mark where it is extrapolated."""
    if above is None:
        return MISSING
    points, mark = above.points, EXTRAPOLATED if above.is_extrapolated else ""
    text = f"{points.value:+.1f}{mark}"
    interval = (points.value - points.below, points.value + points.above)
    return f"{text} ({interval[0]:+.1f} to {interval[1]:+.1f})" if abs(interval[0]) < float("inf") else text


def share_text(share: Share | None) -> str:
    """Return "63 % (61 to 65)"."""
    if share is None or share.value is None:
        return MISSING
    text = f"{100 * share.value:.0f} %"
    return f"{text} ({100 * share.interval[0]:.0f} to {100 * share.interval[1]:.0f})" if share.interval else text
