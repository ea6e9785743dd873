"""The ladder of epsilons: what each does beyond Q alone, and which to take."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from dad.attacks import Attack
from dad.discretizers.identity import Identity
from dad.errors import DataError
from dad.generation.fitting import FittingGenerator
from dad.generation.generator import SECOND_PASS, Generator
from dad.generation.tuning import Rung, Tuning, ladder, paper_epsilon, tune_attack
from dad.images.cutting import Cut
from dad.images.reading import SourceReader
from dad.images.sources import UNLABELLED, SourceImage
from dad.pixels import PixelModel
from dad.runtime import Runtime
from dad.shards.strength import Strength


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_the_paper_s_setting_keeps_its_change_of_a_value_at_every_size(norm: str) -> None:
    def change(side: int) -> float:
        """The root mean square change of a value, if all values change alike."""
        length, values = paper_epsilon(norm, side), 3 * side**2
        return {"l2": length / math.sqrt(values), "linf": length, "l1": length / values}[norm]

    assert change(64) == pytest.approx(change(224)) == pytest.approx(0.1 / math.sqrt(150_528))


def test_the_paper_s_own_size_has_the_paper_s_own_number() -> None:
    assert paper_epsilon("l2", 224) == pytest.approx(0.1) and paper_epsilon("l2", 64) == pytest.approx(0.1 * 64 / 224)


def test_the_ladder_begins_at_the_paper_s_setting_holds_the_given_one_and_keeps_the_step_s_share() -> None:
    rungs = ladder(Attack(epsilon=0.5, step_size=0.25, steps=3), 224)
    assert [round(rung.epsilon, 6) for rung in rungs] == [0.1, 0.3, 0.5, 1.0, 3.0, 10.0]
    assert all(rung.step_size == pytest.approx(rung.epsilon / 2) and rung.steps == 3 for rung in rungs)
    assert len(ladder(Attack(epsilon=0.1), 224)) == 5  # the given one is among them already
    assert all(rung.epsilon for rung in ladder(Attack(epsilon=0.0), 224))


class Bright(nn.Module):
    """Class 1 for bright images, class 0 for dark ones, not too sure."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return 4 * torch.stack([0.5 - mean, mean - 0.5], dim=1)


@pytest.fixture
def tune(tmp_path: Path) -> Callable[..., Tuning]:
    def run(count: int = 6, broken: int = 0, unlabelled: bool = False) -> Tuning:
        labels = [UNLABELLED if unlabelled else n % 2 for n in range(count)]
        sources = [SourceImage(f"a/{n}", tmp_path / f"{n}.png", labels[n]) for n in range(count)]
        for number, source in enumerate(sources):
            Image.new("RGB", (8, 8), (180,) * 3 if number % 2 else (80,) * 3).save(source.path)
            if number < broken:
                source.path.write_bytes(b"no picture")
        teacher = PixelModel(Bright(), (0.0,) * 3, (1.0,) * 3)
        generator = Generator(teacher, Identity(), Attack(), Runtime(torch.device("cpu")), 0, own_labels=unlabelled)
        reader = SourceReader(sources, Cut(8), threads=0, timeout=9)
        return tune_attack(FittingGenerator(generator, 4), reader, batch_size=4)

    return run


def test_a_longer_step_takes_more_and_what_q_takes_alone_is_not_counted(tune: Callable[..., Tuning]) -> None:
    tuning = tune()
    owns = [rung.own for rung in tuning.rungs]
    assert owns == sorted(owns) and owns[-1] > 50 * owns[0] > 0
    assert tuning.alone.before == pytest.approx(tuning.alone.after)  # Q is the identity
    assert tuning.alone.codes is None and "nan" not in tuning.describe()


def test_without_labels_the_teachers_own_are_led_away_from(tune: Callable[..., Tuning]) -> None:
    labelled, own = tune(), tune(unlabelled=True)  # this teacher is right on all
    assert own == replace(labelled, alone=replace(labelled.alone, own_labels=True))


def test_unreadable_images_are_left_out_and_none_is_an_error(tune: Callable[..., Tuning]) -> None:
    assert tune(broken=2).alone.images == 4
    with pytest.raises(DataError, match="none of the source images"):
        tune(broken=6)


ALONE = Strength(256, 0.9, 0.8, 0.75, 0.75, 0.5, 0.5, 0.95, 0.9, 0.3)


def test_the_smallest_epsilon_that_bites_and_keeps_is_named_with_its_flags() -> None:
    rungs = [Rung(0.1, 0.9, 0.74, 0.01, 0.5), Rung(0.3, 0.8, 0.6, 0.15, 0.6), Rung(1.0, 0.2, 0.2, 0.55, 0.7)]
    tuning = Tuning(Attack(), 224, ALONE, rungs)
    assert tuning.advice().startswith("take --attack-eps 0.3 --attack-step-size 0.3: ")
    assert "the paper's 0.1 (L2 of the whole image at 224 px) is 0.1 " in tuning.describe()
    harsh = replace(tuning, rungs=[rungs[0], rungs[2]])
    assert harsh.advice().startswith("none is both strong enough and keeps half")
    sure = replace(harsh, alone=replace(ALONE, sure=0.99))
    assert sure.advice().startswith("the teacher is too sure at T = 4") or "too sure" in sure.advice()
    lossy = replace(tuning, alone=replace(ALONE, right_before=0.2))
    assert lossy.advice().startswith("Q loses too much")


def test_a_second_pass_alone_changes_nothing_of_what_it_is_given() -> None:
    pixels = torch.rand(2, 3, 8, 8)
    generators = [torch.Generator().manual_seed(number) for number in range(2)]
    assert torch.equal(SECOND_PASS(lambda images: images.sum((1, 2, 3)), pixels, generators), pixels)
