"""Tables of text: Markdown whose columns are aligned for terminals too."""

from dad.markdown import format_rows


def test_the_first_column_is_on_the_left_and_numbers_on_the_right() -> None:
    assert format_rows([["Model", "A"], ["resnet50", "7.25"], ["vit", "48.0"]]).splitlines() == [
        "| Model    |    A |",
        "| -------- | ---: |",
        "| resnet50 | 7.25 |",
        "| vit      | 48.0 |",
    ]


def test_a_column_is_never_too_narrow_for_its_rule() -> None:
    assert format_rows([["a", "b"], ["", "1"]]).splitlines()[1] == "| --- | --: |"


def test_titles_alone_are_a_table() -> None:
    assert format_rows([["Model", "top-1"]]).count("\n") == 1


def test_no_name_ends_a_cell_or_a_line() -> None:
    assert format_rows([["Model", "A"], ["a|b", "1"], ["c\nd", "2"]]).splitlines()[2:] == [
        "| a\\|b  |   1 |",
        "| c d   |   2 |",
    ]
