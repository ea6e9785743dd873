"""What is kept of a few images for looking at, and the picture of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from inspections import NAMES, make_inspection
from PIL import Image
from torch import nn

from dad.attacks import Attack
from dad.discretizers.identity import Identity
from dad.errors import DataError
from dad.generation.generator import Generator
from dad.generation.preview import inspect, write_preview
from dad.pixels import PixelModel
from dad.runtime import Runtime


def test_an_inspection_is_what_the_generator_and_its_teacher_say() -> None:
    torch.manual_seed(0)
    teacher = PixelModel(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    generator = Generator(teacher, Identity(), Attack(epsilon=1.0, step_size=1.0), Runtime(torch.device("cpu")), 3)
    pixels, labels, keys = make_inspection().source, torch.arange(4), ("a", "b", "c", "d")
    inspection, generated = inspect(generator, pixels, labels, keys), generator(pixels, labels, keys)
    assert torch.equal(inspection.source, pixels) and torch.equal(inspection.logits_source, teacher(pixels))
    assert torch.equal(inspection.adversarial, generated.adversarial) and not inspection.logits_source.requires_grad
    assert torch.equal(inspection.logits_discretized, generated.logits_before)
    assert torch.equal(inspection.logits_adversarial, generated.logits_after)
    assert torch.equal(inspection.keep, generated.keep) and inspection.codes_changed.isnan().all()
    assert torch.equal(inspection.labels, labels) and inspection.keys == list(keys)


@pytest.mark.parametrize("side", [8, 320])  # enlarged and shrunk to the same cells
def test_the_preview_has_a_row_an_image_and_a_column_a_stage(tmp_path: Path, side: int) -> None:
    colours = [torch.full((4, 3, side, side), value / 255) for value in (10, 20, 30)]
    shown = make_inspection(source=colours[0], discretized=colours[1], adversarial=colours[2])
    write_preview(tmp_path / "preview.png", shown, NAMES)
    picture = Image.open(tmp_path / "preview.png")
    assert picture.size == (3 * 160, 30 + 4 * 190)
    assert [picture.getpixel((80 + 160 * column, 30 + 190 * 3 + 80)) for column in range(3)] == [
        (value,) * 3 for value in (10, 20, 30)
    ]


def test_the_preview_is_green_where_the_teacher_is_right_and_red_where_not(tmp_path: Path) -> None:
    write_preview(tmp_path / "preview.png", make_inspection(), NAMES)
    picture = np.asarray(Image.open(tmp_path / "preview.png")).astype(int)
    captions = np.stack([picture[190 * row : 190 * row + 30].reshape(30, 3, 160, 3) for row in range(1, 5)])
    greener = (captions[..., 1] - captions[..., 0]).transpose(0, 2, 1, 3)  # letters have soft edges, paper is white
    right = [[True, True, True], [True, True, True], [True, True, False], [True, False, False]]
    assert ((greener > 60).any((2, 3)) == right).all() and ((greener < -60).any((2, 3)) != right).all()


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").touch()
    with pytest.raises(DataError, match=r"cannot write .*folder/preview\.png"):
        write_preview(tmp_path / "folder" / "preview.png", make_inspection(), NAMES)
