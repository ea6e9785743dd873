"""The paper's tables as data: their averages and their misprints."""

import pytest

from dad.errors import UsageError
from dad.report.beside import our_rows
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


def test_tables_are_named_by_number() -> None:
    assert [table.number for table in resolve_tables("5, 3")] == ["5", "3"]
    assert len(resolve_tables("all")) == 12
    with pytest.raises(UsageError, match=r"no table '13'; known are all, 1, 2"):
        resolve_tables("3,13")


def test_every_table_of_scores_takes_our_row(made_up: list[dict]) -> None:
    assert [number for number, table in paper_tables().items() if not our_rows(table, made_up)] == ["7"]
