"""Our rows beside the paper's, and what is said where they do not compare."""

from dad.report.beside import caveats, format_paper, our_rows, printed_rows, without_row
from dad.report.paper import paper_tables


def test_our_rows_have_the_tables_columns(made_up: list[dict]) -> None:
    rows = [[cell.text for cell in row] for row in our_rows(paper_tables()["5"], made_up)]
    assert rows[1] == ["vitb_dad", "", "79.6", "31.8", "53.2", "69.9", "65.1", "46.1", "22.4", "51.7"]


def test_our_rows_under_attack_say_how_strong_it_was(made_up: list[dict]) -> None:
    rows = [[cell.text for cell in row] for row in our_rows(paper_tables()["12"], made_up)]
    assert rows[0] == ["vitb_ce", "49.4 at 1/255", "24.7 at 1/255", "0.0 at 4/255"]


def test_attacks_of_other_sets_are_not_those_of_table_12(made_up: list[dict]) -> None:
    before = our_rows(paper_tables()["12"], made_up)
    made_up[0]["attacks"].append({**made_up[0]["attacks"][0], "variant": "imagenet-r", "top1": 9.9})
    del made_up[0]["attacks"][1]["variant"]  # an old file's: of the validation images
    assert our_rows(paper_tables()["12"], made_up) == before


def test_a_result_without_a_number_for_a_table_has_no_row(made_up: list[dict], first_format: dict) -> None:
    assert our_rows(paper_tables()["7"], made_up) == [] == our_rows(paper_tables()["12"], [first_format])


def test_who_has_no_row_is_said_where_there_could_be_one(made_up: list[dict]) -> None:
    made_up[0]["attacks"] = []
    assert without_row(paper_tables()["12"], made_up) == ["Without a number of this table: vitb_ce."]
    assert without_row(paper_tables()["3"], made_up) == [] == without_row(paper_tables()["7"], made_up)
    text = format_paper([paper_tables()["7"], paper_tables()["12"]], made_up)
    assert "No results file tells a budget: benchmarks/train_step.py" in text and text.endswith("table: vitb_ce.")


def test_a_norm_that_is_not_the_papers_is_named(made_up: list[dict]) -> None:
    made_up[0]["attacks"] = [{**made_up[0]["attacks"][0], "norm": "l2", "epsilon": 0.5}]
    assert our_rows(paper_tables()["12"], made_up)[0][1].text == "49.4 at L2 0.5"


def test_a_misprint_stays_as_printed_with_its_correction() -> None:
    advprop = next(row for row in printed_rows(paper_tables()["1"]) if row[1].text == "Advprop" and row[-1].correction)
    assert (advprop[-1].text, advprop[-1].correction) == ("35.6", "71.55")
    assert not any(cell.correction for row in printed_rows(paper_tables()["3"]) for cell in row)


def test_numbers_stand_as_they_are_printed() -> None:
    changes = [cell.text for cell in printed_rows(paper_tables()["8"])[-1]]
    assert changes == ["Average", "change", "2.1", "2.8", "-5.7", "3.75", "10.2", "6.63", "1.73"]
    assert [cell.text for cell in printed_rows(paper_tables()["7"])[4]] == ["DAT", "1", "3.5"]


def test_markdown_has_our_rows_above_the_printed_ones(made_up: list[dict]) -> None:
    lines = format_paper([paper_tables()["10"]], made_up).splitlines()
    assert lines[0] == "Table 10: The generator"
    assert [line.split("|")[1].strip() for line in lines[4:]] == [
        "**vitb_ce**", "**vitb_dad**", "Stable Diffusion", "VQGAN"
    ]  # fmt: skip
    assert "69.5 (sic; 58.5)" in lines[-1]


def test_numbers_of_other_classes_are_said_not_to_compare(made_up: list[dict], first_format: dict) -> None:
    made_up[1]["settings"]["num_classes"] = 64
    assert caveats(made_up[:1]) == []
    other, unknown = caveats([*made_up, first_format])
    assert other.startswith("vitb_dad: 64 classes, not ImageNet's 1,000")
    assert unknown.startswith("emojinet_ce: a class list that the file does not name")


def test_a_thousand_other_classes_are_not_imagenets(made_up: list[dict]) -> None:
    made_up[0]["class_names"] = {str(number): str(number) for number in range(1000)}
    assert caveats(made_up) == [
        "vitb_ce: 1,000 classes, but others than ImageNet's; no number of theirs compares with the paper's."
    ]


def test_a_set_that_is_called_like_an_attack_is_none(made_up: list[dict]) -> None:
    plain = {"model": "m", "variants": {"pgd": {"top1": 99.0}}}
    assert our_rows(paper_tables()["12"], [plain]) == []
