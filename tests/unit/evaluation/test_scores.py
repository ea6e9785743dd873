"""Scores of a set from the verdicts on its images."""

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import BY_NAME, MIXED, SIX, GreyLevel, make_pool, make_set, score, write_images
from torch import nn

from dad.errors import DataError
from dad.evaluation.metrics import average_precision, wilson_interval
from dad.evaluation.scores import format_scores, with_relative_mce
from dad.variants import ImageSet, list_image_set
from dad.variants.corruptions import ALEXNET_ERRORS

RIGHT, HALF = dict(zip("abcdef", "abcdef", strict=True)), dict(zip("abcdef", "abcaaa", strict=True))


def corrupted(root: Path, *folders: str, half: str = "fog/5") -> ImageSet:
    """ImageNet-C of the folders named, or all; half of the images of `half` are wrong."""
    for name in folders or [f"{corruption}/{severity}" for corruption in ALEXNET_ERRORS for severity in range(1, 6)]:
        write_images(root / name, HALF if name == half else RIGHT)
    return list_image_set(BY_NAME["imagenet-c"], root, SIX)


@pytest.fixture
def outliers(tmp_path: Path) -> ImageSet:
    """Six images with a label and three without, as ImageNet-O has them."""
    image_set = make_set(tmp_path / "o", {"a": "abc", "b": "b", "c": "c", "d": "d", "e": "e", "f": "ff"})
    labels = np.where(np.isin(np.arange(9), [1, 2, 8]), -1, image_set.labels)
    return replace(image_set, labels=labels, variant=BY_NAME["imagenet-o"])


def test_counts_are_those_of_the_tree(mixed: ImageSet) -> None:
    scores = score(make_pool([mixed]))[0]
    assert (scores["top1"], scores["top5"], scores["count"]) == (100 * 9 / 13, 100 * 11 / 13, 13)
    assert scores["correct"] == 9 and scores["images"] == mixed.digest and scores["unreadable"] == []
    assert tuple(scores["top1_interval"]) == wilson_interval(9, 13)
    assert tuple(scores["top5_interval"]) == wilson_interval(11, 13)


def test_a_subset_is_scored_among_its_own_classes(tmp_path: Path) -> None:
    image_set = make_set(tmp_path, {"a": "b", "f": "e"}, "imagenet-a")
    assert score(make_pool([image_set]))[0]["top1"] == 100
    write_images(tmp_path, {"b": "b", "e": "e"})
    assert score(make_pool([list_image_set(image_set.variant, tmp_path, SIX)]))[0]["top1"] == 50


def test_numbered_folders_are_scored_by_number(tmp_path: Path) -> None:
    image_set = make_set(tmp_path, {str(index): letter for index, letter in enumerate("abcdef")}, "imagenetv2")
    assert score(make_pool([image_set]))[0]["top1"] == 100


def test_the_loss_of_a_subset_is_that_of_its_logits(tmp_path: Path) -> None:
    scores = score(make_pool([make_set(tmp_path, {"b": "c", "d": "c"}, "imagenet-r")]))[0]
    assert scores["loss"] == pytest.approx(torch.tensor(2).log().item())


def test_right_images_are_counted_by_class(mixed: ImageSet) -> None:
    per_class = score(make_pool([mixed]))[0]["per_class"]
    assert per_class == {"a": (2, 3), "b": (1, 1), "c": (1, 2), "d": (2, 3), "e": (2, 2), "f": (1, 2)}


def test_the_surest_mistakes_come_first(mixed: ImageSet, tmp_path: Path) -> None:
    class Sure(nn.Module):  # the darker an image, the surer
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return GreyLevel()(images) * (2 - images.mean(dim=(1, 2, 3)))[:, None]

    mistakes = score(make_pool([mixed]), Sure())[0]["mistakes"]
    probabilities = [mistake["probability"] for mistake in mistakes]
    assert probabilities == sorted(probabilities, reverse=True) and 0 < probabilities[-1] < probabilities[0] < 1
    told = {(mistake["file"], mistake["label"], mistake["prediction"]) for mistake in mistakes}
    files = {"a/2.png": "af", "c/1.png": "cd", "d/2.png": "da", "f/1.png": "fa"}
    assert told == {(str(tmp_path / "val" / name), *letters) for name, letters in files.items()}


def test_no_more_than_six_mistakes_are_told(tmp_path: Path) -> None:
    assert len(score(make_pool([make_set(tmp_path, dict.fromkeys("abcdef", "aa"))]))[0]["mistakes"]) == 6


def test_corruptions_are_scored_by_corruption_and_severity(tmp_path: Path) -> None:
    scores = score(make_pool([corrupted(tmp_path)], batch_size=64))[0]
    assert scores["corruptions"]["fog"]["severities"] == [100, 100, 100, 100, 50]
    assert scores["corruptions"]["snow"] == {"top1": 100, "ce": 0, "severities": [100] * 5}
    assert scores["mce"] == pytest.approx(10 / ALEXNET_ERRORS["fog"] / 15)
    assert (scores["top1"], scores["count"], scores["complete"]) == (100 * 447 / 450, 450, True)
    assert scores["mean_top1"] == pytest.approx(100 - 10 / 15) and scores["extra"] == {}


def test_extra_corruptions_are_scored_and_do_not_count(tmp_path: Path) -> None:
    scores = score(make_pool([corrupted(tmp_path, "fog/1", "snow/2", "spatter/3", half="spatter/3")]))[0]
    assert (scores["top1"], scores["count"], scores["mean_top1"]) == (100, 12, 100)
    assert scores["extra"] == {"spatter": {"top1": 50, "severities": [None, None, 50, None, None]}}
    assert sum(count for _, count in scores["per_class"].values()) == 12 and scores["mistakes"] == []


def test_without_some_folders_there_is_no_mce(tmp_path: Path) -> None:
    scores = score(make_pool([corrupted(tmp_path, "fog/1", "fog/5", "snow/2")]))[0]
    assert (scores["mce"], scores["complete"], scores["mean_top1"]) == (None, False, (75 + 100) / 2)
    assert scores["corruptions"]["fog"] == {"top1": 75, "ce": None, "severities": [100, None, None, None, 50]}
    assert "incomplete" in format_scores("imagenet-c", scores | {"seconds": 1.0}, 0.5)


def test_extra_corruptions_alone_are_no_score(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"imagenet-c: none of its 6 images counts, e.g. .*spatter/3/a/0.png"):
        score(make_pool([corrupted(tmp_path, "spatter/3")]))


def test_the_relative_mce_counts_from_clean_images(tmp_path: Path, mixed: ImageSet) -> None:
    clean = make_set(tmp_path / "clean", RIGHT)
    scores = score(make_pool([clean, corrupted(tmp_path / "c")], batch_size=64))
    variants = with_relative_mce({"imagenet": scores[0], "imagenet-c": scores[1]})
    added = 10 / (ALEXNET_ERRORS["fog"] - 0.4348)  # by fog; the others add nothing
    assert variants["imagenet-c"]["relative_mce"] == pytest.approx(added / 15)
    assert "relative_mce" not in with_relative_mce({"imagenet-c": scores[1]})["imagenet-c"]
    assert "relative_mce" not in with_relative_mce({"imagenet": scores[0], "imagenet-c": {"mce": None}})["imagenet-c"]


def test_images_without_a_label_are_scored_as_anomalies_alone(outliers: ImageSet) -> None:
    pool = make_pool([outliers])
    scores = score(pool)[0]
    assert (scores["count"], scores["correct"], scores["outliers"], scores["listed"]) == (6, 6, 3, 9)
    images = torch.cat([batch.images for batch in pool.batches([0])])
    confidences = GreyLevel()(images).softmax(dim=1).amax(dim=1).numpy()
    assert scores["aupr"] == pytest.approx(average_precision(-confidences, outliers.labels < 0))


@pytest.mark.parametrize(("sign", "aupr"), [(1, 100), (-1, None)])
def test_an_unsure_answer_marks_an_anomaly(outliers: ImageSet, sign: int, aupr: float | None) -> None:
    class Unsure(nn.Module):  # of the images numbered 1, 2 and 8 in one batch
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            sure = torch.where(torch.isin(torch.arange(9), torch.tensor([1, 2, 8])), 3 - 2 * sign, 3 + 2 * sign)
            return torch.eye(6)[0] * sure[:, None]

    found = score(make_pool([outliers], batch_size=9), Unsure())[0]["aupr"]
    assert found == pytest.approx(aupr) if aupr else found < 50


def test_there_is_no_aupr_without_outliers(outliers: ImageSet) -> None:
    for path in outliers.paths[outliers.labels < 0]:
        Path(os.fsdecode(path)).write_bytes(b"<html>")
    with pytest.raises(DataError, match="imagenet-o: none of its 3 outliers can be read"):
        score(make_pool([outliers]))


def test_the_average_over_classes_counts_any_right_answer(mixed: ImageSet) -> None:
    plain = score(make_pool([mixed]), average="micro")[0]
    assert plain["precision"] == plain["recall"] == plain["f1"] == pytest.approx(plain["top1"])
    shared = replace(mixed, columns=np.array([0, 1, 2, 2, 3, 0]))
    shared_scores = score(make_pool([shared]), average="micro")[0]
    assert shared_scores["recall"] == pytest.approx(shared_scores["top1"]) and shared_scores["top1"] > plain["top1"]
    assert "f1" not in score(make_pool([mixed]))[0]


def test_scores_are_json_without_a_number_that_is_none(tmp_path: Path, outliers: ImageSet) -> None:
    for scores in score(make_pool([corrupted(tmp_path / "c", "fog/1"), outliers]), average="macro"):
        json.dumps(scores, allow_nan=False)


class Broken(GreyLevel):
    """What it gives is no number where an image is of grey level 60, as d is."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        dark = images.mean(dim=(1, 2, 3)).sub(60 / 255).abs() < 0.01
        return super().forward(images).masked_fill(dark[:, None], torch.nan)


def test_logits_that_are_not_finite_are_refused(mixed: ImageSet) -> None:
    with pytest.raises(DataError, match=r"^imagenet: the model's logits of 3 of 13 images are not finite; .* --amp"):
        score(make_pool([mixed]), Broken())


def test_an_anomaly_is_not_recognised_by_logits_that_are_no_numbers(tmp_path: Path, outliers: ImageSet) -> None:
    (tmp_path / "o/a/1.png").write_bytes((tmp_path / "o/d/0.png").read_bytes())
    (tmp_path / "o/d/0.png").write_bytes((tmp_path / "o/e/0.png").read_bytes())
    with pytest.raises(DataError, match="logits of 1 of 9 images are not finite"):
        score(make_pool([outliers]), Broken())


@pytest.mark.parametrize(
    ("variant", "seen", "warned"),
    [("imagenet", "a" * 40, True), ("imagenet", "abcdef" * 7, True), ("imagenet-a", "a" * 40, False),
     ("imagenet", "a" * 30, False)],
)  # fmt: skip
def test_chance_level_is_warned_of(tmp_path: Path, caplog, variant: str, seen: str, warned: bool) -> None:
    image_set = make_set(tmp_path, dict.fromkeys("abcdef", seen), variant)
    with caplog.at_level(logging.WARNING):
        score(make_pool([image_set], batch_size=64))
    assert ("is at chance level (16.667)" in caplog.text) is warned


def test_a_right_model_is_not_warned_of(tmp_path: Path, caplog) -> None:
    score(make_pool([make_set(tmp_path, {letter: letter * 40 for letter in MIXED})], batch_size=64))
    assert not caplog.records


def test_a_class_list_in_another_order_is_suspected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shifted = dict(zip("abcdef", ("bbbbb", "ccccc", "ddddd", "eeeee", "fffff", "aaaaa"), strict=True))
    (scores,) = score(make_pool([make_set(tmp_path, shifted)]))
    assert (scores["top1"], scores["renamed_top1"]) == (0, 100)
    assert "Acc@1 is 0.0, but would be 100.0 if the classes had other numbers" in caplog.text


def test_a_list_in_the_right_order_is_not(mixed: ImageSet) -> None:
    assert "renamed_top1" not in score(make_pool([mixed]))[0]
