"""The report card as text; tests/smoke looks at it in a browser."""

import re
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from dad.report.card import format_card
from dad.report.corruptions import heat_rows, missing_parts
from dad.report.notes import notes_of
from dad.report.paper import resolve_tables
from dad.report.score_table import best_values
from dad.report.thumbnails import thumbnail


def text_of(page: str) -> str:
    """What a page says: without its style and its tags, and with single spaces."""
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)).split())


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


def test_the_lowest_mce_and_the_highest_accuracy_are_best_and_teachers_are_not_ranked(made_up: list[dict]) -> None:
    best = best_values(made_up)
    assert (best["imagenet"], best["imagenet-c"]) == pytest.approx((79.92, 53.24))
    assert "imagenet-3dcc" not in best  # only one model has all of it
    made_up[0]["weights"] = "teacher"
    assert best_values(made_up) == {}


def test_the_papers_rows_are_beside_imagenets(made_up: list[dict]) -> None:
    page = text_of(format_card(made_up))
    assert "Table 3: Distillation objectives" in page and "Table 5: Students and teachers" in page
    assert "Table 1:" not in page


def test_the_papers_rows_are_left_out_beside_other_classes_unless_asked_for(made_up: list[dict]) -> None:
    for result in made_up:
        result["settings"]["num_classes"] = 64
    page, asked = text_of(format_card(made_up)), text_of(format_card(made_up, resolve_tables("10")))
    assert "64 classes, not ImageNet's 1,000" in page and "Table 3" not in page
    assert "64 classes, not ImageNet's 1,000" in asked and "Table 10: The generator" in asked and "58.5" in asked


def test_worst_classes_are_named_and_counted(made_up: list[dict]) -> None:
    made_up[0]["variants"]["imagenet"]["per_class"] = {"n01440764": [7, 50], "n01443537": [0, 0], "n9": [3, 50]}
    assert "Worst classes, images right n9 3 of 50 tench 7 of 50" in text_of(format_card(made_up))


def test_mistakes_show_the_picture_or_its_name(made_up: list[dict], tmp_path: Path) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "there.png")
    mistakes = [{"file": str(tmp_path / name), "label": "n01440764", "prediction": "n01443537", "probability": 0.93}
                for name in ("there.png", "gone.png")]  # fmt: skip
    made_up[0]["variants"] = {"imagenet": {"top1": 50.0, "mistakes": mistakes}}
    page = format_card(made_up[:1])
    assert page.count("data:image/jpeg") == 1 and 'alt="tench, taken for goldfish"' in page
    assert "gone.png tench goldfish 93%" in text_of(page) and "there.png tench" not in text_of(page)


def test_thumbnails_are_small_and_none_is_made_of_other_files(tmp_path: Path) -> None:
    Image.effect_noise((2000, 1000), 80).save(tmp_path / "large.png")
    (tmp_path / "text.png").write_text("no image")
    assert len(thumbnail(tmp_path / "large.png", 96) or "") < 12_000
    assert thumbnail(tmp_path / "text.png", 96) is None and thumbnail(tmp_path, 96) is None


def test_what_is_missing_is_named_before_anything_else(made_up: list[dict]) -> None:
    r, unreadable, corruptions = notes_of(made_up)
    assert r == "vitb_ce, R: 29,998 images, the published set has 30,000"
    assert "2 images could not be read: imagenet-r/n01443537/art_3.jpg" in unreadable
    assert corruptions.endswith("incomplete, so there is no number for it; missing: low_light/5")
    assert text_of(format_card(made_up)).index(r) < text_of(format_card(made_up)).index("Scores")


def test_a_whole_set_of_which_not_all_images_count_is_not_noted(made_up: list[dict]) -> None:
    made_up[1]["variants"] = {"imagenet-o": {"count": 10_000, "listed": 12_000, "expected": 12_000}}
    assert notes_of(made_up[1:]) == []
    made_up[1]["variants"]["imagenet-o"]["listed"] = 11_999
    assert notes_of(made_up[1:]) == ["vitb_dad, O (AUPR): 11,999 images, the published set has 12,000"]


def test_a_long_list_of_unreadable_images_is_cut(made_up: list[dict]) -> None:
    made_up[1]["variants"] = {"imagenet": {"unreadable": [f"{number}.jpg" for number in range(100)]}}
    (line,) = notes_of(made_up[1:])
    assert line.endswith(
        "100 images could not be read: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg, 6.jpg, 7.jpg and 92 more"
    )


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


def test_settings_that_all_share_stand_once(made_up: list[dict]) -> None:
    page = format_card(made_up)
    assert '<th scope="row">crop pct</th><td colspan="2">0.9</td>' in page
    assert '<th scope="row">mean</th><td colspan="2">0.5, 0.5, 0.5</td>' in page
    assert page.count("output/vitb_dad/model_best.pth.tar</td>") == 1


def test_a_card_can_be_made_of_the_first_format(first_format: dict) -> None:
    page = text_of(format_card([first_format]))
    assert "1 model · 3 test sets" in page and "97.7" in page and "incomplete" in page
