"""The card's main table: what is best, and where each set stands."""

import re

from dad.report.score_table import score_tables

BEST = re.compile(r"<b[^>]*>([\d.]+)</b>")


def test_sets_that_the_paper_does_not_average_have_a_table_of_their_own(made_up: list[dict]) -> None:
    made_up[0]["variants"]["mine"] = {"top1": 12.34, "title": "Mine", "metric": "top1"}
    main, others = score_tables(made_up).split("<h3>Further test sets</h3>")
    assert ">Stylized</th>" in main and ">Mine</th>" not in main
    assert ">Mine</th>" in others and "12.3" in others


def test_there_is_one_table_where_only_the_seven_were_scored(first_format: dict) -> None:
    assert "Further test sets" not in score_tables([first_format])


def test_only_a_clear_lead_is_marked(made_up: list[dict]) -> None:
    main = score_tables(made_up).split("<h3>")[0]
    assert BEST.findall(main) == ["69.9", "65.1", "46.1", "31.8", "53.2", "22.4", "47.7", "51.7"]  # 79.9 to 79.6 is not


def test_own_data_have_no_empty_columns(own: dict) -> None:
    page = score_tables([own])
    assert re.findall(r"<th[^>]*>([^<]+)</th>", page) == ["Model", "phone", "student"]


def test_own_validation_images_are_not_called_imagenet(own: dict) -> None:
    own["variants"]["imagenet"] = {"top1": 81.7, "top1_interval": [79.0, 84.0]}
    page = score_tables([own])
    assert re.findall(r"<th[^>]*>([^<]+)</th>", page) == ["Model", "Validation", "phone", "student"]
