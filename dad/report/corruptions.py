"""Which corruptions of ImageNet-C belong together, and what of a set of corruptions is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dad.charts.heatmap import HeatRow
from dad.variants.table import VARIANTS

# Hendrycks and Dietterich 2019, section 3.2
_GROUPS = (
    ("gaussian_noise", "shot_noise", "impulse_noise"),
    ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    ("snow", "frost", "fog", "brightness"),
    ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
_PUBLISHED = {variant.name: variant.corruptions for variant in VARIANTS}
_COLUMNS = 6  # that fit beside the names of corruptions
_FIFTEEN = tuple(name for group in _GROUPS for name in group)


def heat_rows(scores: Mapping[str, Any]) -> list[HeatRow]:
    """Return a row for each corruption: top-1 by severity, its mean, and the corruption error where there is one."""
    known, extra = scores.get("corruptions", {}), scores.get("extra", {})
    groups = [*_GROUPS, tuple(sorted(set(known) - set(_FIFTEEN))), tuple(sorted(extra))]
    rows = []
    for group in groups:
        present = [name for name in group if name in known or name in extra]
        rows += [_row(name, known.get(name) or extra[name], name == present[0]) for name in present]
    has_errors = any(row.summary[1] is not None for row in rows)
    return rows if has_errors else [replace(row, summary=row.summary[:1]) for row in rows]


def fitting_rows(rows: Sequence[HeatRow]) -> tuple[list[str], list[str], list[HeatRow]]:
    """Return the titles of cells and of summaries, and the rows of a heat map of corruptions: those of `heat_rows`; a
    row for each severity where these are too many for columns."""
    numbers = [str(number) for number, _ in enumerate(rows[0].cells, start=1)]
    if len(numbers) <= _COLUMNS:
        return numbers, ["mean", "CE"][: len(rows[0].summary)], list(rows)
    turned = [HeatRow(number, tuple(row.cells[place] for row in rows)) for place, number in enumerate(numbers)]
    return [row.title for row in rows], [], turned


def missing_parts(name: str, scores: Mapping[str, Any]) -> list[str]:
    """Return which corruptions of the set `name`, which of their severities, or which of its groups were not there."""
    known = scores.get("corruptions", {})
    parts = [corruption for corruption in _PUBLISHED.get(name, ()) if known and corruption not in known]
    for corruption, found in sorted(known.items()):
        parts += [
            f"{corruption}/{number}" for number, top1 in enumerate(found.get("severities", ()), 1) if top1 is None
        ]
    return [*parts, *(group for group, found in scores.get("groups", {}).items() if not found["count"])]


def _row(name: str, found: Mapping[str, Any], starts_group: bool) -> HeatRow:
    severities = tuple(found.get("severities", ()))
    return HeatRow(name.replace("_", " "), severities, (found.get("top1"), found.get("ce")), starts_group)
