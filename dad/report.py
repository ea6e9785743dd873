"""Print results files as one table in the paper's shape: `python -m dad.report output/plain/results.json ...`."""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from dad.errors import DataError, run_script
from dad.tables import format_rows
from dad.variants import VARIANTS, Variant

_NATURAL = ("imagenet-r", "imagenet-sketch", "imagenet-a")
_SEVEN = ("imagenet", "imagenetv2", *_NATURAL, "imagenet-c", "imagenet-style")  # the columns of the paper's tables
_MISSING = "–"


def format_table(results: Iterable[Mapping[str, Any]]) -> str:
    """Return a Markdown table, aligned for terminals too: a row for each of `results`, a column for each variant."""
    titles = [f"{variant.title} (mCE ↓)" if variant.metric == "mce" else variant.title for variant in VARIANTS]
    return format_rows([["Model", *titles, "Avg natural", "Avg"]] + [_row(result) for result in results])


def average_natural(metrics: Mapping[str, float | None]) -> float | None:
    """Return the mean of R, Sketch and A (paper, Table 1), or None if one is missing; keys are variants' names."""
    return _mean(metrics.get(name) for name in _NATURAL)


def average_seven(metrics: Mapping[str, float | None]) -> float | None:
    """Return the mean of the seven sets with 100 − mCE for C (paper, Tables 3 to 6), or None if one is missing."""
    mce = metrics.get("imagenet-c")
    accuracies = {**metrics, "imagenet-c": None if mce is None else 100 - mce}
    return _mean(accuracies.get(name) for name in _SEVEN)


def format_scores(name: str, scores: Mapping[str, Any], seconds: float) -> str:
    """Return one line on the scores of the variant `name`."""
    line = f"{name:<21} Acc@1 {scores['top1']:.3f} Acc@5 {scores['top5']:.3f}"
    if not scores.get("complete", True):
        line += " mCE incomplete: not all of its folders are there"
    elif "mce" in scores:
        line += f" mCE {scores['mce']:.3f}"
    return f"{line} ({scores['count']} images, {seconds:.1f} s)"


def load_results(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Read results files, each of one model or a list of several, in order.

    Raises:
        DataError: a file is missing or no results file.
    """
    return [result for path in paths for result in _load_file(Path(path))]


def _load_file(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; validate.py writes it (--results-file)")
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not readable as JSON ({error}); run validate.py again") from None
    results = content if isinstance(content, list) else [content]
    if not results or not all(isinstance(result, dict) and {"model", "variants"} <= set(result) for result in results):
        raise DataError(
            f"{path}: not a results file; expected an object with 'model' and 'variants', or a list of them"
        )
    return results


def _row(result: Mapping[str, Any]) -> list[str]:
    scores = result["variants"]
    metrics = {variant.name: scores.get(variant.name, {}).get(variant.metric) for variant in VARIANTS}
    cells = [_cell(variant, scores.get(variant.name), metrics[variant.name]) for variant in VARIANTS]
    averages = [average_natural(metrics), average_seven(metrics)]
    return [str(result.get("name") or result["model"]), *cells, *map(_number, averages)]


def _cell(variant: Variant, scores: Mapping[str, Any] | None, metric: float | None) -> str:
    incomplete = scores is not None and not scores.get("complete", True)
    return "incomplete" if incomplete else _number(metric)


def _number(value: float | None) -> str:
    return _MISSING if value is None else f"{value:.1f}"


def _mean(values: Iterable[float | None]) -> float | None:
    known = list(values)
    return None if None in known else fmean(value for value in known if value is not None)


def main(argv: list[str] | None = None) -> None:
    """Print the table of the results files on the command line."""
    parser = argparse.ArgumentParser(prog="python -m dad.report", description="Print results files as one table.")
    parser.add_argument("results", nargs="+", metavar="FILE", help="results.json of validate.py")
    print(format_table(load_results(parser.parse_args(argv).results)))


if __name__ == "__main__":
    sys.exit(run_script(main))
