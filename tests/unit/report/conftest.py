"""Made-up results: of today's format with every variant, and of the first format."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest

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
