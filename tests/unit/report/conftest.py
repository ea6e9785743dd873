"""Made-up results: of today's format with every variant, and of the first format."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dad.decisions import Decisions, decisions_path, pack, to_bytes
from dad.evaluation.metrics import corruption_errors, corruption_scores
from dad.variants.table import ALEXNET_ERRORS

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def made_up() -> list[dict[str, Any]]:
    """Two models on every variant and under three attacks; of the first, one set is incomplete and one is missing."""
    results: list[dict[str, Any]] = json.loads((GOLDEN / "results_v2.json").read_bytes())
    return results


@pytest.fixture
def first_format() -> dict[str, Any]:
    """A model on three sets, C of which is incomplete, as a file of the first format has it."""
    result: dict[str, Any] = json.loads((GOLDEN / "results_v1.json").read_bytes())
    return result


@pytest.fixture
def own() -> dict[str, Any]:
    """A model of twenty own classes, scored on an extra set alone."""
    scores = {"title": "phone", "metric": "top1", "top1": 40.8, "top1_interval": [38.0, 43.7], "count": 1000}
    return {
        "name": "student", "model": "resnet18", "settings": {"num_classes": 20}, "attacks": [],
        "class_names": {f"c{number}": f"c{number}" for number in range(20)}, "variants": {"phone": scores},
    }  # fmt: skip


@pytest.fixture
def text_of() -> Callable[[str], str]:
    """What a page says: without its style and its tags, and with single spaces."""
    markup = re.compile(r"<style>.*?</style>|<[^>]+>", re.DOTALL)
    return lambda page: " ".join(unescape(markup.sub(" ", page)).split())


@pytest.fixture
def decided(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a results file of one model with its decisions on sets of 400 images: of each it gets the
    share right that it is given, by a draw that all models share. ImageNet, C and Stylized are of the same photos."""

    def write(name: str, images: str = "same", **shares: float) -> Path:
        result: dict[str, Any] = {"name": name, "model": "resnet18", "checkpoint_hash": name, "variants": {}}
        folder = tmp_path / name
        folder.mkdir()
        arrays = {}
        for variant, share in {
            "imagenet": 0.7,
            **{key.replace("_", "-"): value for key, value in shares.items()},
        }.items():
            scores = made_up_scores(variant, share, images)
            decisions = scores.pop("made")
            scores["decisions"] = decisions.digest(result, variant, scores["images"])
            arrays |= pack(scores["decisions"], scores["images"], decisions)
            result["variants"][variant] = scores
        (folder / "results.json").write_text(json.dumps(result))
        decisions_path(folder / "results.json").write_bytes(to_bytes(arrays))
        return folder / "results.json"

    return write


def made_up_scores(variant: str, share: float, images: str) -> dict[str, Any]:
    """Scores of one set, with the decisions that they are of as `made`."""
    names = [f"{corruption}/{level}" for corruption in ALEXNET_ERRORS for level in range(1, 6)]
    parts = {part: slice(40 * number, 40 * number + 40) for number, part in enumerate(names)}
    of_c = variant == "imagenet-c"
    size = 40 * len(parts) if of_c else 400
    draw = np.random.default_rng(sum(variant.encode()))
    right = draw.random(size) < share
    kind = 0 if variant in ("imagenet", "imagenet-c", "imagenet-style") else sum(variant.encode()) * 1000
    sources = (np.arange(size) % 40 if of_c else np.arange(size)) + kind
    decisions = Decisions(right, np.ones(size, np.bool_), sources.astype(np.uint64), parts if of_c else {})
    scores = {"top1": 100 * float(right.mean()), "top1_interval": [0.0, 100.0], "images": f"{variant} {images}"}
    if of_c:
        top1 = {part: 100 * float(right[place].mean()) for part, place in parts.items()}
        scores |= corruption_errors(corruption_scores(top1, tuple(ALEXNET_ERRORS), range(1, 6)), ALEXNET_ERRORS)
    return {**scores, "count": size, "made": decisions}
