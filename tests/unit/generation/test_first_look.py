"""What is shown before the long work, of which images, and when not."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from dad.attacks import Attack
from dad.discretizers.identity import Identity
from dad.errors import DataError
from dad.generation.first_look import write_first_look
from dad.generation.fitting import FittingGenerator
from dad.generation.generator import Generator
from dad.images.cutting import Cut
from dad.images.reading import SourceReader
from dad.images.sources import SourceImage
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.shards.strength import read_first_look


class Bright(nn.Module):
    """Class 1 for bright images, class 0 for dark ones."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([0.5 - mean, mean - 0.5], dim=1)


@pytest.fixture
def look(tmp_path: Path) -> Any:
    """Look at some of ten images, the first five black and of class 0, the others white and of class 1."""

    def write(preview: int, gallery: int, broken: Sequence[int] = (), wrong: int = 0, least: float = 0.05,
              own_labels: bool = False, discretizer: Any = None) -> Path:  # fmt: skip
        labels = [int((number > 4) != (number < wrong)) for number in range(10)]
        sources = [SourceImage(f"a/{n}", tmp_path / f"{n}.png", labels[n]) for n in range(10)]
        for number, source in enumerate(sources):
            Image.new("RGB", (8, 8), "white" if number > 4 else "black").save(source.path)
            if number in broken:
                source.path.write_bytes(b"no picture")
        teacher = PixelModel(Bright(), (0.0,) * 3, (1.0,) * 3)
        made_with = (teacher, discretizer or Identity(), Attack(epsilon=0.0), Runtime(torch.device("cpu")), 0)
        generator = Generator(*made_with, own_labels=own_labels)
        reader = SourceReader(sources, Cut(8), threads=0, timeout=9)
        names = ["dark", "bright"]
        write_first_look(tmp_path, {"seed": 1}, FittingGenerator(generator, 4), reader, names, preview, gallery, least)
        return tmp_path

    return write


def test_both_show_as_many_images_as_asked_for_from_all_over_the_listing(
    look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        root = look(preview=2, gallery=5)
    assert Image.open(root / "preview.png").size == (3 * 160, 30 + 2 * 190)
    page = (root / "gallery.html").read_text()
    assert page.count("<article>") == 5 and all(f"a/{number}" in page for number in (0, 2, 4, 6, 8))
    told = [f"{root / 'preview.png'}: the teacher is right on 2 of 2 sources",
            f"{root / 'gallery.html'}: the teacher is right on 5 of 5 sources"]  # fmt: skip
    assert [message for message in caplog.messages if "attack: " not in message] == told


def test_what_the_attack_does_is_written_down_with_the_gallery_alone(
    look: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        root = look(preview=2, gallery=0)
        assert read_first_look(root) is None and "attack: " not in caplog.text
        look(preview=2, gallery=5)
    strength = read_first_look(root)
    assert strength is not None and (strength.images, strength.kept) == (5, 1.0)
    assert strength.after == pytest.approx(strength.alone)  # an attack of no length
    assert f"{root / 'gallery.html'}: attack: too weak" in caplog.text


@pytest.mark.parametrize(("preview", "gallery"), [(0, 0), (1, 0), (0, 1)])
def test_nothing_is_made_that_is_not_asked_for(look: Any, preview: int, gallery: int) -> None:
    root = look(preview, gallery)
    assert [(root / name).exists() for name in ("preview.png", "gallery.html")] == [bool(preview), bool(gallery)]


def test_what_is_there_already_stays(look: Any, tmp_path: Path) -> None:
    (tmp_path / "gallery.html").write_text("mine")
    root = look(1, 1)
    assert (root / "gallery.html").read_text() == "mine" and (root / "preview.png").exists()


def test_images_that_cannot_be_read_are_left_out(look: Any) -> None:
    root = look(2, 2, broken=[0])
    assert (root / "gallery.html").read_text().count("<article>") == 1


def test_if_none_can_be_read_there_is_nothing_to_show(look: Any) -> None:
    root = look(2, 2, broken=range(10))
    assert not (root / "preview.png").exists() and not (root / "gallery.html").exists()


def test_the_larger_page_judges_the_teacher(look: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"on 0 of 10 sources .*preview-refused\.png"):
        look(preview=10, gallery=0, wrong=10)
    with pytest.raises(DataError, match=r"on 0 of 10 sources .*gallery-refused\.html"):
        look(preview=10, gallery=11, wrong=10)
    assert (tmp_path / "preview.png").is_file()


def test_a_teacher_that_is_right_on_next_to_none_stops_the_run(look: Any, tmp_path: Path) -> None:
    for _ in range(2):  # the same command again, or another task of an array
        with pytest.raises(
            DataError, match=r"right on 0 of 10 sources \(--min-teacher-right 0\.05\).*gallery-refused\.html"
        ):
            look(preview=2, gallery=10, wrong=10)
        assert (tmp_path / "gallery-refused.html").is_file()  # what there is to look at
    look(preview=2, gallery=10)
    assert (tmp_path / "gallery.html").is_file() and not (tmp_path / "gallery-refused.html").exists()


@pytest.mark.parametrize("wrong, least, gallery", [(9, 0.05, 10), (10, 0.0, 10), (10, 0.05, 7), (4, 0.6, 10)])
def test_chance_and_few_images_stop_nothing(look: Any, wrong: int, least: float, gallery: int) -> None:
    look(preview=0, gallery=gallery, wrong=wrong, least=least)


class Turn(Identity):
    """A Q that makes every dark image bright."""

    def __call__(self, pixels: torch.Tensor, draws: object) -> torch.Tensor:
        return torch.ones_like(pixels)


@pytest.mark.parametrize(("discretizer", "same"), [(Identity(), 10), (Turn(), 5)])
def test_of_sources_without_labels_it_is_told_how_often_the_teacher_says_the_same_of_q(
    look: Any, discretizer: Any, same: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        root = look(preview=0, gallery=10, wrong=10, least=0.5, own_labels=True, discretizer=discretizer)
    assert f"the teacher says the same of Q(x) as of x for {same} of 10 sources" in caplog.text
    page = (root / "gallery.html").read_text()
    assert f"{same} of 10 as on x" in page and "teacher on source" not in page and "own label: <" in page
    (root / "gallery.html").unlink()
    if same < 10:
        with pytest.raises(DataError, match=r"for 5 of 10 sources \(--min-teacher-right 0\.6\)"):
            look(preview=0, gallery=10, least=0.6, own_labels=True, discretizer=discretizer)
