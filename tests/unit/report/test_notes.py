"""What is missing of a model's scores, in one line each."""

from typing import Any

from dad.report.notes import format_notes, notes_of


def test_a_whole_set_of_which_not_all_images_count_is_not_noted(made_up: list[dict]) -> None:
    made_up[1]["variants"] = {"imagenet-o": {"count": 10_000, "listed": 12_000, "expected": 12_000}}
    assert notes_of(made_up[1:]) == []
    made_up[1]["variants"]["imagenet-o"]["listed"] = 11_999
    assert notes_of(made_up[1:]) == ["vitb_dad, O: 11,999 images, the published set has 12,000"]


def test_a_long_list_of_unreadable_images_is_cut(made_up: list[dict]) -> None:
    made_up[1]["variants"] = {"imagenet": {"unreadable": [f"{number}.jpg" for number in range(100)]}}
    (line,) = notes_of(made_up[1:])
    assert line.endswith(
        "100 images could not be read: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg, 6.jpg, 7.jpg and 92 more"
    )


def test_a_set_that_no_row_has_is_noted_by_its_title() -> None:
    scores = {"title": "Mine", "count": 2, "unreadable": ["0.jpg"]}
    assert notes_of([{"model": "m", "variants": {"mine": scores}}]) == ["m, Mine: 1 image could not be read: 0.jpg"]


def test_a_substitute_in_the_training_of_a_model_is_noted() -> None:
    parts = {"style_transfer": "colours, a substitute for relu4_1", "style_sizes": "full"}
    result = {"model": "m", "variants": {}, "trained_with": parts}
    assert notes_of([result]) == ["m, trained with style_transfer: colours, a substitute for relu4_1"]


def scored_on(digest: str, count: int, **more: Any) -> dict[str, Any]:
    """A model that was scored on a set of such images."""
    scores = {"title": "Mine", "images": digest, "count": count, "expected": None, **more}
    return {"model": "m", "variants": {"mine": scores}}


def are_told_apart(*results: dict[str, Any]) -> bool:
    return any("different images" in line for line in notes_of(results))


def test_unlike_images_are_noted_once_for_all() -> None:
    (line,) = notes_of([scored_on("a", 2000), scored_on("b", 500), scored_on("b", 500)])
    assert line.startswith("Mine: the models were scored on different images, ") and "(500 and 2,000 images)" in line
    assert notes_of([scored_on("a", 500), scored_on("b", 500)])
    assert not notes_of([scored_on("a", 500), scored_on("a", 500), {"model": "other", "variants": {}}])
    published: dict[str, Any] = {"expected": 500}
    assert not are_told_apart(scored_on("a", 468, **published), scored_on("a", 468, listed=500, **published))
    assert not are_told_apart(scored_on("a", 500, **published), scored_on("b", 500, listed=600, **published))  # extras
    assert are_told_apart(scored_on("a", 500, **published), scored_on("b", 400, listed=400, **published))
    assert not notes_of([scored_on("a", 500, **published), scored_on("b", 500, **published)])  # another copy of it
    assert len(notes_of([scored_on("a", 499, unreadable=["x"]), scored_on("a", 500)])) == 1  # of the unreadable alone


def test_notes_are_a_list_below_a_title() -> None:
    assert format_notes([scored_on("a", 500)]) == ""
    text = format_notes([scored_on("a", 500), scored_on("b", 400)])
    assert text.startswith("Before you compare:\n\n- Mine: ")


def test_a_group_that_could_not_be_read_is_noted_once() -> None:
    groups = {"day": {"count": 3, "top1": 50.0}, "night": {"count": 0, "top1": None}}
    scores = {"title": "Mine", "complete": False, "groups": groups, "own_top1": 50.0, "top1": 50.0}
    assert notes_of([{"model": "m", "variants": {"mine": scores}}]) == [
        "m, Mine: incomplete, so there is no number for it; missing: night"
    ]
