"""The columns of a table of results: the seven sets that the paper averages, and whatever else was scored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from dad.report.results import Result, has_other_classes
from dad.variants.table import VARIANTS

NATURAL = ("imagenet-r", "imagenet-sketch", "imagenet-a")
SEVEN = ("imagenet", "imagenetv2", *NATURAL, "imagenet-c", "imagenet-style")
_MARKS = {"mce": " (mCE ↓)", "aupr": " (AUPR)", "mean_top1": " (mean)", "shape_bias": ""}
# Further numbers of sets that the table does not have, each in a column beside the set's own.
_BESIDE = {"own_top1": " (own classes)", "worst_group_top1": " (worst group)"}


@dataclass(frozen=True)
class Column:
    """A test set, and the number that stands for it."""

    name: str
    title: str
    metric: str
    beside: str = ""  # the set whose further number this is: such a column stands beside the set's own

    @property
    def heading(self) -> str:
        """The title, with the metric where it is not top-1."""
        return self.title + (_MARKS | _BESIDE).get(self.metric, "")

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is an error."""
        return self.metric == "mce"

    def scores(self, result: Result) -> Mapping[str, Any] | None:
        """Return a model's scores on the set, if it was scored on it."""
        scores: Mapping[str, Any] | None = result["variants"].get(self.beside or self.name)
        return scores

    def is_incomplete(self, result: Result) -> bool:
        """Whether a model was scored on a part of the set's folders only, so that its number would be another one."""
        return not (self.scores(result) or {}).get("complete", True)

    def value(self, result: Result) -> float | None:
        """Return a model's number, in percent."""
        scores = self.scores(result)
        return None if scores is None or self.is_incomplete(result) else scores.get(self.metric)

    def interval(self, result: Result) -> tuple[float, float] | None:
        """Return the 95 % interval of a model's number; only plain accuracies have one."""
        known = (self.scores(result) or {}).get(f"{self.metric}_interval")
        return (known[0], known[1]) if known else None


_TABLE = tuple(Column(variant.name, variant.title, variant.metric) for variant in VARIANTS)


def columns_of(results: Iterable[Result]) -> list[Column]:
    """Return the paper's seven columns in the table's order, then those of the other sets that a result has.

    Of the seven, own data have those alone that were scored: none if there are extra sets only.
    """
    results = list(results)
    scored: dict[str, Mapping[str, Any]] = {}
    for result in results:
        scored.update(result["variants"])
    seven = [column for column in _TABLE if column.name in SEVEN]
    if results and not any(_is_of_the_paper(result) for result in results):
        seven = [column for column in seven if column.name in scored]
        if [column.name for column in seven] == ["imagenet"]:  # `val/` below an own data root
            seven = [replace(seven[0], title="Validation")]
    others = [column for column in _TABLE if column.name in scored and column.name not in SEVEN]
    known = {column.name for column in _TABLE}
    own = sorted(scored.keys() - known, key=lambda name: (not scored[name].get("part_of"), name))  # parts come first
    extra = [column for name in own for column in _extra_columns(name, results)]
    return [*seven, *others, *extra]


def column_of(name: str) -> Column:
    """Return the column of a set of the table of variants."""
    return next(column for column in _TABLE if column.name == name)


def metrics_of(result: Result) -> dict[str, float | None]:
    """Return a model's number of each set of the table of variants; those of others are not the paper's."""
    return {column.name: column.value(result) for column in _TABLE}


def average_natural(metrics: Mapping[str, float | None]) -> float | None:
    """Return the mean of R, Sketch and A (paper, Table 1), or None if one is missing; keys are variants' names."""
    return average_over(NATURAL, metrics)


def average_seven(metrics: Mapping[str, float | None]) -> float | None:
    """Return the mean of the seven sets with 100 − mCE for C (paper, Tables 3 to 6), or None if one is missing."""
    return average_over(SEVEN, metrics)


def average_over(names: Iterable[str], metrics: Mapping[str, float | None]) -> float | None:
    """Return the mean of the sets `names`, C's mCE taken as 100 − mCE, or None if one is missing."""
    values = []
    for name in names:
        value = metrics.get(name)
        if value is None:
            return None
        values.append(100 - value if name == "imagenet-c" else value)
    return fmean(values)


def _is_of_the_paper(result: Result) -> bool:
    """Whether a model was scored on sets of the paper, as far as its file tells."""
    return not has_other_classes(result) and any(name in result["variants"] for name in SEVEN)


def _extra_columns(name: str, results: Iterable[Result]) -> list[Column]:
    """Return the columns of a set that the table of variants does not have: as its scores say, in files that say it."""
    found: list[Mapping[str, Any]] = [result["variants"][name] for result in results if name in result["variants"]]
    last = found[-1]
    metric = next((metric for metric in _MARKS if last.get(metric) is not None), "top1")
    title = str(last.get("title", name))
    further = [metric for metric in _BESIDE if any(scores.get(metric) is not None for scores in found)]
    return [
        Column(name, title, str(last.get("metric", metric))),
        *(Column(f"{name} {metric}", title, metric, beside=name) for metric in further),
    ]
