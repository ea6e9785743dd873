"""The groups of a set in the card: their accuracies, the worst first."""

from collections.abc import Mapping
from typing import Any

from dad.charts.bars import Bar

_SHOWN = 24  # bars of a chart; results.json has all groups


def group_bars(scores: Mapping[str, Any]) -> list[Bar]:
    """Return a bar for each group, with its interval; of many groups the worst."""
    groups = scores.get("groups", {}).items()
    worst = sorted(groups, key=lambda pair: (pair[1]["top1"] is None, pair[1]["top1"] or 0.0, pair[0]))
    return [_bar(name, group) for name, group in worst[:_SHOWN]]


def about_groups(scores: Mapping[str, Any]) -> str:
    """Return a sentence on the chart of groups."""
    groups = scores.get("groups", {})
    which = f"the worst {_SHOWN} of {len(groups)} groups" if len(groups) > _SHOWN else f"{len(groups)} groups"
    mean = "" if scores.get("mean_top1") is None else f"; their mean is {scores['mean_top1']:.1f}"
    more = ""
    if scores.get("drop") is not None:
        more += f" The originals have {scores['reference']['top1']:.1f}, so the drop is {scores['drop']:.1f}."
    if scores.get("fooled") is not None:
        more += f" Of images of other classes, {scores['fooled']:.1f} % are taken for their patch's class."
    return f"Top-1 accuracy of {which}, with its 95 % interval{mean}.{more}"


def _bar(name: str, group: Mapping[str, Any]) -> Bar:
    interval = group.get("top1_interval")
    return Bar(name.replace("_", " "), group["top1"], tuple(interval) if interval and group["count"] else None)
