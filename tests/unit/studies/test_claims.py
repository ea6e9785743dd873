"""What a claim's verdict follows from."""

from collections.abc import Callable

import pytest

from studies.emojinet.claims import combined, judge_all
from studies.emojinet.records import Record, Records

LOW, HIGH, WIDE = [10.0, 11.0, 12.0], [20.1, 21.0, 22.2], [5.0, 40.0, 12.0]
MakeRecords = Callable[..., Records]
MakeRecord = Callable[..., Record]


def test_a_claim_holds_if_the_interval_lies_above_zero(make_records: MakeRecords) -> None:
    assert judge_all(make_records({"ce": LOW, "kd": HIGH}))[0].verdict == "holds"


def test_a_claim_does_not_hold_if_the_interval_lies_below_zero(make_records: MakeRecords) -> None:
    assert judge_all(make_records({"ce": HIGH, "kd": LOW}))[0].verdict == "does not hold"


def test_a_claim_is_not_decided_if_zero_lies_within(make_records: MakeRecords) -> None:
    assert judge_all(make_records({"ce": LOW, "kd": WIDE}))[0].verdict == "not decided"


def test_without_runs_or_with_one_seed_nothing_is_decided(make_records: MakeRecords) -> None:
    for records in (Records([]), make_records({"ce": [1.0], "kd": [50.0], "dad": [90.0]})):
        verdicts = [judgement.verdict for judgement in judge_all(records)]
        assert verdicts == ["not decided"] * 8


def test_each_claim_compares_what_it_names(make_records: MakeRecords) -> None:
    compared = {one.number: [item.text for item in one.comparisons] for one in judge_all(make_records({"ce": LOW}))}
    assert compared == {
        1: ["kd - ce"],
        2: ["dad - kd"],
        3: ["dad - ard", "dad - rslad", "dad - dist"],
        4: ["dad - dad_samples"],
        5: ["dad - dad_data_only"],
        6: ["dad - dad_plain"],
        7: ["dad_dat - ce", "dad_dat - dat", "dad_dat - dad"],
        8: ["dad / ce"],
    }


@pytest.mark.parametrize(
    ("paces", "verdict"), [([50.0] * 3, "holds"), ([20.0] * 3, "does not hold"), ([20, 50, 90], "not decided")]
)
def test_the_cost_has_to_be_about_twice(make_records: MakeRecords, paces: list[float], verdict: str) -> None:
    records = make_records({"ce": LOW, "dad": LOW}, {"dad": paces})
    assert judge_all(records)[7].verdict == verdict


def test_a_claim_needs_all_its_comparisons() -> None:
    assert combined(["holds", "holds"]) == "holds"
    assert combined(["holds", "not decided"]) == "not decided"
    assert combined(["holds", "not decided", "does not hold"]) == "does not hold"


def test_a_claim_is_judged_with_every_student(make_record: MakeRecord) -> None:
    levels = {("vit", "ce"): LOW, ("vit", "kd"): HIGH, ("resnet", "ce"): HIGH, ("resnet", "kd"): LOW}
    records = Records(
        make_record(method, seed, level, student)
        for (student, method), values in levels.items()
        for seed, level in enumerate(values)
    )
    first = judge_all(records)[0]
    assert [item.verdict for item in first.comparisons] == ["holds", "does not hold"]
    assert first.verdict == "does not hold"
