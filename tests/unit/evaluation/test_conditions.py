"""Distortions, cue conflicts, settings of a camera and streams: scores that are known beforehand, pixels to percent."""

import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known_answers import CONFIG, CPU, require_same_number
from PIL import Image
from torch import Tensor, nn

from dad.evaluation.judge import Judge
from dad.evaluation.loop import Forward, evaluate_sets
from dad.evaluation.pool import ImagePool, LoaderSettings
from dad.evaluation.scores import format_scores
from dad.images.classes import ClassList, imagenet_folders
from dad.variants import ImageSet, list_image_set
from dad.variants.subsets import load_subset
from dad.variants.superclasses import load_superclasses
from dad.variants.table import VARIANTS

BY_NAME = {variant.name: variant for variant in VARIANTS}
WNIDS = imagenet_folders()
IMAGENET, TURNED = ClassList(WNIDS, WNIDS), ClassList(WNIDS[::-1], WNIDS[::-1])
CAT, DOG, BIRD, CLOCK = 281, 152, 10, 409  # a class of each; 151, a Chihuahua, is no dog of the 16


class Table(nn.Module):
    """Gives row k of a table of logits for an image of grey level 10 k."""

    def __init__(self, *rows: Tensor):
        super().__init__()
        self.rows = torch.stack(rows)

    def forward(self, images: Tensor) -> Tensor:
        return self.rows[(images.mean(dim=(1, 2, 3)) * 25.5).round().long()]


def favour(*classes: int, by: float = 9.0) -> Tensor:
    logits = torch.zeros(1000)
    logits[list(classes)] = by
    return logits


def grey(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), 10 * level).save(file, "PNG")
    return file.getvalue()


def write(place: Path, level: int) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(grey(level))


def score(image_set: ImageSet, model: nn.Module, classes: Sequence[str] = WNIDS) -> dict[str, Any]:
    pool = ImagePool([image_set], CONFIG, LoaderSettings(4, 0), CPU)
    (scored,) = evaluate_sets(Forward(model, CPU), pool, [0], classes, average="macro")
    require_same_number(scored)
    return scored.scores


def laion_c(root: Path, seen: dict[str, int], classes: ClassList = IMAGENET, everywhere: bool = False) -> ImageSet:
    """LAION-C with an image of each superclass, of the level of `seen`, else 0, in one folder or in all."""
    variant = BY_NAME["laion-c"]
    for distortion, folders in variant.severity_folders.items():
        for folder in folders if everywhere else folders[:1]:
            for name in load_superclasses(variant, IMAGENET).folders.folders:
                write(root / distortion / folder / name / "0.png", seen.get(name, 0))
    return list_image_set(variant, root, classes)


def test_a_superclass_wins_by_the_mean_probability_of_its_classes(tmp_path: Path) -> None:
    names, classes = load_superclasses(BY_NAME["laion-c"], IMAGENET)
    of = dict(zip(names.folders, classes, strict=True))
    not_by_highest_nor_sum = favour(of["dog"][0], by=5.0) + favour(*of["cat"], by=3.0)  # a cat
    not_by_mean_logit = favour(of["dog"][0], by=6.0) + favour(*of["bird"], by=1.0)  # a dog
    image_set = laion_c(tmp_path, {"cat": 1, "dog": 2, "bird": 2})
    scores = score(image_set, Table(favour(of["fish"][0]), not_by_highest_nor_sum, not_by_mean_logit))
    assert {name: right for name, (right, _) in scores["per_class"].items() if right} == {"cat": 6, "dog": 6, "fish": 6}
    assert {name: count for name, (_, count) in scores["per_class"].items()} == dict.fromkeys(names.folders, 6)
    assert {one["prediction"] for one in scores["mistakes"]} <= {"dog", "fish"}  # superclasses, as labels are
    assert {one["label"] for one in scores["mistakes"]} <= set(names.folders)


def test_pooled_scores_are_those_of_a_plain_softmax_and_mean(tmp_path: Path) -> None:
    image_set = laion_c(tmp_path, {})
    logits = 8 * torch.randn(16, 1000, generator=torch.Generator().manual_seed(0))
    judge = Judge(image_set, CPU.device)
    probabilities = logits.double().softmax(dim=1).numpy()
    members = load_superclasses(image_set.variant, IMAGENET).members
    means = np.stack([probabilities[:, list(some)].mean(axis=1) for some in members], axis=1)
    assert judge.scores(logits).exp().numpy() == pytest.approx(means, rel=1e-4)
    judge.record(logits, np.arange(16), torch.ones(16, dtype=torch.bool))
    answers, shares = judge.verdicts.numpy(), means / means.sum(axis=1, keepdims=True)
    assert (image_set.columns[answers.predictions[:16]] == means.argmax(axis=1)).all()
    assert answers.confidences[:16] == pytest.approx(shares.max(axis=1), rel=1e-4)
    own = shares[np.arange(16), image_set.columns[image_set.labels[:16]]]
    assert np.exp(-answers.losses[:16]) == pytest.approx(own, rel=1e-3)


def test_a_probability_too_small_for_a_float_is_no_damaged_model(tmp_path: Path) -> None:
    scores = score(laion_c(tmp_path, {}), Table(favour(CAT, by=500.0)))
    assert np.isfinite(scores["loss"]) and scores["per_class"]["cat"] == (6, 6)


@pytest.mark.parametrize("classes", [IMAGENET, TURNED], ids=["imagenet", "turned"])
def test_the_headline_is_the_mean_over_distortions_and_levels_in_any_order_of_classes(
    tmp_path: Path, classes: ClassList
) -> None:
    image_set = laion_c(tmp_path, {"cat": 1}, classes, everywhere=True)
    write(tmp_path / "stickers" / "intensity_level_5" / "cat" / "0.png", 0)
    wanted = [classes.index[WNIDS[number]] for number in range(1000)]
    rows = [torch.zeros(1000).index_copy(0, torch.tensor(wanted), row) for row in (favour(DOG), favour(CAT))]
    scores = score(image_set, Table(*rows), classes.folders)
    assert scores["corruptions"]["mosaic"]["severities"] == [12.5] * 5
    assert scores["corruptions"]["stickers"]["severities"] == [12.5] * 4 + [6.25]
    assert (scores["complete"], scores["count"]) == (True, 480)
    assert scores["mean_top1"] == pytest.approx(12.5 - 6.25 / 30) == pytest.approx(scores["top1"])


def cue_conflicts(root: Path) -> tuple[ImageSet, ImageSet]:
    """The 16 classes with a clock's texture each, all seen as clocks, but for a few."""
    variant = BY_NAME["cue-conflict"]
    for name in load_superclasses(variant, IMAGENET).folders.folders:
        write(root / name / f"{name}1-clock1.png", 0)
    for name, level in {"cat1-dog1": 1, "cat2-dog1": 1, "cat3-dog2": 2, "cat4-bird1": 2, "cat5-cat1": 1}.items():
        write(root / "cat" / f"{name}.png", level)
    listed = [list_image_set(BY_NAME[name], root, IMAGENET) for name in ("cue-conflict", "shape-bias")]
    return listed[0], listed[1]


def test_shape_accuracy_counts_all_images_and_shape_bias_the_decisions_for_either_cue(tmp_path: Path) -> None:
    conflicts, bias = cue_conflicts(tmp_path)
    model = Table(favour(CLOCK), favour(CAT), favour(DOG))
    accuracy, scores = score(conflicts, model), score(bias, model)
    assert (accuracy["correct"], accuracy["count"]) == (4, 21)  # three cats and the clock
    # shapes: cat1-dog1, cat2-dog1; textures: fifteen clocks, cat3-dog2; cat4-bird1 is taken for a dog: neither
    assert (scores["shape_decisions"], scores["texture_decisions"], scores["count"]) == (2, 16, 19)
    assert scores["shape_bias"] == pytest.approx(100 * 2 / 18)
    low, high = scores["shape_bias_interval"]
    assert low < scores["shape_bias"] < high
    assert "shape bias 11.111" in format_scores("shape-bias", scores | {"seconds": 1.0}, 0.5)
    assert "shape_bias" not in accuracy


def test_a_model_that_sees_neither_cue_has_no_shape_bias(tmp_path: Path) -> None:
    _, bias = cue_conflicts(tmp_path)
    airplane = replace(bias, paths=bias.paths[:1], labels=bias.labels[:1], rivals=bias.rivals[:1])
    scores = score(airplane, Table(favour(BIRD)))
    assert (scores["shape_bias"], scores["shape_decisions"], scores["texture_decisions"]) == (None, 0, 0)


def test_es_is_scored_among_its_200_classes_by_light_and_setting(tmp_path: Path) -> None:
    variant = BY_NAME["imagenet-es"]
    first, *others = load_subset(variant)
    for part, level in {"l1/param_1": 0, "l1/param_2": 1, "l5/param_1": 0}.items():
        write(tmp_path / part / first / "0.png", level)
        for name in others:
            write(tmp_path / part / name / "0.png", 2)
    outside = next(number for number, name in enumerate(WNIDS) if name not in load_subset(variant))
    right, wrong = WNIDS.index(first), WNIDS.index(others[0])
    model = Table(favour(right) + favour(outside, by=20.0), favour(wrong, by=20.0), favour(right))
    scores = score(list_image_set(variant, tmp_path, IMAGENET), model)
    assert scores["corruptions"]["l1"]["severities"][:3] == [0.5, 0.0, None]
    assert (scores["corruptions"]["l5"]["top1"], scores["mean_top1"], scores["complete"]) == (0.5, 0.375, False)


def test_a_stream_is_scored_from_its_tars(tmp_path: Path) -> None:
    variant = BY_NAME["ccc-hard"]
    levels = {"speed_1000": [(CAT, 0), (CAT, 1), (DOG, 0), (DOG, 1)], "speed_5000": [(CAT, 0), (CAT, 0)]}
    for speed, images in levels.items():
        folder = tmp_path / variant.severity_folders[speed][0]
        folder.mkdir()
        for serial in (0, 1):
            with tarfile.open(folder / f"serial_{serial:05d}.tar", "w") as archive:
                for number, (label, level) in enumerate(images[serial::2]):
                    for suffix, content in ((".input.jpg", grey(level)), (".output.cls", str(label).encode())):
                        member = tarfile.TarInfo(f"sample_{number}{suffix}")
                        member.size = len(content)
                        archive.addfile(member, io.BytesIO(content))
    scores = score(list_image_set(variant, tmp_path, IMAGENET), Table(favour(CAT), favour(DOG)))
    assert scores["corruptions"]["speed_1000"]["severities"] == [50.0, None, None]
    assert (scores["top1"], scores["mean_top1"], scores["complete"]) == (100 * 4 / 6, 75.0, False)
    assert scores["mistakes"][0]["file"].startswith(str(tmp_path)) and " (bytes " in scores["mistakes"][0]["file"]
