"""Points above the line, and shares of a teacher's surplus."""

import math
from typing import Any

import numpy as np
import pytest

from dad.errors import UsageError
from dad.images.classes import imagenet_folders
from dad.report.columns import column_of
from dad.report.differences import Estimate
from dad.report.robustness import Comparison, above_line, has_line, minus, resolve_comparison, share_of_surplus
from dad.report.trend import trend_lines

R = column_of("imagenet-r")


def model(name: str, half: float = 0.5, weights: str = "", **top1: float) -> dict[str, Any]:
    """Results with accuracies of `top1`, a set's name without "imagenet-", each with an interval of +- half."""
    names = {"clean": "imagenet", "v2": "imagenetv2"}
    variants = {names.get(key, f"imagenet-{key}"): {"top1": value, "top1_interval": [value - half, value + half]}
                for key, value in top1.items()}  # fmt: skip
    classes = dict.fromkeys(imagenet_folders(), "")
    settings = {"num_classes": 1000}
    return {"name": name, "model": name, "weights": weights, "settings": settings, "class_names": classes,
            "variants": variants}  # fmt: skip


BASE, TOP = model("base", clean=79.9, r=40.0), model("top", weights="teacher", clean=79.9, r=90.0)


@pytest.mark.parametrize(
    ("clean", "name", "accuracy", "points"),
    [(79.6, "r", 65.1, 23.4), (79.6, "sketch", 46.1, 16.9), (75.7, "r", 51.6, 15.1)],
)
def test_the_papers_models_lie_above_the_line(clean: float, name: str, accuracy: float, points: float) -> None:
    above = above_line(model("dad", clean=clean, **{name: accuracy}), f"imagenet-{name}")
    assert above is not None and round(above.points.value, 1) == points and not above.is_extrapolated


def test_its_interval_is_wider_than_that_of_the_accuracy_alone() -> None:
    above = above_line(model("m", clean=79.6, r=65.1), "imagenet-r")
    slope = (trend_lines()["imagenet-r"].at(80.1) - trend_lines()["imagenet-r"].at(79.1)) / 1
    assert above is not None and above.points.below == pytest.approx(math.hypot(0.5, 0.5 * slope), rel=0.01)


def test_what_has_no_line_has_no_points() -> None:
    whole = model("m", clean=79.6, r=65.1, c=50.0, style=20.0)
    assert above_line(whole, "imagenet-r") and has_line(whole)
    assert above_line(whole, "imagenet-c") is None and above_line(whole, "imagenet-style") is None
    assert not has_line(model("m", r=65.1)) and not has_line(model("m", clean=79.6))
    assert not has_line({**whole, "settings": {"num_classes": 100}}) and not has_line(
        {**whole, "class_names": {"a": "a"}}
    )
    assert not has_line(model("m", clean=0.0, r=1.0))


@pytest.mark.parametrize(("clean", "is_extrapolated"), [(40.9, True), (41.0, False), (87.4, False), (88.0, True)])
def test_beyond_the_published_models_it_is_extrapolated(clean: float, is_extrapolated: bool) -> None:
    above = above_line(model("m", clean=clean, r=30.0), "imagenet-r")
    assert above is not None and above.is_extrapolated is is_extrapolated


def test_a_difference_has_the_reaches_of_both() -> None:
    found = minus(Estimate(5, 3, 1), Estimate(2, 2, 4))
    assert (found.value, found.below, found.above) == pytest.approx((3, 5, math.hypot(1, 2)))


def test_a_share_of_the_surplus_has_arrived() -> None:
    share = share_of_surplus(R, model("s", r=65.0), Comparison(BASE, TOP, ()))
    assert share is not None and share.value == pytest.approx(0.5)
    # ends of Fieller's interval: (65 - 40 - 50 t)^2 = 0.25 (1 + (1 - t)^2 + t^2)
    low, high = sorted(np.roots([2500 - 0.5, -2500 + 0.5, 625 - 0.5]).real)
    assert share.interval == pytest.approx((low, high))


def test_of_other_images_there_is_no_share() -> None:
    rows = [model("s", r=65.0), model("base", clean=79.9, r=40.0), model("top", weights="teacher", clean=79.9, r=90.0)]
    for number, row in enumerate(rows):
        row["variants"]["imagenet-r"] |= {"images": str(number), "count": 30_000, "expected": 30_000}
    share = share_of_surplus(R, rows[0], Comparison(rows[1], rows[2], ()))
    assert share is not None and share.value == pytest.approx(0.5)  # copies of the same
    rows[1]["variants"]["imagenet-r"]["count"] = 500
    share = share_of_surplus(R, rows[0], Comparison(rows[1], rows[2], ()))
    assert share is not None and share.value is None and "different images" in share.why


def test_with_exact_ends_the_interval_is_the_students_own() -> None:
    exact = Comparison(model("base", half=0.0, r=40.0), model("top", half=0.0, r=90.0), ())
    share = share_of_surplus(R, model("s", half=2.0, r=30.0), exact)
    assert share is not None and share.value == pytest.approx(-0.2) and share.interval == pytest.approx((-0.24, -0.16))


@pytest.mark.parametrize("accuracy", [40.6, 40.0, 35.0])
def test_no_ratio_to_a_teacher_that_is_not_clearly_above(accuracy: float) -> None:
    share = share_of_surplus(R, model("s", r=65.0), Comparison(BASE, model("top", r=accuracy), ()))
    assert share is not None and share.value is None and share.why.startswith("the teacher's surplus is")


def test_no_share_without_intervals_or_scores() -> None:
    bare = model("top", r=90.0)
    del bare["variants"]["imagenet-r"]["top1_interval"]
    share = share_of_surplus(R, model("s", r=65.0), Comparison(BASE, bare, ()))
    assert share is not None and share.value is None and share.why == "a number without an interval"
    assert share_of_surplus(R, model("s", clean=65.0), Comparison(BASE, TOP, ())) is None


def test_the_one_teacher_need_not_be_named() -> None:
    student = model("s", r=65.0)
    found = resolve_comparison([student, BASE, TOP], "base", "")
    assert (found.baseline, found.teacher, list(found.students)) == (BASE, TOP, [student])
    named = resolve_comparison([student, {**student, "name": "t"}, BASE, TOP], "base", "t")
    assert named.teacher["name"] == "t" and list(named.students) == [student]  # no teacher's row is a student


def test_rows_are_named_exactly_and_once() -> None:
    rows = [model("s"), BASE, TOP]
    for words, said in (
        (("bsae", ""), "--baseline bsae: no row has this name; did you mean base"),
        (("base", "topp"), "--teacher topp: no row has this name; did you mean top"),
        (("top", "top"), "--baseline top: it is the teacher too"),
    ):
        with pytest.raises(UsageError, match=said):
            resolve_comparison(rows, *words)
    with pytest.raises(UsageError, match=r"--baseline base: 2 rows have this name"):
        resolve_comparison([*rows, BASE], "base", "top")
    with pytest.raises(UsageError, match=r"give --teacher NAME too; of those marked as a teacher's no row is"):
        resolve_comparison(rows[:2], "base", "")
    with pytest.raises(UsageError, match=r"2 rows are: top, other"):
        resolve_comparison([*rows, {**TOP, "name": "other"}], "base", "")
    with pytest.raises(UsageError, match="no student is left"):
        resolve_comparison([BASE, TOP], "base", "")
