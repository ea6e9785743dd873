"""Attacks on a whole set: which images, and answers that are known beforehand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import CONFIG, CPU, SIX, GreyLevel, make_pool, make_set
from PIL import Image
from torch import Tensor, nn

from dad.args import create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError, UsageError
from dad.evaluation.attacked import _key, evaluate_attack, find_attacked, is_attacked
from dad.evaluation.loop import Forward
from dad.evaluation.metrics import wilson_interval
from dad.evaluation.threats import Threat
from dad.runtime import Runtime
from dad.variants import ImageSet, list_image_set
from dad.variants.contents import Contents
from dad.variants.table import VARIANTS

FGSM = Threat("fgsm", "linf", 0.1, 0.1, 1)
PGD = Threat("pgd", "linf", 0.02, 0.01, 3)


class Bright(nn.Module):
    """Class b where the mean of an image, as it was before normalisation, exceeds a half; else a."""

    def __init__(self, mean: float = 0.0, std: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.full((3, 8, 8), 1 / 192))
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        score = ((images * self.std + self.mean) * self.weight).sum(dim=(1, 2, 3)) - 0.5
        return torch.stack([torch.zeros_like(score), score, *[torch.full_like(score, -9)] * 4], dim=1)


def find_all(image_sets: list[ImageSet], *words: object) -> list[ImageSet]:
    args = parse_args(create_validate_parser(), ["--attack", "fgsm", *map(str, words)])[0]
    return find_attacked(args, image_sets)


def find(image_set: ImageSet, *words: object) -> ImageSet:
    (found,) = find_all([image_set], *words)
    return found


@pytest.fixture
def greys(tmp_path: Path) -> ImageSet:
    """Of a, images of 0.3, 0.45 and 0.9; of b, of 0.8, 0.55 and 0.2; `Bright` is wrong on the last of each."""
    image_set = make_set(tmp_path / "greys", dict.fromkeys("abcdef", "a"))
    for name, levels in {"a": (0.3, 0.45, 0.9), "b": (0.8, 0.55, 0.2)}.items():
        for number, level in enumerate(levels):
            Image.new("RGB", (8, 8), (round(255 * level),) * 3).save(tmp_path / "greys" / name / f"{number}.png")
    whole = list_image_set(image_set.variant, tmp_path / "greys", SIX)
    return replace(whole, paths=whole.paths[:6], labels=whole.labels[:6])


def attack(image_set: ImageSet, batch_size: int = 4, threat: Threat = FGSM, **settings) -> tuple[int, float, float]:
    mean, std = settings.pop("mean", 0.0), settings.pop("std", 1.0)
    pool = make_pool([image_set], batch_size, config={**CONFIG, "mean": (mean,) * 3, "std": (std,) * 3}, **settings)
    row = evaluate_attack(Bright(mean, std).to(pool.runtime.dtype), pool, 0, threat, seed=0)
    assert tuple(row["top1_interval"]) == wilson_interval(round(row["top1"] * row["count"] / 100), row["count"])
    return row["count"], row["clean_top1"], row["top1"]


def test_only_what_stays_right_is_robust(greys: ImageSet) -> None:
    # a budget of 0.1 carries 0.45 and 0.55 across the half, and leaves 0.3 and 0.8 where they are
    assert attack(greys) == pytest.approx((6, 100 * 4 / 6, 100 * 2 / 6))
    assert attack(greys, threat=replace(FGSM, epsilon=0.02, step_size=0.02)) == pytest.approx((6, 400 / 6, 400 / 6))


@pytest.mark.parametrize("threat", [FGSM, PGD], ids=lambda threat: threat.name)
@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (5, 0), (64, 2)])
def test_a_score_does_not_depend_on_batches_and_workers(
    greys: ImageSet, threat: Threat, batch_size: int, workers: int
) -> None:
    assert attack(greys, batch_size, threat, workers=workers) == attack(greys, 4, threat)


@pytest.mark.parametrize("prefetcher", [True, False])
def test_a_budget_is_one_of_pixels_whatever_the_normalisation(greys: ImageSet, prefetcher: bool) -> None:
    assert attack(greys, mean=0.4, std=0.2, prefetcher=prefetcher) == attack(greys)


@pytest.mark.parametrize("precision", [{"autocast_dtype": torch.bfloat16}, {"dtype": torch.bfloat16}])
def test_attacks_are_float32_in_any_precision(greys: ImageSet, precision: dict[str, torch.dtype]) -> None:
    assert attack(greys, runtime=Runtime(torch.device("cpu"), **precision)) == attack(greys)


def test_a_set_is_attacked_by_its_own_rules(greys: ImageSet) -> None:
    image_set = replace(greys, columns=torch.tensor([0, 0, 1, 1, 1, 1]).numpy())
    assert attack(image_set) == (6, 100, 100)  # a and b share a column


def test_classes_that_a_model_cannot_tell_apart_are_attacked_as_one(greys: ImageSet) -> None:
    row = evaluate_attack(Bright(), make_pool([greys]), 0, FGSM, seed=0, twins=(0, 0, 2, 3, 4, 5))
    assert (row["count"], row["clean_top1"], row["top1"]) == (6, 100, 100)


def test_an_image_that_cannot_be_read_does_not_count(greys: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "greys/a/2.png").write_bytes(b"<html>")
    assert attack(greys, batch_size=1) == pytest.approx((5, 80, 40))


def test_a_set_of_which_nothing_can_be_read_is_refused(greys: ImageSet, tmp_path: Path) -> None:
    for path in tmp_path.glob("greys/*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="fgsm: none of the 6 images can be read"):
        attack(greys)


def test_a_row_says_what_it_was_made_with(greys: ImageSet) -> None:
    row = evaluate_attack(Bright(), make_pool([greys]), 0, PGD, seed=3)
    assert PGD.describe().items() <= row.items() and row["seconds"] >= 0
    assert (row["variant"], row["images"], row["listed"], row["seed"]) == ("imagenet", greys.digest, 6, 3)


def test_an_attack_is_known_by_its_settings_images_and_seed(greys: ImageSet) -> None:
    rows = [evaluate_attack(Bright(), make_pool([greys]), 0, PGD, seed=3)]
    assert is_attacked(rows, PGD, greys, 3)
    assert not is_attacked(rows, FGSM, greys, 3) and not is_attacked(rows, replace(PGD, steps=4), greys, 3)
    assert not is_attacked(rows, PGD, greys, 4)
    assert not is_attacked(rows, PGD, replace(greys, contents=Contents(lambda: "x")), 3)


def test_all_validation_images_are_attacked_without_a_list(mixed: ImageSet) -> None:
    assert find(mixed) is mixed


def test_a_list_names_the_images_to_attack(mixed: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("f/1.png\na/0.png\n")
    listed = find(mixed, "--attack-images", tmp_path / "list.txt")
    assert [path[-7:] for path in listed.paths] == [b"a/0.png", b"f/1.png"] and listed.labels.tolist() == [0, 5]
    assert listed.columns is mixed.columns and listed.expected is None


def test_another_list_of_as_many_images_is_another_set(mixed: ImageSet, tmp_path: Path) -> None:
    digests = {mixed.digest}
    for names in ("f/1.png\na/0.png", "f/1.png\na/1.png", "a/0.png\nf/1.png"):
        (tmp_path / "list.txt").write_text(names)
        digests.add(find(mixed, "--attack-images", tmp_path / "list.txt").digest)
    assert len(digests) == 3  # the order of a list does not matter


def test_a_list_with_images_that_are_not_there_is_refused(mixed: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a/0.png\na/7.png\nb/9.png\n")
    with pytest.raises(DataError, match=r"--attack-images .*list.txt: 2 are not there, e.g. a/7.png"):
        find(mixed, "--attack-images", tmp_path / "list.txt")


def test_sets_are_attacked_by_name_each_with_its_list(three_sets: list[ImageSet], tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("b/0.png\ne/0.png")
    words = ("--attack-sets", "imagenet-r, imagenet", "--attack-images", f"imagenet-r={tmp_path / 'r.txt'}")
    found = find_all(three_sets, *words)
    assert [(one.variant.name, len(one)) for one in found] == [("imagenet-r", 2), ("imagenet", 13)]
    assert found[1] is three_sets[0] and found[0].columns is three_sets[2].columns  # still among all classes of the set


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--attack-sets imagenetv2",
            "--attack-sets imagenetv2: it is not among the sets that are scored, which are im",
        ),
        ("--attack-sets imagenet,", "--attack-sets 'imagenet,': it is not among"),
        ("--attack-sets imagenet,imagenet-r --attack-images f.txt", "--attack-images f.txt: of which set"),
        ("--attack-sets imagenet-r --attack-images imagenet=f.txt", "imagenet=f.txt: imagenet is not attacked"),
    ],
)
def test_sets_and_lists_that_do_not_fit_are_refused(three_sets: list[ImageSet], words: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_all(three_sets, *words.split())


def test_a_part_of_the_validation_images_is_attacked_in_their_place(mixed: ImageSet) -> None:
    part = replace(mixed, variant=replace(mixed.variant, name="imagenet-2", part_of="imagenet"))
    assert find(part) is find(part, "--attack-sets", "imagenet-2") is part


def test_sets_whose_rule_no_attack_follows_are_refused(mixed: ImageSet) -> None:
    outliers = replace(mixed, variant=next(row for row in VARIANTS if row.name == "imagenet-o"))
    with pytest.raises(UsageError, match="--attack-sets imagenet-o: it is scored by how sure a model is"):
        find(outliers, "--attack-sets", "imagenet-o")
    several = (np.arange(14), np.zeros(13, dtype=np.int64))
    with pytest.raises(UsageError, match="--attack-sets imagenet: several classes are right"):
        find(replace(mixed, accepted=several), "--attack-sets", "imagenet")


def test_images_that_do_not_count_are_not_attacked(mixed: ImageSet) -> None:
    variant = replace(mixed.variant, corruptions=("fog",), extra_corruptions=("saturate",))
    found = find(replace(mixed, variant=variant, parts={"fog/1": slice(0, 10), "saturate/3": slice(10, 13)}))
    assert len(found) == 10 and found.digest == mixed.digest and found.parts == {}
    unlabelled = replace(mixed, labels=np.where(np.arange(13) < 3, -1, mixed.labels))
    assert find(unlabelled).labels.tolist() == mixed.labels[3:].tolist()


def test_an_attack_aims_at_the_classes_alone_that_a_set_is_scored_among(tmp_path: Path) -> None:
    """A model that any change would drive from b to d, and that a set of a, b and c is scored by."""

    class Torn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 8, 8) / 192)

        def forward(self, images: Tensor) -> Tensor:
            mean = (images * self.weight).sum(dim=(1, 2, 3))
            return torch.stack([mean - 0.6, 0 * mean, 0.1 * (mean - 9), 99 * (mean - 0.501), mean, mean], dim=1)

    image_set = make_set(tmp_path / "set", {"a": "a", "b": "b", "c": "c"}, "imagenet-r")  # scored among a, b and c
    for path in (tmp_path / "set").glob("*/*.png"):
        Image.new("RGB", (8, 8), (128,) * 3).save(path)  # 0.502: all but 0.01 of the budget is needed to reach a
    rows = {epsilon: evaluate_attack(Torn(), make_pool([image_set]), 0, Threat("fgsm", "linf", epsilon, epsilon, 1), 0)
            for epsilon in (0.05, 0.12)}  # fmt: skip
    assert image_set.num_columns == 3
    assert [(round(row["clean_top1"]), round(row["top1"])) for row in rows.values()] == [(33, 33), (33, 0)]


def test_where_columns_are_pooled_the_attack_aims_at_the_pooled_ones(greys: ImageSet) -> None:
    pooled = replace(greys, variant=replace(greys.variant, pooling="mean_probability"))
    apart = replace(pooled, columns=np.array([0, 1, 1, 1, 1, 1]))  # b's probability is shared by five: a always wins
    assert attack(apart) == (6, 50, 50)
    assert attack(replace(pooled, columns=np.array([0, 1, 2, 2, 2, 2]))) == attack(greys)


def test_images_of_one_tar_have_draws_of_their_own(greys: ImageSet) -> None:
    tar = replace(greys, paths=np.array([b"/data/0.tar"] * 6), spans=np.arange(12).reshape(6, 2))
    assert len({_key(tar, number) for number in range(6)}) == 6 and _key(greys, 3) == "b/0.png"


def test_attacks_need_the_validation_images(mixed: ImageSet) -> None:
    other = replace(mixed, variant=next(row for row in VARIANTS if row.name == "imagenet-r"))
    with pytest.raises(UsageError, match=r"--attack fgsm: .* let --variants name imagenet"):
        find(other)


def test_a_model_that_was_scored_before_can_be_attacked(mixed: ImageSet) -> None:
    class Caching(GreyLevel):  # as networks that keep their position biases in evaluation
        kept: Tensor | None = None

        def forward(self, images: Tensor) -> Tensor:
            self.kept = torch.ones(6) * 2 if self.kept is None else self.kept
            return super().forward(images) * self.kept

    model = Caching()
    Forward(model, CPU)(torch.rand(2, 3, 8, 8))
    assert evaluate_attack(model, make_pool([mixed]), 0, FGSM, seed=0)["count"] == 13


def test_nothing_is_attacked_without_the_flag(greys: ImageSet) -> None:
    assert find_attacked(parse_args(create_validate_parser(), [])[0], [greys]) == []
