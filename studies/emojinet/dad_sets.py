"""What a DAD set of the study holds: its attack, how many images the teacher kept, how many codes differ."""

from typing import Any

from dad.shards.stats import collect_stats
from studies.emojinet.plan import Job


def facts_of(job: Job) -> dict[str, Any]:
    """Return epsilon and steps of a DAD set (None where there is no attack), the share of images kept and the mean
    share of codes that differ from those of Q(x), both in [0, 1]."""
    assert job.dad_set is not None
    _, plan = job.dad_set
    totals = collect_stats(job.result.parent)["all"]
    changed = None if plan.epsilon is None else round(float(totals["codes_changed"]), 4)
    return {
        "epsilon": plan.epsilon, "steps": plan.steps, "kept": round(float(totals["keep_rate"]), 4),
        "codes_changed": changed,
    }  # fmt: skip
