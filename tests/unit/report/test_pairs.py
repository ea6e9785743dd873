"""Pairs of results, image by image."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dad.decisions import Decisions, decisions_path
from dad.report.card import format_card
from dad.report.columns import SEVEN, average_seven, metrics_of
from dad.report.differences import clear_bests
from dad.report.pairs import OTHER_IMAGES, Difference, Pairs, contributions, number_of
from dad.report.results import load_with_files

Decided = Callable[..., Path]
ALL = {name.replace("-", "_"): 0.5 for name in SEVEN}


def pairs_of(*paths: Path) -> Pairs:
    return Pairs(*load_with_files([str(path) for path in paths]))


def test_the_difference_is_that_of_the_numbers(decided: Decided) -> None:
    pairs = pairs_of(decided("a", **ALL), decided("b", **{**ALL, "imagenet_c": 0.6, "imagenet_a": 0.3}))
    one, other = map(metrics_of, pairs.results)
    for name in SEVEN:
        found = pairs.difference([name], 0, 1)
        assert isinstance(found, Difference) and found.value == pytest.approx((other[name] or 0) - (one[name] or 0))
        assert found.interval[0] <= found.value <= found.interval[1]
    average = pairs.difference(SEVEN, 0, 1)
    assert isinstance(average, Difference)
    assert average.value == pytest.approx((average_seven(other) or 0) - (average_seven(one) or 0))


def test_versions_of_a_photo_count_once(decided: Decided) -> None:
    pairs = pairs_of(decided("a", **ALL), decided("b", **ALL, imagenetv2_top=0.5))
    c, plain, average = (pairs.difference(names, 0, 1) for names in (["imagenet-c"], ["imagenet"], SEVEN))
    assert isinstance(c, Difference) and (c.images, c.photos, c.p) == (3000, 40, None)
    assert isinstance(plain, Difference) and (plain.images, plain.photos, plain.p) == (400, 400, 1.0)
    assert isinstance(average, Difference) and average.photos == 400 + 4 * 400  # ImageNet, C and Stylized are one


def test_images_alone_that_one_gets_right_are_counted(decided: Decided) -> None:
    found = pairs_of(decided("a", imagenet=0.5), decided("b", imagenet=0.6)).difference(["imagenet"], 0, 1)
    assert isinstance(found, Difference)
    assert found.only[0] == 0 and found.only[1] == round(found.value * 4) and found.p == 2.0 ** (1 - found.only[1])


def test_what_cannot_be_compared_is_told(decided: Decided) -> None:
    pairs = pairs_of(decided("a", imagenet_r=0.5), decided("b", images="other"), decided("c"))
    assert pairs.difference(["imagenet"], 0, 1) == OTHER_IMAGES
    assert pairs.difference(["imagenet-r"], 0, 2) == "not scored for both"
    decisions_path(pairs._files[2].results).unlink()
    reason = pairs_of(*(file.results for file in pairs._files)).difference(["imagenet"], 0, 2)
    assert isinstance(reason, str) and "no such file" in reason and "--rescore" in reason


def test_only_images_that_count_for_both_are_paired() -> None:
    right, counted = np.array([1, 0, 1, 0], np.bool_), np.array([1, 1, 0, 1], np.bool_)
    sources = np.arange(4, dtype=np.uint64)
    one, other = Decisions(right, counted, sources), Decisions(~right, counted[::-1], sources)
    assert contributions("top1", one, other).tolist() == [-50, 0, 0, 50]


def test_scores_that_decisions_do_not_make_are_not_compared(decided: Decided) -> None:
    pairs = pairs_of(decided("a", imagenet_c=0.4), decided("b", imagenet_c=0.6))
    for name, metric in (("imagenet", "top1"), ("imagenet-c", "mce")):
        pairs.results[1]["variants"][name][metric] += 0.01
        found = pairs.difference([name], 0, 1)
        assert isinstance(found, str) and found.startswith("b has another number than its decisions make")


def test_a_mean_over_parts_counts_each_alike() -> None:
    """Two of three images of one part and none of the other's count for both; a part of the second kind is larger."""
    parts = {"a/1": slice(0, 2), "a/2": slice(2, 4), "b/1": slice(4, 9), "c/1": slice(9, 10)}
    counted = np.array([1, 1, 1, 0, 1, 1, 1, 1, 0, 0], np.bool_)
    one, other = (
        Decisions(np.full(10, right), counted, np.arange(10, dtype=np.uint64), parts) for right in (False, True)
    )
    assert contributions("mean_top1", one, other).tolist() == pytest.approx([12.5, 12.5, 25, 0, *[12.5] * 4, 0, 0])
    assert (number_of("mean_top1", one), number_of("mean_top1", other), number_of("top1", other)) == (0, 100, 100)


def test_streams_are_not_compared(decided: Decided) -> None:
    found = pairs_of(decided("a", ccc_easy=0.4), decided("b", ccc_easy=0.6)).difference(["ccc-easy"], 0, 1)
    assert isinstance(found, str) and "photos that its tars do not name" in found


def test_a_clear_lead_on_the_same_images_is_clear(decided: Decided) -> None:
    """A lead of a few points is none by two intervals that overlap, but images of one kind alone are no chance."""
    pairs = pairs_of(decided("a", imagenet=0.70), decided("b", imagenet=0.73))
    for result in pairs.results:
        top1 = result["variants"]["imagenet"]["top1"]
        result["variants"]["imagenet"]["top1_interval"] = [top1 - 4.5, top1 + 4.5]
    assert clear_bests(pairs.results) == {}
    assert clear_bests(pairs.results, pairs) == {"imagenet": pairs.results[1]["variants"]["imagenet"]["top1"]}
    assert pairs.leads(["imagenet"], 1, 0) and pairs.leads(["imagenet"], 0, 1) is False


def paired_with(value: float, low: float, high: float, p: float | None, photos: int) -> Difference:
    return Difference(value, (low, high), p, photos, photos, (0, 0))


@pytest.mark.parametrize(
    ("difference", "clear"),
    [
        (paired_with(1.0, 0.1, 2.0, 0.01, 1000), True),
        (paired_with(-1.0, -2.0, -0.1, 0.01, 1000), True),
        (paired_with(0.5, 0.1, 1.0, 0.0625, 1000), False),  # five images against none
        (paired_with(1.0, -0.1, 2.0, 0.04, 1000), False),
        (paired_with(100.0, 100.0, 100.0, None, 5), False),
        (paired_with(100.0, 100.0, 100.0, None, 6), True),
    ],
)
def test_what_is_clear_is_so_by_the_exact_test_too(difference: Difference, clear: bool) -> None:
    assert difference.is_clear == clear


def test_nobody_leads_on_other_images(decided: Decided, text_of: Callable[[str], str]) -> None:
    pairs = pairs_of(decided("a", **ALL), decided("b", **{**ALL, "imagenet": 0.9}))
    for top1, result in zip((70.0, 90.0), pairs.results, strict=True):
        result["variants"]["imagenet"]["top1_interval"] = [top1 - 1, top1 + 1]
    assert "imagenet" in clear_bests(pairs.results) and "imagenet" in clear_bests(pairs.results, pairs)
    pairs.results[0]["variants"]["imagenet"] |= {"count": 399, "images": "other"}
    assert "imagenet" not in clear_bests(pairs.results) and "imagenet" not in clear_bests(pairs.results, pairs)
    told = text_of(format_card(pairs.results, pairs=pairs))
    assert "the two were scored on different images" in told and "ImageNet: the models were scored on" in told


def test_the_headline_is_of_the_same_images(decided: Decided, text_of: Callable[[str], str]) -> None:
    pairs = pairs_of(decided("a", **ALL), decided("b", **{**ALL, "imagenet": 0.8}))
    low, high = pairs.difference(SEVEN, 0, 1).interval  # type: ignore[union-attr]
    told = f"On the same images the lead is {low:+.2f} to {high:+.2f} points (95 %)."
    assert low > 0 and told in text_of(format_card(pairs.results, pairs=pairs))
    assert "compared image by image" in text_of(format_card(pairs.results, pairs=pairs))
    assert "on the same images" not in text_of(format_card(pairs.results)).lower()


def test_less_of_an_error_leads(decided: Decided) -> None:
    pairs = pairs_of(decided("a", imagenet_c=0.4), decided("b", imagenet_c=0.6))
    assert pairs.leads(["imagenet-c"], 1, 0) and not pairs.leads(["imagenet-c"], 0, 1)
    assert pairs.leads(["imagenet-a"], 1, 0) is None
