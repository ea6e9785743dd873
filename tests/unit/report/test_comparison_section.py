"""The card's section on pairs."""

from collections.abc import Callable
from pathlib import Path

from dad.report.card import format_card
from dad.report.compare import compare
from dad.report.comparison_section import comparison_section
from dad.report.pairs import Pairs
from dad.report.results import load_with_files


def test_it_says_what_the_comparison_says(decided: Callable[..., Path], text_of: Callable[[str], str]) -> None:
    paths = [decided("<a>"), decided("b", imagenet=0.8), decided("c", images="other")]
    pairs = Pairs(*load_with_files([str(path) for path in paths]))
    comparisons = compare(pairs)
    page = comparison_section(comparisons)
    assert " ".join(comparisons[0].rows[0]) in text_of(page) and "<a>" not in page
    assert "Not compared: ImageNet: the two were scored on different images" in text_of(page)
    assert page in format_card(pairs.results, pairs=pairs, paired=comparisons)


def test_without_a_comparison_there_is_no_section() -> None:
    assert comparison_section([]) == ""
