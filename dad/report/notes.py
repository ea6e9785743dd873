"""What a reader of results has to know before comparing them: sets that are incomplete, images left out, and what stood
in for a part of the method."""

from collections.abc import Iterable

from dad.report.columns import columns_of
from dad.report.corruptions import missing_parts
from dad.report.results import Result, row_name

_SHOWN = 8  # names in one line; results.json has all


def notes_of(results: Iterable[Result]) -> list[str]:
    """Return a line for each set of each model of which something is missing, and for each substitute in its
    training."""
    return [f"{row_name(result)}, {line}" for result in results for line in _notes(result)]


def _notes(result: Result) -> list[str]:
    parts = result.get("trained_with", {}).items()
    lines = [f"trained with {name}: {value}" for name, value in parts if "substitute" in str(value)]
    for column in columns_of([result]):
        if column.beside:
            continue
        scores = column.scores(result) or {}
        if column.is_incomplete(result):
            parts = _some(missing_parts(column.name, scores))
            lines.append(f"{column.title}: incomplete, so there is no number for it{parts and f'; missing: {parts}'}")
        # not all that is listed counts: extra corruptions and outliers do not
        expected, listed = scores.get("expected"), scores.get("listed", scores.get("count", 0))
        if expected and listed != expected:
            lines.append(f"{column.title}: {listed:,} images, the published set has {expected:,}")
        if unreadable := scores.get("unreadable"):
            images = "1 image" if len(unreadable) == 1 else f"{len(unreadable):,} images"
            lines.append(f"{column.title}: {images} could not be read: {_some(unreadable)}")
    return lines


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
