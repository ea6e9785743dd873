"""What a reader of results has to know before comparing them: sets that are incomplete, images left out, and what stood
in for a part of the method."""

from collections.abc import Iterable, Sequence

from dad.report.columns import columns_of
from dad.report.corruptions import missing_parts
from dad.report.differences import are_alike
from dad.report.results import Result, row_name

TITLE = "Before you compare"
_SHOWN = 8  # names in one line; results.json has all


def notes_of(results: Iterable[Result]) -> list[str]:
    """Return a line for each set of each model of which something is missing, for each substitute in its training, and
    for each set that the models were not scored alike on."""
    results = list(results)
    lines = [f"{row_name(result)}, {line}" for result in results for line in _notes(result)]
    return [*lines, *_unlike(results)]


def format_notes(results: Iterable[Result]) -> str:
    """Return the notes as Markdown; empty if there are none."""
    lines = notes_of(results)
    return "\n".join([f"{TITLE}:", "", *(f"- {line}" for line in lines)]) if lines else ""


def _unlike(results: Sequence[Result]) -> list[str]:
    """Return a line for each set of which the models saw different images."""
    lines = []
    for column in columns_of(results):
        if column.beside or are_alike(results, column.name):
            continue
        counts = sorted({found["count"] for result in results if "count" in (found := column.scores(result) or {})})
        lines.append(
            f"{column.title}: the models were scored on different images, or on copies with other times of change "
            f"({' and '.join(f'{count:,}' for count in counts)} images): that alone may make them differ"
        )
    return lines


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
