"""How the images of a set become what a model sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dad.variants.pipeline import create_pipeline, find_rule
from dad.variants.table import VARIANTS

BY_NAME = {variant.name: variant for variant in VARIANTS}
CONFIG: dict[str, Any] = {
    "input_size": (3, 64, 64),
    "mean": (0, 0, 0),
    "std": (1, 1, 1),
    "interpolation": "bicubic",
    "crop_pct": 0.5,
    "crop_mode": "center",
}


@pytest.mark.parametrize(
    ("name", "folder", "row"),
    [
        ("imagenet-c", "/data/anywhere", "imagenet-c"),
        ("ImageNet_C", "/data/anywhere", "imagenet-c"),
        ("fog", "/data/imagenet-c/fog/3", "imagenet-c"),
        ("x", "/data/ImageNet_C_bar/sparkles", "imagenet-c-bar"),
        ("x", "/data/stylized-imagenet/val", "imagenet-style"),
        ("", "/data/stylized", "imagenet-style"),
        ("x", "/data/objectnet-1.0/images", "objectnet"),
        ("imagenet-r", "/data/r", "imagenet-r"),
    ],
)
def test_a_folder_is_known_by_its_name(name: str, folder: str, row: str) -> None:
    found = find_rule(name, Path(folder))
    assert found is not None and found.name == row


@pytest.mark.parametrize("folder", ["/data/val", "/data/mine", "/data/imagenet-cartoons", "/data/imagenet/val"])
def test_other_folders_have_no_rule(folder: str) -> None:
    assert find_rule("x", Path(folder)) is None


def test_images_that_were_cropped_pass_unchanged_at_the_models_size() -> None:
    image = Image.effect_noise((64, 64), 50).convert("RGB")
    levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    for pipeline in (create_pipeline(CONFIG, BY_NAME["imagenet-c"]), create_pipeline(CONFIG, is_cropped=True)):
        assert torch.equal(pipeline(image).mul(255).round().byte(), levels)
    assert not torch.equal(create_pipeline(CONFIG)(image).mul(255).round().byte(), levels)
