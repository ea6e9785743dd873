"""Intervals, corruption errors and average precision against known values."""

import numpy as np
import pytest

from dad.evaluation.metrics import (
    average_precision,
    class_averages,
    corruption_errors,
    corruption_scores,
    relative_mce,
    renamed_top1,
    wilson_interval,
)

REFERENCE = {"fog": 0.8, "snow": 0.5}
TOP1 = {"fog/1": 60.0, "fog/2": 40.0, "snow/1": 90.0, "snow/2": 80.0}


@pytest.mark.parametrize(
    ("correct", "count", "expected"),
    [
        (0, 0, (0, 100)),
        (0, 10, (0, 27.75)),
        (10, 10, (72.25, 100)),
        (81, 263, (25.53, 36.62)),  # Newcombe 1998, Table I
        (5, 10, (23.66, 76.34)),
    ],
)
def test_wilson_interval_has_published_values(correct: int, count: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(correct, count) == pytest.approx(expected, abs=0.006)


def test_corruption_errors_divide_by_the_reference() -> None:
    scores = corruption_errors(corruption_scores(TOP1, ["fog", "snow"], [1, 2]), REFERENCE)
    assert scores["complete"]
    assert scores["mean_top1"] == 67.5
    assert scores["corruptions"]["fog"] == {"top1": 50, "severities": [60, 40], "ce": pytest.approx(62.5)}
    assert scores["mce"] == pytest.approx((50 / 0.8 + 15 / 0.5) / 2)


def test_the_reference_itself_has_an_mce_of_100() -> None:
    errors = corruption_scores(
        {f"{name}/1": 100 - 100 * error for name, error in REFERENCE.items()}, list(REFERENCE), [1]
    )
    assert corruption_errors(errors, REFERENCE)["mce"] == pytest.approx(100)


def test_relative_mce_counts_what_a_corruption_adds() -> None:
    scores = corruption_scores(TOP1, ["fog", "snow"], [1, 2])
    assert relative_mce(scores, 95.0, REFERENCE, 0.4) == pytest.approx(((50 - 5) / 0.4 + (15 - 5) / 0.1) / 2)


@pytest.mark.parametrize("gone", ["fog/2", "snow/1"])
def test_mce_is_none_where_a_severity_is_missing(gone: str) -> None:
    some = {name: value for name, value in TOP1.items() if name != gone}
    scores = corruption_errors(corruption_scores(some, ["fog", "snow"], [1, 2]), REFERENCE)
    assert not scores["complete"]
    assert scores["mce"] is None
    assert scores["corruptions"][gone[:-2]]["ce"] is None


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([3.0, 2.0, 1.0], [True, True, False], 100),
        ([1.0, 2.0, 3.0], [True, False, False], 100 / 3),
        ([0.1, 0.4, 0.35, 0.8], [False, False, True, True], 250 / 3),  # scikit-learn's own example: 0.83
        ([1.0, 1.0, 1.0, 1.0], [True, False, False, False], 25),
    ],
)
def test_average_precision_is_that_of_scikit_learn(scores: list[float], positive: list[bool], expected: float) -> None:
    assert average_precision(np.array(scores), np.array(positive)) == pytest.approx(expected)


# Three classes; rows: (label, prediction).
PAIRS = np.array([[0, 0], [0, 1], [1, 1], [2, 1], [2, 2], [2, 2]])


@pytest.mark.parametrize(
    ("kind", "precision", "recall", "f1"),
    [
        ("micro", 4 / 6, 4 / 6, 4 / 6),
        ("macro", (1 + 1 / 3 + 1) / 3, (0.5 + 1 + 2 / 3) / 3, (2 / 3 + 0.5 + 0.8) / 3),
        ("weighted", (2 * 1 + 1 / 3 + 3) / 6, (1 + 1 + 2) / 6, (2 * 2 / 3 + 0.5 + 3 * 0.8) / 6),
    ],
)
def test_class_averages_of_each_kind(kind: str, precision: float, recall: float, f1: float) -> None:
    averages = class_averages(PAIRS[:, 0], PAIRS[:, 1], kind)
    assert averages == pytest.approx({"precision": 100 * precision, "recall": 100 * recall, "f1": 100 * f1})


LABELS = np.repeat(np.arange(4), 10)


@pytest.mark.parametrize(
    ("predictions", "best"),
    [
        (LABELS, None),
        ((LABELS + 1) % 4, 100),
        (np.where(np.arange(40) % 10 < 8, LABELS[::-1], LABELS), 80),
        (np.where(LABELS == 0, 3, LABELS), None),  # one class taken for another
        (np.zeros(40, dtype=np.int64), None),  # a model that says one thing only
        (np.arange(40) % 4, None),  # a model that guesses
    ],
)
def test_another_numbering_that_is_far_better_is_told(predictions: np.ndarray, best: float | None) -> None:
    assert renamed_top1(LABELS, predictions) == best


def test_few_images_fit_some_numbering_by_chance() -> None:
    assert renamed_top1(LABELS[::5], ((LABELS + 1) % 4)[::5]) is None
