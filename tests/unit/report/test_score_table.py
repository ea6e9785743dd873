"""The card's main table: what is best, and where each set stands."""

import pytest

from dad.report.score_table import best_values, score_tables


def test_the_lowest_mce_and_the_highest_accuracy_are_best_and_teachers_are_not_ranked(made_up: list[dict]) -> None:
    best = best_values(made_up)
    assert (best["imagenet"], best["imagenet-c"]) == pytest.approx((79.92, 53.24))
    assert "imagenet-3dcc" not in best  # only one model has all of it
    made_up[0]["weights"] = "teacher"
    assert best_values(made_up) == {}


def test_sets_that_the_paper_does_not_average_have_a_table_of_their_own(made_up: list[dict]) -> None:
    made_up[0]["variants"]["mine"] = {"top1": 12.34, "title": "Mine", "metric": "top1"}
    main, others = score_tables(made_up).split("<h3>Further test sets</h3>")
    assert ">Stylized</th>" in main and ">Mine</th>" not in main
    assert ">Mine</th>" in others and "12.3" in others


def test_a_set_may_be_called_like_an_average(made_up: list[dict]) -> None:
    before = best_values(made_up)["average natural"]
    for number, result in enumerate(made_up):
        result["variants"]["Natural"] = {"top1": 97.0 + number}
    best = best_values(made_up)
    assert (best["average natural"], best["Natural"]) == (before, 98.0)


def test_there_is_one_table_where_only_the_seven_were_scored(first_format: dict) -> None:
    assert "Further test sets" not in score_tables([first_format])
