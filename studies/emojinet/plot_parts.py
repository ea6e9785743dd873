"""What the study's pictures share: colours, an axis of differences, marks with intervals, a legend of students."""

import math
from collections.abc import Sequence

from dad.charts.svg import element, label
from studies.emojinet.statistics import Estimate

INK = "#1d1f21"
SOFT = "#5c6066"
GUIDE = "#dcdad5"
COLOURS = ("#0072b2", "#d55e00", "#009e73")  # of the students; told apart by colour-blind eyes
LOOK: dict[str, str | float] = {"font_family": "Helvetica, Arial, sans-serif", "font_size": 12}


def ends_of(found: Estimate) -> tuple[float, ...]:
    """Return the ends of the interval, none for a single seed."""
    return () if math.isinf(found.half_width) else (found.low, found.high)


def signed(tick: float) -> str:
    """Return a tick of an axis of differences."""
    return f"{tick:+g}" if tick else "0"


def legend(students: Sequence[str], left: float, y: float) -> list[str]:
    """Return a dot and a name for each student, from left to right."""
    parts: list[str] = []
    for number, name in enumerate(students):
        x = left + 90 * number
        parts.append(element("circle", cx=x, cy=y - 4, r=4, fill=COLOURS[number]))
        parts.append(label(x + 10, y, name, fill=INK))
    return parts
