"""Which recipes make a row: every recipe of the clone stands in the tables that its header names."""

from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.report.paper import paper_tables
from dad.tables.headers import Place, places
from dad.tables.rows import Row, choose, find_row, read_headers, resolve_tables

FOLDER = Path(__file__).parents[3] / "hparams"
HEADERS = read_headers(FOLDER)
WITHOUT = {("1", "CLIP"), ("2", "CLIP"), ("7", "Adversarial Training"), ("8", "teacher"), ("8", "change")}


def test_all_rows_but_a_few_have_a_recipe() -> None:
    rows = [(table.number, row) for table in resolve_tables("all", HEADERS) for row in table.rows]
    assert {(number, row.labels[-1]) for number, row in rows if not row.recipes} == WITHOUT


def test_every_recipe_of_the_paper_makes_a_row() -> None:
    made = {name for table in resolve_tables("all", HEADERS) for row in table.rows for name in row.recipes}
    of_paper = {name for name, header in HEADERS.items() if places(header) and not name.startswith("generate")}
    assert made == of_paper and {"vitb_dad", "rn50_fast_advprop", "rn34_kd"} <= made


def test_a_rows_first_recipe_is_the_one_without_a_suffix() -> None:
    (table,) = resolve_tables("1", HEADERS)
    rows = {row.labels: row.recipes for row in table.rows}
    assert rows["ViT-B/16", "+ DAD"][0] == "vitb_dad" and "vitb_dad_scratch" in rows["ViT-B/16", "+ DAD"]
    assert rows["ResNet50", "DAD"][0] == "rn50_dad"


@pytest.mark.parametrize(
    ("place", "labels"),
    [
        (Place("1", "ResNet50"), ("ResNet50", "ResNet50")),  # also what all rows of the model begin with
        (Place("1", "DAD", "ResNet50"), ("ResNet50", "DAD")),
        (Place("5", "RN34, -"), ("RN34", "–")),
        (Place("8", "ViT-B", "", "below"), ("ViT-B", "distilled")),
        (Place("7", "advprop"), ("AdvProp",)),
    ],
)
def test_a_row_is_found_by_what_a_header_calls_it(place: Place, labels: tuple[str, ...]) -> None:
    table = paper_tables()[place.table]
    assert table.rows[find_row(table, place)][0] == labels


@pytest.mark.parametrize("place", [Place("1", "ViT-B/16"), Place("3", "KDD"), Place("8", "ViT-B")])
def test_what_is_not_one_row_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="is not one row there"):
        find_row(paper_tables()[place.table], place)


def test_attacks_need_the_images_that_are_attacked() -> None:
    (table,) = resolve_tables("12", HEADERS)
    assert (table.variants, table.attacks) == (("imagenet",), ("fgsm", "pgd", "autoattack"))


def test_recipes_are_chosen_by_name() -> None:
    tables = choose(resolve_tables("3, 10", HEADERS), ["vitb_dad_scratch"])
    assert [table.rows for table in tables] == [
        (Row(("DAD",), ("vitb_dad_scratch",)),), (Row(("VQGAN",), ("vitb_dad_scratch",)),)
    ]  # fmt: skip
    with pytest.raises(UsageError, match="--recipe vitb_dda: did you mean 'vitb_dad'"):
        choose(resolve_tables("3", HEADERS), ["vitb_dda"])


def test_emojinet_is_a_table_of_its_own() -> None:
    (table,) = resolve_tables("emojinet", HEADERS)
    assert [row.recipes for row in table.rows] == [("emojinet_ce",), ("emojinet_dad",), ("emojinet_kd",)]


def test_what_is_no_table_or_no_folder_of_recipes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table '13'; known are all, emojinet, 1, 2"):
        resolve_tables("3,13", HEADERS)
    with pytest.raises(UsageError, match="no recipes there; run it from the clone's root"):
        read_headers(tmp_path)
