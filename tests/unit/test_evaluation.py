"""Scores of a model whose answers are known, on small image trees."""

import logging
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from PIL import Image
from timm.task import ClassificationEvaluator

from dad.args import create_validate_parser
from dad.classes import ClassList
from dad.errors import DataError
from dad.evaluation import corruption_scores, create_variant_loader, evaluate_variant
from dad.runtime import Runtime
from dad.variants import ALEXNET_ERRORS, VARIANTS, list_image_set

BY_NAME = {variant.name: variant for variant in VARIANTS}
SIX = ClassList(tuple("abcdef"), tuple("abcdef"))
CPU = Runtime(torch.device("cpu"))
CONFIG = {
    "input_size": (3, 8, 8),
    "mean": (0, 0, 0),
    "std": (1, 1, 1),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
}


class GreyLevel(torch.nn.Module):
    """Sees class k in an image of grey level 20 k; the further a class is from that level, the smaller its logit."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = torch.arange(6) * 20 / 255
        return -100 * (images.mean(dim=(1, 2, 3))[:, None] - levels).square()


def write_images(folder: Path, seen: dict[str, str]) -> Path:
    """Write images of each class, one for each letter: the class that `GreyLevel` sees in it."""
    for name, letters in seen.items():
        (folder / name).mkdir(parents=True)
        for number, letter in enumerate(letters):
            Image.new("L", (8, 8), 20 * "abcdef".index(letter)).save(folder / name / f"{number}.png")
    return folder


def evaluate(model, variant: str, folder: Path, runtime: Runtime = CPU, config=CONFIG, batch_size=4, workers=0):
    args = create_validate_parser().parse_args(["-b", str(batch_size), "-j", str(workers)])
    image_set = list_image_set(BY_NAME[variant], folder, SIX)
    return evaluate_variant(model, image_set, create_variant_loader(args, image_set, config, runtime), runtime)


# 13 images, 9 of them right; of the wrong ones, an a seen as f and an f seen as a are not among the best five either.
MIXED = {"a": "aaf", "b": "b", "c": "cd", "d": "dda", "e": "ee", "f": "fa"}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return write_images(tmp_path / "val", MIXED)


def test_counts_are_those_of_the_tree(mixed: Path) -> None:
    scores = evaluate(GreyLevel(), "imagenet", mixed)
    assert (scores["top1"], scores["top5"], scores["count"]) == (100 * 9 / 13, 100 * 11 / 13, 13)


def test_scores_equal_timms_evaluator(mixed: Path) -> None:
    args = create_validate_parser().parse_args(["-b", "5", "-j", "0"])
    image_set = list_image_set(BY_NAME["imagenet"], mixed, SIX)
    evaluator = ClassificationEvaluator()
    for images, numbers in create_variant_loader(args, image_set, CONFIG, CPU):
        evaluator.update(GreyLevel()(images), torch.from_numpy(image_set.labels)[numbers])
    scores = evaluate(GreyLevel(), "imagenet", mixed)
    expected = evaluator.compute()
    assert (scores["top1"], scores["top5"]) == (expected["top1"], expected["top5"])
    assert scores["loss"] == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (5, 0), (64, 0), (5, 2)])
def test_scores_do_not_depend_on_batch_size_and_workers(mixed: Path, batch_size: int, workers: int) -> None:
    scores = evaluate(GreyLevel(), "imagenet", mixed, batch_size=batch_size, workers=workers)
    assert scores == evaluate(GreyLevel(), "imagenet", mixed)


def test_numbered_folders_are_scored_by_number(tmp_path: Path) -> None:
    seen = {str(index): letter for index, letter in enumerate("abcdef")}
    assert evaluate(GreyLevel(), "imagenetv2", write_images(tmp_path, seen))["top1"] == 100


def test_a_subset_is_scored_among_its_own_classes(tmp_path: Path) -> None:
    folder = write_images(tmp_path, {"a": "b", "f": "e"})
    assert evaluate(GreyLevel(), "imagenet-a", folder)["top1"] == 100
    write_images(tmp_path, {"b": "b", "e": "e"})
    assert evaluate(GreyLevel(), "imagenet-a", folder)["top1"] == 50


def test_the_loss_of_a_subset_is_that_of_its_logits(tmp_path: Path) -> None:
    folder = write_images(tmp_path, {"b": "c", "d": "c"})
    assert evaluate(GreyLevel(), "imagenet-r", folder)["loss"] == pytest.approx(torch.tensor(2).log().item())


@pytest.mark.parametrize(("variant", "unchanged"), [("imagenet-style", True), ("imagenet-sketch", False)])
def test_only_sets_that_are_not_cropped_yet_are_cropped(tmp_path: Path, variant: str, unchanged: bool) -> None:
    (tmp_path / "a").mkdir()
    noise = torch.randint(256, (8, 8, 3), dtype=torch.uint8)
    Image.fromarray(noise.numpy()).save(tmp_path / "a" / "0.png")
    image_set = list_image_set(BY_NAME[variant], tmp_path, ClassList(("a",), ("a",)))
    args = create_validate_parser().parse_args(["-j", "0"])
    images, _ = next(iter(create_variant_loader(args, image_set, CONFIG | {"crop_pct": 0.5}, CPU)))
    assert torch.equal(images[0].mul(255).round().byte(), noise.permute(2, 0, 1)) is unchanged


def test_corruptions_are_scored_by_corruption_and_severity(tmp_path: Path) -> None:
    right, half = dict(zip("abcdef", "abcdef", strict=True)), dict(zip("abcdef", "abcaaa", strict=True))
    for corruption in ALEXNET_ERRORS:
        for severity in range(1, 6):
            write_images(tmp_path / corruption / str(severity), half if (corruption, severity) == ("fog", 5) else right)
    scores = evaluate(GreyLevel(), "imagenet-c", tmp_path)
    assert scores["corruptions"]["fog"]["severities"] == [100, 100, 100, 100, 50]
    assert scores["corruptions"]["snow"] == {"top1": 100, "ce": 0, "severities": [100] * 5}
    assert scores["mce"] == pytest.approx(10 / ALEXNET_ERRORS["fog"] / 15)
    assert (scores["top1"], scores["count"], scores["complete"]) == (100 * 447 / 450, 450, True)


ALEXNET_TOP1 = {
    f"{name}/{severity}": 100 * (1 - error) + 3 - severity
    for name, error in ALEXNET_ERRORS.items()
    for severity in range(1, 6)
}


def test_alexnets_errors_are_an_mce_of_100() -> None:
    scores = corruption_scores(ALEXNET_TOP1)
    assert scores["mce"] == pytest.approx(100)
    assert {name: row["ce"] for name, row in scores["corruptions"].items()} == pytest.approx(
        dict.fromkeys(ALEXNET_ERRORS, 100)
    )


@pytest.mark.parametrize("missing", ["fog", "fog/3"])
def test_without_one_folder_there_is_no_mce(missing: str) -> None:
    there = {name: top1 for name, top1 in ALEXNET_TOP1.items() if not f"{name}/".startswith(f"{missing}/")}
    scores = corruption_scores(there)
    assert (scores["mce"], scores["complete"]) == (None, False)
    assert scores["corruptions"].get("fog", {}).get("ce") is None
    assert scores["corruptions"]["snow"]["ce"] == pytest.approx(100)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_named_in_one_line(mixed: Path, workers: int) -> None:
    (mixed / "c" / "1.png").write_bytes(b"<html>")
    with pytest.raises(DataError, match=r"c/1\.png: cannot be read as an image") as caught:
        evaluate(GreyLevel(), "imagenet", mixed, workers=workers)
    assert "\n" not in str(caught.value)


def test_logits_that_are_not_finite_are_refused(mixed: Path) -> None:
    with pytest.raises(DataError, match="logits of 13 of 13 images are not finite"):
        evaluate(torch.nn.Sequential(GreyLevel(), torch.nn.Threshold(1, float("nan"))), "imagenet", mixed)


@pytest.mark.parametrize(
    ("variant", "seen", "warned"),
    [("imagenet", "a" * 40, True), ("imagenet", "abcdef" * 7, True), ("imagenet-a", "a" * 40, False)],
)
def test_chance_level_is_warned_of(tmp_path: Path, caplog, variant: str, seen: str, warned: bool) -> None:
    folder = write_images(tmp_path, dict.fromkeys("abcdef", seen))
    with caplog.at_level(logging.WARNING):
        evaluate(GreyLevel(), variant, folder)
    assert ("is at chance level (16.667)" in caplog.text) is warned


def test_a_right_model_is_not_warned_of(tmp_path: Path, caplog) -> None:
    evaluate(GreyLevel(), "imagenet", write_images(tmp_path, {letter: letter * 40 for letter in "abcdef"}))
    assert not caplog.records


def _evaluate_on_rank(rank: int, folder: Path, expected: dict) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder.parent}/meeting", rank=rank, world_size=2)
    scores = evaluate(GreyLevel(), "imagenet", folder, Runtime(torch.device("cpu"), rank=rank, world_size=2))
    dist.destroy_process_group()  # or gloo's threads may abort the exit
    assert scores == expected


@pytest.mark.slow
def test_processes_together_count_every_image_once(mixed: Path) -> None:
    torch.multiprocessing.spawn(_evaluate_on_rank, (mixed, evaluate(GreyLevel(), "imagenet", mixed)), nprocs=2)
