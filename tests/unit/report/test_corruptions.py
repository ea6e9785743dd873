"""Corruptions in their groups, and those that are missing."""

from dad.report.corruptions import heat_rows, missing_parts


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
