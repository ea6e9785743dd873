"""Calibration, against what it is by definition."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import BY_NAME, CPU, make_pool, make_set, score
from torch import Tensor, nn

from dad.evaluation.calibration import brier_score, calibration_error, mean_loss
from dad.evaluation.judge import Judge
from dad.evaluation.scores import summarize
from dad.variants import ImageSet

DRAW = np.random.default_rng(0)


def plain_error(confidences: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    order, total = np.argsort(confidences, kind="stable"), 0.0
    for part in np.array_split(order, bins):
        total += len(part) * abs(confidences[part].mean() - right[part].mean()) if len(part) else 0
    return 100 * total / len(order)


@pytest.mark.parametrize("size", [1, 7, 15, 400, 1501])
def test_the_error_is_that_of_equally_filled_bins(size: int) -> None:
    confidences = DRAW.random(size)
    right = DRAW.random(size) < confidences**2
    assert calibration_error(confidences, right) == pytest.approx(plain_error(confidences, right))


def test_images_of_the_same_confidence_may_come_in_any_order() -> None:
    confidences, right = np.repeat([0.5, 1.0], 50).astype(np.float32), np.arange(100) % 3 == 0
    errors = []
    for _ in range(5):
        order = DRAW.permutation(100)
        errors.append(calibration_error(confidences[order], right[order]))
    assert errors == pytest.approx([errors[0]] * 5)
    assert errors[0] == pytest.approx(50 * (0.5 - right[:50].mean()) + 50 * (1 - right[50:].mean()), abs=1)


def test_who_is_right_as_often_as_it_says_has_no_error() -> None:
    right = np.arange(1000) % 10 < 7
    assert calibration_error(np.full(1000, 0.7), right) == pytest.approx(0, abs=1e-9)
    assert calibration_error(np.full(1000, 1.0), right) == pytest.approx(30)


def test_brier_and_likelihood_are_those_of_the_probabilities() -> None:
    shares, labels = torch.randn(50, 6, dtype=torch.float64).softmax(dim=1), torch.arange(50) % 6
    losses = nn.functional.nll_loss(shares.log(), labels, reduction="none").numpy()
    plain = (shares - nn.functional.one_hot(labels, 6)).square().sum(dim=1).mean()
    assert brier_score(shares.square().sum(dim=1).numpy(), losses) == pytest.approx(plain.item())
    assert mean_loss(losses) == pytest.approx(losses.mean())


def judged(image_set: ImageSet, logits: Tensor, temperature: float | None = None) -> dict:
    judge = Judge(image_set, CPU.device, temperature)
    judge.record(logits, np.arange(len(logits)), torch.ones(len(logits), dtype=torch.bool))
    scores = summarize(image_set, judge.verdicts, "abcdef", None, temperature)
    return scores.get("calibration", {})


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    return make_set(tmp_path / "six", dict.fromkeys("abcdef", "aaaa"), "imagenet-sketch")


@pytest.mark.parametrize("temperature", [None, 0.5, 3.0])
def test_a_sets_calibration_is_that_of_its_logits(images: ImageSet, temperature: float | None) -> None:
    logits = 3 * torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    found, labels = judged(images, logits, temperature), torch.from_numpy(images.labels)
    if temperature is not None:
        assert found["scaled"].pop("temperature") == temperature and found["scaled"].pop("count") == 24
        assert found["scaled"] == judged(images, logits / temperature)
    shares = logits.softmax(dim=1).double()
    best, chosen = shares.max(dim=1)
    assert found["ece"] == pytest.approx(plain_error(best.numpy(), (chosen == labels).numpy()), abs=1e-4)
    plain = (shares - nn.functional.one_hot(labels, 6)).square().sum(dim=1).mean()
    assert found["brier"] == pytest.approx(plain.item(), abs=1e-5)
    assert found["nll"] == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), abs=1e-5)


def test_a_subset_is_calibrated_among_its_own_classes(tmp_path: Path) -> None:
    """Grey levels between b and d see c, which is none of the set's classes: both of them are as likely."""
    scores = score(make_pool([make_set(tmp_path, {"b": "c", "d": "c"}, "imagenet-r")]))[0]
    assert scores["calibration"] == pytest.approx({"ece": 0, "brier": 0.5, "nll": np.log(2)}, abs=1e-4)


def test_several_right_answers_have_no_likelihood_and_shared_columns_no_calibration(images: ImageSet) -> None:
    logits = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    several = replace(images, accepted=(np.arange(25) * 2, np.stack([images.labels, images.labels ^ 1], 1).ravel()))
    assert set(judged(several, logits, 2.0)) == {"ece", "scaled"}
    assert set(judged(several, logits, 2.0)["scaled"]) == {"ece", "temperature", "count"}
    shared = replace(images, columns=np.array([0, 1, 2, 3, 4, 4]))
    assert judged(shared, logits) == judged(replace(shared, column_names=tuple("vwxyz")), logits, 2.0) == {}


def test_outliers_are_not_calibrated(images: ImageSet) -> None:
    labels = np.where(images.labels == 5, -1, images.labels)
    assert judged(replace(images, labels=labels, variant=BY_NAME["imagenet-o"]), torch.randn(24, 6)) == {}
