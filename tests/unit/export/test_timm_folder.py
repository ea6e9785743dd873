"""The folder is what timm makes of it: network, images, classes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from timm.data import resolve_data_config

from dad.errors import DataError
from dad.export.staging import staged
from dad.export.timm_folder import CONFIG, WEIGHTS, config_file, require_loads, weights_file
from dad.export.trained import Trained
from dad.models.description import Description


@pytest.fixture
def folder(load: Callable[..., Trained], tmp_path: Path) -> tuple[Path, Trained]:
    trained = load()
    with staged(tmp_path / "out", {CONFIG: config_file(trained), WEIGHTS: weights_file(trained)}):
        pass
    return tmp_path / "out", trained


def test_plain_timm_builds_the_same_network_with_its_images_and_labels(folder: tuple[Path, Trained]) -> None:
    place, trained = folder
    model = timm.create_model(f"local-dir:{place}", pretrained=True).eval()
    config = resolve_data_config({}, model=model)
    assert config["input_size"] == (3, 32, 32) and config["interpolation"] == "bilinear" and config["crop_pct"] == 0.8
    assert config["mean"] == [0.1, 0.2, 0.3] and config["std"] == [0.4, 0.5, 0.6]
    assert model.pretrained_cfg["label_names"] == list("abcdef")
    assert model.pretrained_cfg["label_descriptions"]["b"] == "B"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(model(images), trained.network(images))


def test_the_weights_describe_themselves(folder: tuple[Path, Trained]) -> None:
    with safe_open(folder[0] / WEIGHTS, "pt") as file:
        assert Description.of_strings(file.metadata(), "weights") == folder[1].description


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pretrained_cfg": {"crop_pct": 0.875}}, "crop_pct: 0.875, not 0.8"),
        ({"pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}, "mean: "),
        ({"label_names": list("bacdef")}, "other classes"),
    ],
)
def test_a_folder_that_timm_reads_otherwise_does_not_pass(
    folder: tuple[Path, Trained], change: dict[str, object], message: str
) -> None:
    place, trained = folder
    require_loads(place, trained)
    config = json.loads((place / CONFIG).read_text())
    for name, value in change.items():
        config[name] = {**config[name], **value} if isinstance(value, dict) else value
    (place / CONFIG).write_text(json.dumps(config))
    with pytest.raises(DataError, match=f"timm reads the folder otherwise .*{message}"):
        require_loads(place, trained)


def test_other_weights_do_not_pass(folder: tuple[Path, Trained], load: Callable[..., Trained]) -> None:
    with pytest.raises(DataError, match="other weights"):
        require_loads(folder[0], load("--no-use-ema"))
