"""Scores of groups and of a set's own classes, where every answer is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from known_answers import SIX, make_pool, score, write_images

from dad.evaluation.groups import describe_groups
from dad.evaluation.metrics import wilson_interval
from dad.evaluation.scores import format_scores
from dad.variants import ImageSet, list_image_set, resolve_extra_sets

Groups = dict[str, dict[str, str]]
GROUPS: Groups = {"day": {"a": "aa", "b": "bb", "f": "fa"}, "night": {"a": "ac", "b": "e"}}


def grouped(root: Path, groups: Groups) -> ImageSet:
    """List images in groups; `groups`: see `write_images`."""
    for name, seen in groups.items():
        write_images(root / name, seen)
    ((variant, folder),) = resolve_extra_sets([f"mine={root}"], ["mine"])
    return list_image_set(variant, folder, SIX)


def plain(root: Path, seen: dict[str, str]) -> ImageSet:
    """List a set of one's own without groups."""
    ((variant, folder),) = resolve_extra_sets([f"mine={write_images(root, seen)}"])
    return list_image_set(variant, folder, SIX)


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_groups_are_scored_one_by_one_and_together(tmp_path: Path, batch_size: int) -> None:
    scores = score(make_pool([grouped(tmp_path, GROUPS)], batch_size=batch_size))[0]
    assert {name: (group["correct"], group["count"]) for name, group in scores["groups"].items()} == {
        "day": (5, 6),
        "night": (1, 3),
    }
    assert (scores["worst_group"], scores["worst_group_top1"]) == ("night", pytest.approx(100 / 3))
    assert scores["worst_group_top1_interval"] == list(wilson_interval(1, 3))
    assert scores["mean_top1"] == pytest.approx((500 / 6 + 100 / 3) / 2)
    assert (scores["top1"], scores["complete"], scores["metric"]) == (100 * 6 / 9, True, "top1")


def test_a_part_of_the_classes_is_scored_among_them_too(tmp_path: Path) -> None:
    scores = score(make_pool([plain(tmp_path, {"a": "ac", "f": "fe", "b": "f"})]))[0]
    # c is nearer to b than to a, e is nearest to f of a, b and f, and what is seen as f stays wrong
    assert (scores["top1"], scores["own_top1"]) == (40, 60)
    assert (scores["own_classes"], scores["among"]) == (3, 6)
    assert scores["own_top1_interval"] == list(wilson_interval(3, 5))


def test_a_set_of_all_classes_has_no_second_accuracy(tmp_path: Path) -> None:
    (scores,) = score(make_pool([plain(tmp_path, dict.fromkeys("abcdef", "a"))]))
    assert not {"own_top1", "groups", "worst_group"} & scores.keys()


def test_an_image_that_cannot_be_read_counts_in_no_group_and_among_no_classes(tmp_path: Path) -> None:
    images = grouped(tmp_path, GROUPS)
    (tmp_path / "night/a/1.png").write_bytes(b"<html>")
    scores = score(make_pool([images]))[0]
    assert (scores["groups"]["night"]["count"], scores["worst_group_top1"], scores["count"]) == (2, 50, 8)
    assert scores["own_top1_interval"] == list(wilson_interval(6, 8))


def test_without_a_whole_group_there_is_no_worst_one(tmp_path: Path) -> None:
    images = grouped(tmp_path, GROUPS)
    for path in (tmp_path / "night").glob("*/*"):
        path.write_bytes(b"<html>")
    scores = score(make_pool([images]))[0]
    assert (scores["complete"], scores["groups"]["night"]["top1"], "worst_group" in scores) == (False, None, False)
    assert "incomplete" in format_scores("mine", scores | {"seconds": 1.0}, 0.5)


def test_one_line_tells_the_worst_group_and_the_mean(tmp_path: Path) -> None:
    scores = score(make_pool([grouped(tmp_path, GROUPS)]))[0]
    assert describe_groups({}) == ""
    line = format_scores("mine", scores | {"seconds": 1.0}, 0.5)
    assert "Acc@1 66.667" in line and "mean of 2 groups 58.333 worst group 'night' 33.333" in line
    assert " among its 3 classes 66.667" in line


def test_classes_in_another_order_are_suspected_in_groups_too(tmp_path: Path) -> None:
    shifted = dict(zip("abcdef", ("bbbbb", "ccccc", "ddddd", "eeeee", "fffff", "aaaaa"), strict=True))
    assert score(make_pool([grouped(tmp_path, {"day": shifted})]))[0]["renamed_top1"] == 100


def published(images: ImageSet, **changes: Any) -> ImageSet:
    """The images of a set of one's own as those of a published one."""
    return replace(images, variant=replace(images.variant, layout="factors", any_classes=False, **changes))


def test_originals_do_not_count_and_the_drop_is_told_from_them(tmp_path: Path) -> None:
    images = grouped(tmp_path, {"big": {"a": "ab"}, "dark": {"a": "bb"}, "ori": {"a": "aa", "b": "ba"}})
    scores = score(make_pool([published(images, reference="ori")]))[0]
    assert (scores["reference"]["top1"], scores["mean_top1"], scores["drop"]) == (75, 25, 50)
    assert (scores["worst_group"], scores["count"], scores["top1"], list(scores["groups"])) == (
        "dark", 4, 25, ["big", "dark"]
    )  # fmt: skip
    assert "originals 75.000 drop 50.000" in format_scores("e", scores | {"seconds": 1.0}, 0.5)


def test_a_published_set_without_one_of_its_groups_has_no_mean(tmp_path: Path) -> None:
    images = published(grouped(tmp_path, {"size": {"a": "a"}}), groups={"size": ("area",), "angle": ("rotation",)})
    scores = score(make_pool([images]))[0]
    assert (scores["complete"], scores["groups"]["angle"]["count"], "mean_top1" in scores) == (False, 0, False)


def test_how_many_are_taken_for_a_patchs_class_is_told_of_images_of_other_classes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("dad.evaluation.groups.imagenet_folders", lambda: tuple("fedcba"))
    images = grouped(tmp_path, {"for b": {"a": "bbab", "b": "bb"}, "for c": {"b": "bb"}})
    scores = score(make_pool([published(images, targets={"for b": 4, "for c": 3})]))[0]  # by ImageNet's own order
    assert [group["fooled"] for group in scores["groups"].values()] == [75, 0]
    assert (scores["fooled"], scores["mean_top1"]) == (37.5, 75)
    assert "taken for the patch's class 37.500" in format_scores("patch", scores | {"seconds": 1.0}, 0.5)
