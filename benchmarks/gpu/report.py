"""All parts as one page of Markdown, ready for benchmarks/README.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.gpu.parts import Part
from benchmarks.gpu.records import DONE, Record
from dad.markdown import format_rows

IMAGENET = 1_281_167  # training images
_WEIGHTS = (
    "Networks have the sizes of the preset and random weights (but for the attack's precision: EmojiNet's, trained), "
    "pictures are made up: speed and memory are those of real ones, scores do not come into it."
)


def render(parts: Sequence[Part], records: Mapping[str, Record], settings: Mapping[str, Any], command: str) -> str:
    """Return the page: a table of the parts, and a section for each.

    Args:
        records: by the parts' names; a part without one was left for a later call.
        command: that measures all of this.
    """
    rows = [["part", "state", "seconds"]]
    for part in parts:
        record = records.get(part.name)
        rows.append([part.name, *(("left", "") if record is None else (record.status, f"{record.seconds:.0f}"))])
    head = ["# Measured on one card", "", f"    {command}", ""]
    head += [f"Settings: {', '.join(f'{key} {value}' for key, value in settings.items())}", "", _WEIGHTS, ""]
    lines = [*head, format_rows(rows)]
    for part in parts:
        lines += ["", *_section(part, records.get(part.name))]
    return "\n".join(lines) + "\n"


def _section(part: Part, record: Record | None) -> list[str]:
    lines = [f"## {part.title}", ""]
    if record is None:
        return [*lines, "Not measured yet."]
    lines += [f"    {record.command}", ""]
    if record.status != DONE:
        return [*lines, f"Not measured ({record.status}): {record.reason}"]
    extra = ["", hours_line(record.results)] if part.name == "generation" else []
    return [*lines, record.table, *extra]


def hours_line(results: Mapping[str, Any]) -> str:
    """Return what the speeds of both loops mean for ImageNet on one such card."""
    sides = ("straightforward", "ours")
    told = ", ".join(f"{side} {IMAGENET / results[side]['images_per_second'] / 3600:.3g} h" for side in sides)
    return f"- ImageNet's {IMAGENET:,} training images on one such card, at these speeds: {told}; reading not included."
