"""Corruptions in their groups, and those that are missing."""

from dad.report.corruptions import fitting_rows, heat_rows, missing_parts


def test_corruptions_stand_in_their_groups_and_extra_ones_last(made_up: list[dict]) -> None:
    rows = heat_rows(made_up[0]["variants"]["imagenet-c"])
    assert [row.title for row in rows if row.starts_group] == [
        *("gaussian noise", "defocus blur", "snow", "contrast", "gaussian blur")
    ]
    assert len(rows) == 15 + 4 and rows[0].cells == (80.45, 72.63, 62.85, 51.12, 37.43)
    assert all(len(row.summary) == 1 for row in heat_rows(made_up[0]["variants"]["imagenet-c-bar"]))


def test_missing_corruptions_and_severities_are_found(first_format: dict) -> None:
    missing = missing_parts("imagenet-c", first_format["variants"]["imagenet-c"])
    assert len(missing) == 13 + 4 and {"frost", "snow/2", "snow/5"} <= set(missing)


def test_missing_parts_of_other_sets_are_named_by_the_table() -> None:
    whole = {"top1": 1.0, "severities": [1.0] * 5}
    scores = {"corruptions": {"l1": whole, "mosaic": {**whole, "severities": [None, 1.0, 1.0, 1.0, 1.0]}}}
    assert missing_parts("imagenet-es-auto", {"corruptions": {"l1": whole}}) == ["l5"]
    assert {"stickers", "glitched", "mosaic/1"} <= set(missing_parts("laion-c", scores))
    assert missing_parts("laion-c", {"corruptions": {}}) == missing_parts("mine", {"top1": 1.0}) == []


def test_many_settings_become_rows_that_fit(made_up: list[dict]) -> None:
    lights = {light: {"top1": 2.0, "severities": [float(number) for number in range(27)]} for light in ("l1", "l5")}
    cells, summary, rows = fitting_rows(heat_rows({"corruptions": lights}))
    assert (cells, summary, len(rows)) == (["l1", "l5"], [], 27)
    assert (rows[26].title, rows[26].cells, rows[26].summary) == ("27", (26.0, 26.0), ())
    five = heat_rows(made_up[0]["variants"]["imagenet-c"])
    assert fitting_rows(five) == (["1", "2", "3", "4", "5"], ["mean", "CE"], five)
