"""Effective robustness and transfer in Markdown, and in words where there is none."""

from typing import Any

from dad.report.robustness import resolve_comparison
from dad.report.robustness_tables import above_text, format_robustness, format_transfer, share_text


def lines_of(text: str, name: str) -> list[str]:
    """The cells of the table's row of a model."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in row.split("|")[2:-1]]


def test_every_set_with_a_line_has_its_points(made_up: list[dict[str, Any]]) -> None:
    text = format_robustness(made_up)
    assert "885 published models" in text
    assert lines_of(text, "vitb_dad")[0] == "79.6" and lines_of(text, "vitb_dad")[2] == "+23.4 (+22.6 to +24.1)"
    assert "No line for C, Stylized, V2 threshold 0.7" in text and "extrapolated" not in text


def test_an_extrapolated_number_is_marked(made_up: list[dict[str, Any]]) -> None:
    scores = made_up[0]["variants"]["imagenet"]
    scores |= {"top1": 30.0, "top1_interval": [29.6, 30.4]}
    text = format_robustness(made_up)
    assert lines_of(text, "vitb_ce")[1].startswith("+") and "* (" in lines_of(text, "vitb_ce")[1]
    assert "* extrapolated: the ImageNet accuracy of vitb_ce lies outside of the published models' 41.0 to 87.4" in text
    assert "*" not in "".join(lines_of(text, "vitb_dad"))


def test_own_classes_have_no_line_in_so_many_words(own: dict[str, Any], first_format: dict[str, Any]) -> None:
    text = format_robustness([own])
    assert text == (
        "student: 20 classes, not ImageNet's 1,000; no published models have them, so there is no line to lie above."
    )
    assert format_robustness([first_format]) == ""  # nothing is known of its classes


def test_a_model_that_was_not_scored_on_imagenet_is_named(made_up: list[dict[str, Any]]) -> None:
    del made_up[0]["variants"]["imagenet"]
    text = format_robustness(made_up)
    assert "vitb_ce: not scored on ImageNet's validation images" in text and "| vitb_ce" not in text


def test_transfer_is_told_by_set_and_student(made_up: list[dict[str, Any]]) -> None:
    teacher = {**made_up[1], "name": "clip", "weights": "teacher"}
    between = {name: dict(scores) for name, scores in made_up[0]["variants"].items()}
    half = (made_up[0]["variants"]["imagenet-r"]["top1"] + made_up[1]["variants"]["imagenet-r"]["top1"]) / 2
    between["imagenet-r"] |= {"top1": half, "top1_interval": [half - 0.5, half + 0.5]}
    text = format_transfer(
        resolve_comparison([made_up[0], teacher, {**made_up[0], "name": "s", "variants": between}], "vitb_ce", "")
    )
    assert text.startswith("Transfer: the share of the surplus of clip over vitb_ce")
    assert any(cell.startswith("50 % (4") for cell in lines_of(text, "s"))
    assert "No share on ImageNet: the teacher's surplus is -0.3 points, and more than 0.5 would be clear." in text
    assert "No share on O: a number without an interval." in text


def test_nothing_is_a_dash() -> None:
    assert above_text(None) == "–" and share_text(None) == "–"
