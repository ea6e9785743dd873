"""Images to compare networks on: a user's, those of the validation, or made-up ones, always the same."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from dad.errors import DataError
from dad.export.images import create_samples, sample_folder
from dad.export.trained import Trained, create_trained

Save = Callable[..., Path]
Resolve = Callable[..., Namespace]


def write(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 40), (number * 10, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_images_of_a_folder_are_cut_and_normalised_for_the_network(
    save_checkpoint: Save, resolve: Resolve, tmp_path: Path
) -> None:
    write(tmp_path / "photos" / "deep", 5)
    args = resolve(save_checkpoint(), "--images", tmp_path / "photos", "--num-images", 3)
    samples = create_samples(args, create_trained(args))
    assert samples.images.shape == (3, 3, 32, 32) and samples.source == "3 images of photos"
    assert torch.allclose(samples.images[:, 1], torch.tensor(-0.2 / 0.5))


def test_without_a_folder_those_of_the_validation_are_taken(
    save_checkpoint: Save, resolve: Resolve, tmp_path: Path
) -> None:
    write(tmp_path / "data" / "val" / "a", 2)
    args = resolve(save_checkpoint("--data-dir", str(tmp_path / "data")))
    assert create_samples(args, create_trained(args)).source == "2 images of val"


def test_where_there_are_none_images_are_made_up_and_differ(load: Callable[..., Trained], resolve: Resolve) -> None:
    args, trained = resolve(Path("x"), "--num-images", 4), load()
    samples = create_samples(args, trained)
    assert samples.source == "4 made-up images" and samples.images.shape == (4, 3, 32, 32)
    assert len({image.sum().item() for image in samples.images}) == 4 and samples.images.std() > 0.3
    assert torch.equal(samples.images, create_samples(args, trained).images)


def test_batches_are_joined_and_nothing_is_lost(load: Callable[..., Trained], tmp_path: Path) -> None:
    count, batches = sample_folder(write(tmp_path / "a", 7), load(), 6, 4)
    assert count == 6 and [len(batch) for batch in batches] == [4, 2]


def test_a_folder_without_images_is_refused(save_checkpoint: Save, resolve: Resolve, tmp_path: Path) -> None:
    args = resolve(save_checkpoint(), "--images", tmp_path / "none")
    with pytest.raises(DataError, match="none: no such folder"):
        create_samples(args, create_trained(args))
