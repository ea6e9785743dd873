"""Pieces of HTML: what comes from outside is escaped, and tables scroll inside their box."""

import pytest

from dad.report.markup import head_row, interval_text, row_head, scrolling_table, section


def test_a_section_has_its_sentence_only_if_there_is_one() -> None:
    assert section("A & B", "1 < 2", "<i></i>") == (
        '<section><h2>A &amp; B</h2><p class="about">1 &lt; 2</p><i></i></section>'
    )
    assert section("A", "", "<i></i>") == "<section><h2>A</h2><i></i></section>"


def test_a_table_scrolls_in_a_box_that_the_keyboard_reaches() -> None:
    table = scrolling_table(["<tr>1</tr>"], ["<tr>2</tr>", "<tr>3</tr>"], "words", "scores")
    assert table.startswith('<div class="scroll" tabindex="0" role="region" aria-label="scores">')
    assert '<table class="words"><thead><tr>1</tr></thead><tbody><tr>2</tr><tr>3</tr></tbody></table>' in table


def test_the_first_columns_are_of_words() -> None:
    heads = head_row(["Model", "Norm", "<i>"], 2).split("</th>")
    assert ["name" in heads[0], "word" in heads[1], "class" in heads[2]] == [True, True, False]
    assert heads[2].endswith("&lt;i&gt;")


def test_a_row_is_named_by_a_head() -> None:
    assert row_head("a<b") == '<th scope="row">a&lt;b</th>'


@pytest.mark.parametrize(("interval", "text"), [((97.06, 98.24), "97.1–98.2"), (None, ""), ((), "")])
def test_an_interval_has_one_decimal(interval: tuple[float, ...] | None, text: str) -> None:
    assert interval_text(interval) == text
