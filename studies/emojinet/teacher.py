"""What the foundation teacher scores on the study's test sets, which says on which of them it has something to give."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dad.errors import DataError, UsageError
from dad.files import to_json, write_atomically
from dad.report.results import is_teacher, load_results
from dad.variants.table import VARIANTS
from studies.emojinet.methods import RECIPES, ROOT, TEACHERS
from studies.emojinet.sets import OWN_SETS

_METRICS = {variant.name: variant.metric for variant in VARIANTS}


def score_teacher(
    data: Path, results: Path, recipes: Path = RECIPES, teacher: str = TEACHERS["clip"], device: str = "cpu"
) -> str:
    """Score the teacher by validate.py, write its headline numbers as JSON and return a line for each.

    Args:
        data: EmojiNet's folder, rendered by the study; of its own sets, those in a folder `sets` beside it are scored.
        results: file that is written: a number by variant, top-1 in percent, of imagenet-c the mCE.
        recipes: folder of validate.py's.
        teacher: its spec.

    Raises:
        UsageError: there is no data.
        DataError: validate.py failed.
    """
    if not data.is_dir():
        raise UsageError(f"--data {data}: no such folder; `python -m studies.emojinet run` renders it")
    with TemporaryDirectory() as folder:
        scored = Path(folder) / "results.json"
        words = [
            "validate.py", "--config", str(recipes / "validate.yaml"), "--data-dir", str(data.resolve()), "--teacher",
            teacher, "--device", device, "--results-file", str(scored), *own_sets(data.parent / "sets"),
        ]  # fmt: skip
        if code := subprocess.run([sys.executable, *words], cwd=ROOT).returncode:
            raise DataError(f"validate.py ended with {code}; what it wrote above says why")
        scores = headlines(load_results([str(scored)]))
    write_atomically(results, to_json(scores, indent=1))
    return "\n".join([*(f"{name}: {value:.1f}" for name, value in scores.items()), f"written: {results}"])


def own_sets(folder: Path) -> list[str]:
    """Return the flags of validate.py for the study's own sets below `folder`, as far as they are there."""
    there = [f"{name}={(folder / name).resolve()}" for name in OWN_SETS if (folder / name).is_dir()]
    return ["--extra-set", *there] if there else []


def headlines(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the teacher's headline number by variant from what validate.py wrote, to three decimals."""
    entry = next(entry for entry in results if is_teacher(entry))
    return {
        OWN_SETS.get(name, name): round(float(scores[_METRICS.get(name, "top1")]), 3)
        for name, scores in entry["variants"].items()
    }  # fmt: skip
