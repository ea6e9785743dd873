"""How well the models of results files do on distributions of images, by the distributions' names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dad.errors import UsageError
from dad.variants.table import VARIANTS

Performance = dict[str, dict[str, float]]  # model -> distribution -> percent, or points


@dataclass(frozen=True)
class Scoreboard:
    """Numbers in percent, more is better: of each model on each test set, and its mean over the sets that all models
    were scored on (empty if there are none)."""

    scores: Mapping[str, Mapping[str, float]]
    means: Mapping[str, float]

    def performance(self, folders: Sequence[str]) -> Performance:
        """Return each model's number on each distribution that has one.

        A distribution named like a test set stands for the set. One named like a model stands for the images that this
        model was trained with: its number is the model's mean. Fig. 2 of the paper can be read as either.
        """
        return {
            model: {folder: number for folder in folders if (number := self._number(model, model, folder)) is not None}
            for model in self.scores
        }

    def relative_to(self, baseline: str, folders: Sequence[str]) -> Performance:
        """Return what each model gains or loses against `baseline`, in points; the baseline itself is 0.

        Raises:
            UsageError: there is no such model.
        """
        if baseline not in self.scores:
            raise UsageError(f"--baseline {baseline}: no such model; --scores has {', '.join(self.scores)}")
        gains: Performance = {model: {} for model in self.scores}
        for model, numbers in self.performance(folders).items():
            for folder, number in numbers.items():
                reference = self._number(baseline, model, folder)
                if reference is not None:
                    gains[model][folder] = number - reference
        return gains

    def _number(self, model: str, trained: str, folder: str) -> float | None:
        """Return a model's number on a distribution; that of the model `trained` stands for all test sets."""
        return self.means.get(model) if folder == trained else self.scores[model].get(folder)


def find_scoreboard(results: Sequence[Mapping[str, Any]], folders: Sequence[str]) -> Scoreboard:
    """Take each model's headline numbers from results files: top-1, 100 - mCE for ImageNet-C.

    Raises:
        UsageError: two models of one name, or no folder is named like a test set or a model.
    """
    names = [str(result.get("name") or result["model"]) for result in results]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"--scores: two models are called {twice}; score them under different names")
    scores = {name: _headlines(result["variants"]) for name, result in zip(names, results, strict=True)}
    common = set.intersection(*(set(numbers) for numbers in scores.values()))
    means = {name: fmean(numbers[variant] for variant in common) for name, numbers in scores.items() if common}
    known = sorted({*means, *(variant for numbers in scores.values() for variant in numbers)})
    if not set(folders) & set(known):
        raise UsageError(f"--folders: none is named like a test set or a model of --scores ({', '.join(known)})")
    return Scoreboard(scores, means)


def _headlines(variants: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    metrics = {variant.name: variant.metric for variant in VARIANTS}
    found = {}
    for name, scores in variants.items():
        metric = metrics.get(name, "top1")
        value = scores.get(metric)
        # more shape bias is not better
        if value is not None and scores.get("complete", True) and metric != "shape_bias":
            found[name] = 100 - value if metric == "mce" else float(value)
    return found
