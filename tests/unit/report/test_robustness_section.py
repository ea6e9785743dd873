"""The card's section on effective robustness and transfer."""

import re
from collections.abc import Callable
from typing import Any

from dad.report.robustness import resolve_comparison
from dad.report.robustness_section import robustness_section, transfer_section


def test_every_set_with_a_line_has_its_scatter(made_up: list[dict[str, Any]], text_of: Callable[[str], str]) -> None:
    section = robustness_section(made_up)
    titles = re.findall(r"<svg><title>|<title>(Accuracy on [^<]+)</title>", section)
    assert [title.split()[2] for title in titles] == ["V2", "R", "Sketch", "A", "ReaL"]
    assert section.count("ResNet50 DAT + DAD</text>") == 4  # the paper has no ReaL
    assert section.count('class="name ours-name">vitb_dad') == 5 and "+23.4 +22.6 to +24.1" in text_of(section)


def test_the_published_models_take_little_room(made_up: list[dict[str, Any]]) -> None:
    clouds = re.findall(r'<path d="(m[^"]*)"', robustness_section(made_up))
    assert len(clouds) == 10 and sum(map(len, clouds)) < 60_000
    assert sum(cloud.count("h0") for cloud in clouds) > 5 * 700  # hardly any lies on another


def test_own_classes_have_words_and_no_scatter(own: dict[str, Any], text_of: Callable[[str], str]) -> None:
    section = robustness_section([own])
    assert "<svg" not in section and "no line to lie above" in text_of(section)


def test_transfer_is_there_with_a_comparison_alone(
    made_up: list[dict[str, Any]], text_of: Callable[[str], str]
) -> None:
    assert transfer_section(None) == ""
    rows = [made_up[0], {**made_up[1], "weights": "teacher"}, {**made_up[1], "name": "same"}]
    text = text_of(transfer_section(resolve_comparison(rows, "vitb_ce", "")))
    assert "The share of the surplus of vitb_dad over vitb_ce" in text and "same" in text and "100 %" in text
