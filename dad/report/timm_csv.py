"""Results as CSV: the columns of timm's published results first, then what timm's files do not say."""

import csv
import io
from collections.abc import Container, Iterable, Mapping
from typing import Any

from dad.report.columns import Column, columns_of
from dad.report.results import Result, row_name
from dad.report.worst_classes import worst_classes

COLUMNS = (
    *("model", "img_size", "top1", "top1_err", "top5", "top5_err", "param_count", "crop_pct", "interpolation"),
    *("name", "checkpoint", "variant", "count", "metric", "value"),
    *("ece", "brier", "nll", "temperature", "scaled_ece", "scaled_brier", "scaled_nll"),
    *("worst_class", "worst_class_top1", "worst_tenth_top1"),
)
_DECIMALS = 4  # as timm's


def format_csv(results: Iterable[Result]) -> str:
    """Return a line for each model and each set that it was scored on; cells of what is not known are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerows(_line(result, column) for column in columns_of([result]) if column.scores(result))
    return text.getvalue()


def in_short(result: Result, names: Container[str]) -> dict[str, Any]:
    """Return a model's numbers as timm's bulk runner reads them: its columns, of the first of the sets `names`, and
    beside them the headline number of each set that was ever scored."""
    columns = [column for column in columns_of([result]) if column.scores(result)]
    asked = [column for column in columns if column.name in names]
    line = _line(result, asked[0]) if asked else dict.fromkeys(COLUMNS)
    timms = {key: line[key] for key in COLUMNS[: COLUMNS.index("variant")]}
    return {**timms, "model": result["model"], "name": row_name(result)} | {
        "variants": {column.name: _rounded(column.value(result)) for column in columns}
    }


def _line(result: Result, column: Column) -> dict[str, Any]:
    scores, settings = column.scores(result) or {}, result.get("settings", {})
    return {
        "model": result["model"],
        "img_size": settings["input_size"][-1] if "input_size" in settings else None,
        **_accuracy("top1", scores),
        **_accuracy("top5", scores),
        "param_count": _rounded(result.get("param_count")),
        "crop_pct": settings.get("crop_pct"),
        "interpolation": settings.get("interpolation"),
        "name": row_name(result),
        "checkpoint": result.get("checkpoint"),
        "variant": column.beside or column.name,
        "count": scores.get("count"),
        "metric": column.metric,
        "value": _rounded(column.value(result)),
        **({} if column.beside else _measures(scores)),
    }


def _measures(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return calibration and worst classes, as far as they are known."""
    plain, worst = scores.get("calibration", {}), worst_classes(scores)
    scaled = plain.get("scaled", {})
    numbers = {name: _rounded(plain.get(name)) for name in ("ece", "brier", "nll")}
    numbers |= {f"scaled_{name}": _rounded(scaled.get(name)) for name in ("ece", "brier", "nll")}
    numbers["temperature"] = _rounded(scaled.get("temperature"))
    if worst is None:
        return numbers
    return {
        **numbers,
        "worst_class": worst.folder,
        "worst_class_top1": _rounded(worst.top1),
        "worst_tenth_top1": _rounded(worst.tenth),
    }


def _accuracy(key: str, scores: Mapping[str, Any]) -> dict[str, float | None]:
    value = scores.get(key)
    return {key: _rounded(value), f"{key}_err": _rounded(None if value is None else 100 - value)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
