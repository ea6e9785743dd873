"""The groups of a set in the card."""

from dad.report.groups import about_groups, group_bars


def group(top1: float | None) -> dict:
    return {"top1": top1, "top1_interval": [1.0, 99.0], "count": 0 if top1 is None else 10}


def test_the_worst_group_comes_first_and_one_without_images_last() -> None:
    groups = {"sunny_day": group(70.0), "gone": group(None), "night": group(20.0)}
    bars = group_bars({"groups": groups})
    assert [(bar.title, bar.value) for bar in bars] == [("night", 20.0), ("sunny day", 70.0), ("gone", None)]
    assert [bar.interval for bar in bars] == [(1.0, 99.0), (1.0, 99.0), None]


def test_of_many_groups_the_worst_are_shown_and_said_to_be() -> None:
    scores = {"groups": {str(number): group(float(number)) for number in range(30)}, "mean_top1": 14.5}
    assert [bar.title for bar in group_bars(scores)] == [str(number) for number in range(24)]
    assert about_groups(scores) == (
        "Top-1 accuracy of the worst 24 of 30 groups, with its 95 % interval; their mean is 14.5."
    )


def test_a_set_without_groups_has_no_bars() -> None:
    assert group_bars({"top1": 50.0}) == []


def test_the_drop_and_how_many_are_taken_for_a_patchs_class_are_told() -> None:
    about = about_groups({"groups": {}, "mean_top1": 50.0, "reference": {"top1": 62.5}, "drop": 12.5, "fooled": 3.0})
    assert about.endswith(
        "their mean is 50.0. The originals have 62.5, so the drop is 12.5. Of images of other classes, 3.0 % are taken "
        "for their patch's class."
    )
