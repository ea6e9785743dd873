"""Scores of a set's groups, and of its own classes alone."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dad.evaluation.judge import Answers
from dad.evaluation.metrics import wilson_interval
from dad.images.classes import imagenet_folders
from dad.variants import ImageSet
from dad.variants.groups import GROUPED

Scores = dict[str, Any]


def group_scores(image_set: ImageSet, answers: Answers, readable: NDArray[np.bool_], classes: Sequence[str]) -> Scores:
    """Return the scores of each group of images, the worst group, and the mean over groups; nothing for other sets.

    Where a group is missing, or nothing of it can be read, there is neither a worst one nor a mean. Of a set with its
    originals (`reference`) also how much less the mean is than the accuracy on these. Of images that are to be taken
    for another class, the share for which they are, without those of that class (`fooled`).
    """
    variant = image_set.variant
    if variant.layout not in GROUPED:
        return {}
    hits = answers.places < 1
    found = {name: _share(hits[part][readable[part]]) for name, part in image_set.parts.items()}
    for name, share in found.items() if variant.targets else ():
        share |= _fooled(image_set, answers, readable, name, classes)
    reference = found.pop(variant.reference, None)
    groups = {name: found.get(name) or _share(np.empty(0, dtype=bool)) for name in [*found, *variant.groups]}
    scores: Scores = {"groups": groups, "complete": all(group["count"] for group in groups.values())}
    if scores["complete"]:
        worst = min(groups, key=lambda name: groups[name]["top1"])
        scores |= {
            "mean_top1": fmean(group["top1"] for group in groups.values()),
            "worst_group": worst,
            "worst_group_top1": groups[worst]["top1"],
            "worst_group_top1_interval": groups[worst]["top1_interval"],
        }
        if variant.targets:
            scores["fooled"] = fmean(group["fooled"] for group in groups.values())
    if reference is not None:
        scores["reference"] = reference
        if scores["complete"] and reference["count"]:
            scores["drop"] = reference["top1"] - scores["mean_top1"]
    return scores


def _fooled(
    image_set: ImageSet, answers: Answers, readable: NDArray[np.bool_], name: str, classes: Sequence[str]
) -> Scores:
    """Return the share of a group's images of other classes that are taken for its target."""
    target, part = classes.index(imagenet_folders()[image_set.variant.targets[name]]), image_set.parts[name]
    others = readable[part] & (image_set.labels[part] != target)
    taken = answers.predictions[part][others] == target
    return {"fooled": 100 * float(taken.mean()) if len(taken) else 0.0}


def own_scores(image_set: ImageSet, answers: Answers, scored: NDArray[np.bool_]) -> Scores:
    """Return the accuracy among the classes alone that a set has images of, where it has not all of them."""
    if answers.own_places is None:
        return {}
    share = _share(answers.own_places[scored] < 1)
    return {
        "own_classes": len(image_set.own_classes),
        "among": image_set.num_columns,
        "own_top1": share["top1"],
        "own_top1_interval": share["top1_interval"],
    }


def describe_groups(scores: Mapping[str, Any]) -> str:
    """Return what the line on a set says of its groups and of its own classes."""
    line = ""
    if scores.get("own_top1") is not None:
        line += f" among its {scores['own_classes']:,} classes {scores['own_top1']:.3f}"
    if scores.get("worst_group") is not None:
        line += f" mean of {len(scores['groups'])} groups {scores['mean_top1']:.3f}"
        line += f" worst group '{scores['worst_group']}' {scores['worst_group_top1']:.3f}"
    if scores.get("drop") is not None:
        line += f" originals {scores['reference']['top1']:.3f} drop {scores['drop']:.3f}"
    if scores.get("fooled") is not None:
        line += f" taken for the patch's class {scores['fooled']:.3f}"
    return line


def _share(hits: NDArray[np.bool_]) -> Scores:
    correct, count = int(hits.sum()), len(hits)
    top1 = 100 * correct / count if count else None
    return {"top1": top1, "top1_interval": list(wilson_interval(correct, count)), "count": count, "correct": correct}
