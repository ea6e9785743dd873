"""The study's tables in Markdown."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from studies.emojinet.cells import effect, interval, p_value
from studies.emojinet.records import Record, Records
from studies.emojinet.statistics import Estimate, estimate
from studies.emojinet.study import Study
from studies.emojinet.table import format_study

LOW, HIGH = [10.0, 11.0, 12.0], [20.1, 21.0, 22.2]
MakeRecords = Callable[..., Records]


def test_the_table_shows_means_differences_and_verdicts(make_records: MakeRecords) -> None:
    text = format_study(Study(make_records({"ce": LOW, "kd": HIGH})))
    assert "21.1 ± 2.6" in text and "+10.1 ± 0.2*" in text and "**holds**" in text


def cells(text: str) -> list[list[str]]:
    """The cells of all tables in a text, row by row."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_a_difference_whose_interval_has_zero_in_it_has_no_star(make_records: MakeRecords) -> None:
    rows = cells(format_study(Study(make_records({"ce": LOW, "kd": [5.0, 40.0, 12.0]}))))
    assert any(row[:2] == ["kd", "+8.0 ± 45.6"] for row in rows)
    assert not any(cell.endswith("*") and not cell.endswith("**") for row in rows for cell in row)


def test_what_was_not_run_is_a_dash(make_records: MakeRecords) -> None:
    rows = cells(format_study(Study(make_records({"ce": LOW}))))
    assert ["1", "vit", "kd - ce", "points of natural", "–", "–", "1.000", "not decided"] in rows


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "–"),
        (Estimate(1.234, math.inf, 1), "+1.23 (n = 1)"),
        (Estimate(-1.0, 0.5, 3), "-1.00 [-1.50, -0.50] (n = 3)"),
    ],
)
def test_an_interval_is_its_mean_ends_and_seeds(found: Estimate | None, text: str) -> None:
    assert interval(found) == text


def test_columns_that_cannot_tell_are_marked_wherever_they_stand(make_records: MakeRecords) -> None:
    records = make_records({"ce": LOW, "kd": HIGH})
    heads = [
        row for row in cells(format_study(Study(records, {"imagenet-a": 15.0, "imagenet-r": 99.0}))) if "V2" in row
    ]
    assert len(heads) == 3 and all("A †" in head and "R" in head for head in heads)
    assert "†" not in format_study(Study(records))


def test_comparisons_by_a_column_that_cannot_tell_are_marked(make_records: MakeRecords) -> None:
    text = format_study(Study(make_records({"ce": LOW, "kd": HIGH}), {"imagenet": 12.0, "imagenetv2": 12.0}))
    assert {row[3] for row in cells(text) if row[:2] == ["7", "vit"]} >= {"points of in distribution †"}
    assert {row[3] for row in cells(text) if row[:2] == ["1", "vit"]} >= {"points of natural"}


def test_natural_averages_are_shown_with_a_and_without_and_outline_apart(make_record: Callable[..., Record]) -> None:
    scores = {"imagenet-r": 20.0, "imagenet-sketch": 10.0, "imagenet-a": 60.0, "outline": 77.0}
    records = [make_record("ce", seed, 50.0) for seed in range(2)]
    records = [replace(record, scores={**record.scores, **scores}) for record in records]
    head, row, *_ = (row for row in cells(format_study(Study(Records(records)))) if row[0] in ("Method", "ce"))
    shown = dict(zip(head, row, strict=True))
    assert shown["Avg natural"] == "30.0 ± 0.0" and shown["Avg R, Sketch"] == "15.0 ± 0.0"
    assert shown["Outline"] == "77.0 ± 0.0"


def test_claims_on_natural_shifts_are_told_without_a_and_judged_with_it(make_record: Callable[..., Record]) -> None:
    def run(method: str, seed: int, r: float, a: float) -> Record:
        record = make_record(method, seed, 50.0 + seed)
        return replace(record, scores={**record.scores, "imagenet-r": r, "imagenet-a": a})

    runs = [run("ce", seed, 10.0, 20.0) for seed in range(3)] + [run("kd", seed, 20.0 + seed, 0.0) for seed in range(3)]
    text = format_study(Study(Records(runs)))
    assert any(row[:2] == ["1", "vit"] and "does not hold" in row[3] and "holds" in row[4] for row in cells(text))
    assert any(row[0].startswith("1. ") and row[2] == "**does not hold**" for row in cells(text))


def test_a_claim_has_a_row_for_each_student_and_one_over_all(make_record: Callable[..., Record]) -> None:
    levels = {("vit", "ce"): LOW, ("vit", "kd"): HIGH, ("resnet", "ce"): HIGH, ("resnet", "kd"): LOW}
    levels |= {("resnet", "dad_dat"): LOW}
    text = format_study(Study(Records(
        make_record(method, seed, level, student)
        for (student, method), values in levels.items() for seed, level in enumerate(values)
    )))  # fmt: skip
    short = {row[0][:2]: row[1:] for row in cells(text) if row[0][1:3] == ". "}
    assert short["1."] == ["holds", "does not hold", "**does not hold**", "does not hold"]
    assert short["7."][0] == "not run"
    assert ["vit", "not run"] in [row[1:3] for row in cells(text) if row[0] == "7"]


def test_seeds_are_told_of_what_is_not_decided_plainly_and_after_holm(make_records: MakeRecords) -> None:
    ce, kd, dad = [10.0, 11.0, 12.0, 13.0], [11.0, 12.9, 14.0, 15.9], [12.5, 12.0, 13.5, 17.0]
    text = format_study(Study(make_records({"ce": ce, "kd": kd, "dad": dad})))
    first, second = (next(r for r in cells(text) if r[:2] == [n, "vit"] and len(r) == 11) for n in ("1", "2"))
    assert first[5] == "holds" and first[8] == "not decided" and first[9] == "–" and int(first[10]) > 1
    assert second[5] == second[8] == "not decided" and int(second[9]) < int(second[10])


@pytest.mark.parametrize(("p", "text"), [(0.04954, "0.050"), (0.001, "0.001"), (0.00099, "< 0.001"), (1.0, "1.000")])
def test_a_p_value_has_three_decimals(p: float, text: str) -> None:
    assert p_value(p) == text


def test_an_effect_is_told_as_it_is_and_corrected() -> None:
    assert effect(estimate([1.0, 2.0, 3.0])) == "+2.00 (+1.13)"
    assert effect(estimate([1.0, 2.0])) == "+2.12 (–)"
    assert effect(estimate([1.0])) == effect(None) == "–"
