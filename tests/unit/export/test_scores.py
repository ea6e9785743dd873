"""Scores go onto a card only if they are of what is shipped: these weights, these files, images cut like this."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scored import result_of, write

from dad.checkpoints import tensors_digest
from dad.errors import DataError
from dad.export.scores import find_scores
from dad.export.trained import Trained

Load = Callable[..., Trained]
FILES = {"model.onnx": "a" * 64, "model_int8.onnx": "b" * 64}


def names(trained: Trained, path: Path, *results: dict[str, Any]) -> list[str]:
    return [result["name"] for result in find_scores([write(path, *results)], trained, FILES)]


def test_the_network_its_files_and_its_teacher_are_found_in_this_order(load: Load, tmp_path: Path) -> None:
    trained = load()
    taught = {"precision": "float32", "teacher_weights": "00ff00ff00ff00ff"}
    results = [
        result_of(trained, weights="teacher", checkpoint_hash="", settings=taught),
        result_of(trained, checkpoint_hash="b" * 16, weights="ema (ONNX)", settings={"precision": "int8"}),
        result_of(trained, settings={"precision": "float16"}),
        result_of(trained, checkpoint_hash="a" * 16, weights="ema (ONNX)"),
        result_of(trained),
    ]
    found = names(trained, tmp_path / "r.json", *results)
    assert found == ["PyTorch (float16)", "PyTorch", "model_int8.onnx", "model.onnx", "teacher"]


def test_the_folder_as_timm_loads_it_counts_as_the_network(load: Load, tmp_path: Path) -> None:
    trained = load()
    digest = tensors_digest(trained.network.state_dict())
    result = result_of(trained, checkpoint_hash=digest, weights="pretrained", model="local-dir:out")
    assert names(trained, tmp_path / "r.json", result) == ["PyTorch"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"checkpoint_hash": "c" * 16}, "run: other weights"),
        ({"checkpoint_hash": ""}, "run: other weights"),
        ({"weights": "state_dict"}, "run: state_dict, not ema"),
        ({"settings": {"crop_pct": 1.0}}, r"cut otherwise \(crop_pct 1.0, not 0.8"),
        ({"settings": {"input_size": [3, 64, 64]}}, r"cut otherwise \(input_size"),
        ({"settings": {"crop_border_pixels": 4}}, r"cut otherwise \(crop_border_pixels 4"),
        ({"weights": "teacher", "settings": {"teacher_weights": "1" * 16}}, "not known to be the teacher"),
    ],
)
def test_scores_of_something_else_are_refused_with_the_reason(
    load: Load, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    trained = load()
    with pytest.raises(DataError, match=rf"none of these scores are of the exported weights .*{reason}.*--use-ema$"):
        names(trained, tmp_path / "r.json", result_of(trained, **change))


def test_without_results_there_are_no_scores(load: Load) -> None:
    assert find_scores([], load(), FILES) == []
