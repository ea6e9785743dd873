"""How the study's tables write a number: mean and interval, difference, p value, effect size."""

import math

from studies.emojinet.statistics import Estimate, corrected_effect_size, effect_size

MISSING = "–"


def plus_minus(found: Estimate | None, form: str) -> str:
    """Return `mean ± half width`, the mean in `form`; the mean alone for a single seed."""
    if found is None:
        return MISSING
    mean = form.format(found.mean)
    if math.isinf(found.half_width):
        return mean
    return f"{mean} ± {found.half_width:.1f}"


def difference_cell(found: Estimate | None) -> str:
    """Return a difference with a star if its 95 % interval excludes 0."""
    text = plus_minus(found, "{:+.1f}")
    if found is None or found.low <= 0 <= found.high:
        return text
    return f"{text}*"


def interval(found: Estimate | None) -> str:
    """Return `mean [low, high] (n)`."""
    if found is None:
        return MISSING
    if math.isinf(found.half_width):
        return f"{found.mean:+.2f} (n = 1)"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}] (n = {found.count})"


def p_value(p: float) -> str:
    """Return a p value to three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def effect(found: Estimate | None) -> str:
    """Return `d_z (g)`: as it is, and corrected for few pairs."""
    if found is None or (size := effect_size(found)) is None:
        return MISSING
    corrected = corrected_effect_size(found)
    return f"{size:+.2f} ({MISSING if corrected is None else f'{corrected:+.2f}'})"
