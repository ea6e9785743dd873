"""The paper's tables as data: their averages, their misprints, and our rows beside them."""

import pytest

from dad.errors import UsageError
from dad.report.beside import caveats, format_paper, our_rows, printed_rows
from dad.report.paper import paper_tables, resolve_tables

ROWS = {"1": 17, "2": 17, "3": 5, "4": 3, "5": 17, "6": 4, "7": 6, "8": 10, "9": 6, "10": 2, "11": 2, "12": 6}


def test_all_tables_are_there_and_every_row_is_full() -> None:
    tables = paper_tables()
    assert {number: len(table.rows) for number, table in tables.items()} == ROWS
    for table in tables.values():
        assert all(list(values) == list(table.columns) for _, values in table.rows)


def test_these_numbers_and_no_others_are_misprinted() -> None:
    found = {
        (table.number, " ".join(table.rows[row][0])): {name: round(right, 3) for name, right in wrong.items()}
        for table in paper_tables().values()
        for row in range(len(table.rows))
        if (wrong := table.misprints(row))
    }
    assert found == {
        ("1", "ResNet50 Advprop"): {"Avg in-distribution": 71.55},
        ("1", "ResNet50 Pyramid AT"): {"Avg in-distribution": 69.0},
        ("8", "Average change"): {"imagenet": 2.475},
        ("10", "VQGAN"): {"Avg": 58.5},
        ("11", "VQGAN, Grad"): {"Avg": 58.5},
    }


@pytest.mark.parametrize(
    ("number", "averages"),
    [
        ("3", [43.24, 38.04, 48.86, 47.94, 51.67]),
        ("4", [40.00, 53.01, 55.10]),
        ("5", [46.53, 51.67, 32.87, 38.89, 38.06, 37.94, 40.21, 38.00, 37.54, 36.29, 42.67, 26.96, 30.74, 30.99, 31.96,
               30.49, 32.37]),
        ("6", [42.51, 47.66, 49.00, 47.47]),
    ],
)  # fmt: skip
def test_averages_of_seven_are_recomputed(number: str, averages: list[float]) -> None:
    table = paper_tables()[number]
    assert [table.recomputed(row)["Avg"] for row in range(len(table.rows))] == pytest.approx(averages, abs=0.0051)


def test_table_8_changes_are_those_of_its_rows() -> None:
    changes = paper_tables()["8"].recomputed(9)
    assert list(changes.values()) == pytest.approx([2.475, 2.8, -5.725, 3.75, 10.175, 6.625, 1.725])


def test_a_main_result_is_what_the_paper_prints() -> None:
    rows = dict(paper_tables()["1"].rows)
    dad = rows["ViT-B/16", "+ DAD"]
    assert (dad["imagenet-r"], dad["imagenet-sketch"], dad["imagenet-a"], dad["imagenet"]) == (65.1, 46.1, 31.8, 79.6)


def test_our_rows_have_the_tables_columns(made_up: list[dict]) -> None:
    rows = [[cell.text for cell in row] for row in our_rows(paper_tables()["5"], made_up)]
    assert rows[1] == ["vitb_dad", "", "79.6", "31.8", "53.2", "69.9", "65.1", "46.1", "22.4", "51.7"]


def test_our_rows_under_attack_say_how_strong_it_was(made_up: list[dict]) -> None:
    rows = [[cell.text for cell in row] for row in our_rows(paper_tables()["12"], made_up)]
    assert rows[0] == ["vitb_ce", "49.4 at 1/255", "24.7 at 1/255", "0.0 at 4/255"]


def test_a_result_without_a_number_for_a_table_has_no_row(made_up: list[dict], first_format: dict) -> None:
    assert our_rows(paper_tables()["7"], made_up) == [] == our_rows(paper_tables()["12"], [first_format])


def test_a_misprint_stays_as_printed_with_its_correction() -> None:
    advprop = next(row for row in printed_rows(paper_tables()["1"]) if row[1].text == "Advprop" and row[-1].correction)
    assert (advprop[-1].text, advprop[-1].correction) == ("35.6", "71.55")
    assert not any(cell.correction for row in printed_rows(paper_tables()["3"]) for cell in row)


def test_numbers_stand_as_they_are_printed() -> None:
    changes = [cell.text for cell in printed_rows(paper_tables()["8"])[-1]]
    assert changes == ["Average", "change", "2.1", "2.8", "-5.7", "3.75", "10.2", "6.63", "1.73"]
    assert [cell.text for cell in printed_rows(paper_tables()["7"])[4]] == ["DAT", "1", "3.5"]


def test_markdown_has_our_rows_above_the_printed_ones(made_up: list[dict]) -> None:
    lines = format_paper([paper_tables()["10"]], made_up).splitlines()
    assert lines[0] == "Table 10: The generator"
    assert [line.split("|")[1].strip() for line in lines[4:]] == [
        "**vitb_ce**", "**vitb_dad**", "Stable Diffusion", "VQGAN"
    ]  # fmt: skip
    assert "69.5 (sic; 58.5)" in lines[-1]


def test_numbers_of_other_classes_are_said_not_to_compare(made_up: list[dict], first_format: dict) -> None:
    made_up[1]["settings"]["num_classes"] = 64
    assert caveats(made_up[:1]) == []
    other, unknown = caveats([*made_up, first_format])
    assert other.startswith("vitb_dad: 64 classes, not ImageNet's 1,000")
    assert unknown.startswith("emojinet_ce: a class list that the file does not name")


def test_tables_are_named_by_number() -> None:
    assert [table.number for table in resolve_tables("5, 3")] == ["5", "3"]
    assert len(resolve_tables("all")) == 12
    with pytest.raises(UsageError, match=r"no table '13'; known are all, 1, 2"):
        resolve_tables("3,13")
