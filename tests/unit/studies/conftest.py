"""Records of runs that never were."""

from collections.abc import Callable, Mapping

import pytest

from studies.emojinet.records import Record, Records

_VARIANTS = ("imagenet", "imagenetv2", "imagenet-r", "imagenet-sketch", "imagenet-a", "imagenet-c", "imagenet-style")


def build_record(method: str, seed: int, level: float, student: str = "vit", pace: float = 100.0) -> Record:
    """A run whose accuracy is `level` on every set (its mCE is 100 - level)."""
    scores = {name: 100 - level if name == "imagenet-c" else level for name in _VARIANTS}
    return Record(method, student, "", "", method, seed, 1, "digest", 1.0, pace, scores)


@pytest.fixture
def make_record() -> Callable[..., Record]:
    """Build one record."""
    return build_record


@pytest.fixture
def make_records() -> Callable[..., Records]:
    """Build records from {method: levels of the seeds}, and optionally paces by method."""

    def make(levels: Mapping[str, list[float]], paces: Mapping[str, list[float]] | None = None) -> Records:
        return Records(
            build_record(method, seed, level, pace=(paces or {}).get(method, [100.0] * len(values))[seed])
            for method, values in levels.items()
            for seed, level in enumerate(values)
        )

    return make
