"""The tables of results as Markdown."""

import pytest

from dad.report import format_table
from dad.report.table import format_attacks, format_radius

SEVEN = ("imagenet", "imagenetv2", "imagenet-c", "imagenet-style", "imagenet-r", "imagenet-sketch", "imagenet-a")
DAD_VIT = dict(zip(SEVEN, (79.6, 69.9, 53.2, 22.4, 65.1, 46.1, 31.8), strict=True))
RESNET = dict(zip(SEVEN, (76.1, 63.2, 76.7, 7.4, 36.1, 24.0, 0.0), strict=True))


def as_result(metrics: dict[str, float], **fields: str) -> dict:
    variants = {name: {"top1": value} for name, value in metrics.items()}
    if "imagenet-c" in metrics:
        variants["imagenet-c"] = {"top1": 12.3, "mce": metrics["imagenet-c"], "complete": True}
    return {"model": "vit_base_patch16_224", **fields, "variants": variants}


def test_the_table_has_a_row_for_each_result_and_the_papers_columns() -> None:
    table = format_table([as_result(RESNET, name="plain"), as_result(DAD_VIT)])
    header, _, plain, vit = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert header[:8] == ["Model", "ImageNet", "V2", "R", "Sketch", "C (mCE ↓)", "Stylized", "A"]
    assert header[8:] == ["Avg natural", "Avg"]
    assert plain == ["plain", "76.1", "63.2", "36.1", "24.0", "76.7", "7.4", "0.0", "20.0", "32.9"]
    assert vit == ["vit_base_patch16_224", "79.6", "69.9", "65.1", "46.1", "53.2", "22.4", "31.8", "47.7", "51.7"]


def test_the_table_is_aligned() -> None:
    table = format_table([as_result(RESNET, name="plain"), as_result({"imagenet": 100.0})])
    assert len({len(line) for line in table.splitlines()}) == 1
    assert all("--" in cell for cell in table.splitlines()[1].strip("|").split("|"))


def test_missing_sets_are_dashes_and_an_incomplete_one_says_so() -> None:
    result = as_result({"imagenet": 76.1})
    result["variants"]["imagenet-c"] = {"top1": 40.0, "mce": None, "complete": False}
    cells = [cell.strip() for cell in format_table([result]).splitlines()[2].strip("|").split("|")]
    assert cells[1:] == ["76.1", "–", "–", "–", "incomplete", "–", "–", "–", "–"]


def test_sets_that_the_paper_does_not_average_follow_the_averages(made_up: list[dict]) -> None:
    header, _, plain, dad = [[cell.strip() for cell in line.strip("|").split("|")]
                             for line in format_table(made_up).splitlines()]  # fmt: skip
    titles = dict(zip(header, zip(plain, dad, strict=True), strict=True))
    assert header.index("Avg") == 9 and len(header) == 1 + 7 + 2 + 13
    assert titles["Avg"] == ("42.5", "51.7")
    assert [pair for title, pair in titles.items() if "AUPR" in title] == [("23.1", "27.9")]
    assert ("incomplete", "66.2") in titles.values() and ("–", "16.1") in titles.values()


def test_a_file_of_the_first_format_has_its_row(first_format: dict) -> None:
    cells = [cell.strip() for cell in format_table([first_format]).splitlines()[2].strip("|").split("|")]
    assert cells == ["emojinet_ce", "97.7", "–", "10.3", "–", "incomplete", "–", "–", "–", "–"]


def test_attacks_are_listed_with_their_radius_norm_and_steps(made_up: list[dict]) -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in format_attacks(made_up).splitlines()]
    assert len(rows) == 2 + 6
    assert rows[3] == ["vitb_ce", "PGD", "ImageNet", "L∞", "1/255", "0.5/255", "5", "5,000", "79.9", "24.7"]


def test_there_is_no_table_without_attacks(first_format: dict) -> None:
    assert format_attacks([first_format]) == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1 / 255, "1/255"), (0.5 / 255, "0.5/255"), (0.0039, "0.0039"), (3.0, "3"), (0.5, "0.5"), (None, "–")],
)
def test_a_radius_is_written_in_255ths_where_it_is_one(value: float | None, expected: str) -> None:
    assert format_radius(value) == expected


def test_an_attack_names_its_set_and_without_a_name_imagenets_validation_images() -> None:
    attacks = [{"attack": "fgsm"}, {"attack": "fgsm", "variant": "imagenet-r"},
               {"attack": "fgsm", "variant": "mine", "title": "my phone"}]  # fmt: skip
    rows = format_attacks([{"model": "m", "variants": {}, "attacks": attacks}]).splitlines()[2:]
    assert [row.split("|")[3].strip() for row in rows] == ["ImageNet", "R", "my phone"]
