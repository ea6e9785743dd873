"""The report card as text; tests/smoke looks at it in a browser."""

import re
from collections.abc import Callable

import pytest

from dad.report.card import format_card
from dad.report.notes import notes_of
from dad.report.paper import resolve_tables

TextOf = Callable[[str], str]


def test_nothing_of_it_lies_outside(made_up: list[dict]) -> None:
    page = format_card(made_up)
    assert "<script" not in page and "@import" not in page and "url(" not in page
    assert all(link.startswith("data:") for link in re.findall(r'(?:src|href)="([^"]*)"', page))


def test_names_from_outside_are_escaped(made_up: list[dict]) -> None:
    made_up[0]["name"] = made_up[0]["class_names"]["n01440764"] = made_up[0]["checkpoint"] = "<script>x</script>"
    for mistake in made_up[0]["variants"]["imagenet"]["mistakes"]:
        mistake["file"] = '"><script>.png'
    assert "<script>" not in format_card(made_up)


@pytest.mark.parametrize("count", [1, 2])
def test_the_best_is_marked_where_there_is_something_to_compare(made_up: list[dict], count: int) -> None:
    assert ('class="best"' in format_card(made_up[:count])) is (count == 2)


def test_a_clear_lead_is_the_headline(made_up: list[dict], text_of: TextOf) -> None:
    assert "Best average of the seven sets: vitb_dad has 51.7, vitb_ce 42.5." in text_of(format_card(made_up))


def test_a_lead_inside_its_interval_is_no_headline(made_up: list[dict], text_of: TextOf) -> None:
    again = {**made_up[1], "name": "again", "variants": dict(made_up[1]["variants"])}
    again["variants"]["imagenetv2"] = {**again["variants"]["imagenetv2"], "top1": 70.4}
    page = text_of(format_card([made_up[1], again]))
    assert "No clear best average of the seven sets: again has 51.8, vitb_dad 51.7; a lead is clear from 0." in page
    for result in (made_up[1], again):
        result["variants"]["imagenet"] = {"top1": 79.6}  # as in files of the first format
    assert "the results have no intervals" in text_of(format_card([made_up[1], again]))


def test_a_card_of_own_data_is_of_own_data(own: dict, text_of: TextOf) -> None:
    page = text_of(format_card([own, {**own, "name": "other"}]))
    assert "mCE" not in page and "Sketch" not in page and "ImageNet 4" not in page
    assert "2 models · 1 test set · 20 classes" in page and "40.8" in page


def test_the_papers_rows_are_beside_imagenets(made_up: list[dict], text_of: TextOf) -> None:
    page = text_of(format_card(made_up))
    assert "Table 3: Distillation objectives" in page and "Table 5: Students and teachers" in page
    assert "Table 1:" not in page


def test_the_papers_rows_are_left_out_beside_other_classes_unless_asked_for(
    made_up: list[dict], text_of: TextOf
) -> None:
    for result in made_up:
        result["settings"]["num_classes"] = 64
    page, asked = text_of(format_card(made_up)), text_of(format_card(made_up, resolve_tables("10")))
    assert "64 classes, not ImageNet's 1,000" in page and "Table 3" not in page
    assert "64 classes, not ImageNet's 1,000" in asked and "Table 10: The generator" in asked and "58.5" in asked


def test_what_is_missing_is_named_before_anything_else(made_up: list[dict], text_of: TextOf) -> None:
    r, unreadable, corruptions = notes_of(made_up)
    assert r == "vitb_ce, R: 29,998 images, the published set has 30,000"
    assert "2 images could not be read: imagenet-r/n01443537/art_3.jpg" in unreadable
    assert corruptions.endswith("incomplete, so there is no number for it; missing: low_light/5")
    assert text_of(format_card(made_up)).index(r) < text_of(format_card(made_up)).index("Scores")


def test_a_card_can_be_made_of_the_first_format(first_format: dict, text_of: TextOf) -> None:
    page = text_of(format_card([first_format]))
    assert "1 model · 3 test sets" in page and "97.7" in page and "incomplete" in page
