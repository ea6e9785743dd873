"""A claim's verdict for each student, and what Holm leaves of it."""

import random
from collections.abc import Callable, Mapping

import pytest

from studies.emojinet.claims import Comparison, judge_all
from studies.emojinet.records import Record, Records
from studies.emojinet.statistics import estimate, holm
from studies.emojinet.verdicts import StudentVerdict, judge_students, overall, p_of_claim

MakeRecord = Callable[..., Record]
METHODS = ("ce", "kd", "dad", "ard", "rslad", "dist", "dad_samples", "dad_data_only", "dad_plain", "dat", "dad_dat")


def compare(*values: float) -> Comparison:
    """A comparison of these paired differences."""
    return Comparison("vit", "a - b", estimate(values))


# By hand, two degrees of freedom: p = 1 - t / sqrt(2 + t^2), t = mean x sqrt(3) at a deviation of 1.
STRONG, WEAK = compare(4.0, 5.0, 6.0), compare(1.0, 2.0, 3.0)
P_STRONG, P_WEAK = 0.01307246, 0.07417990


def judge(build: MakeRecord, levels: Mapping[tuple[str, str], list[float]]) -> list[StudentVerdict]:
    records = Records(
        build(method, seed, level, student)
        for (student, method), values in levels.items()
        for seed, level in enumerate(values)
    )
    return judge_students(judge_all(records), records.students())


def test_a_claim_of_several_comparisons_has_the_largest_of_their_p_values() -> None:
    assert p_of_claim([STRONG]) == pytest.approx(P_STRONG, abs=1e-6)
    assert p_of_claim([STRONG, WEAK]) == pytest.approx(P_WEAK, abs=1e-6)
    assert p_of_claim([STRONG, WEAK, STRONG]) == p_of_claim([WEAK])


def test_against_a_claim_one_comparison_is_enough_but_pays_for_their_number() -> None:
    worse = compare(-4.0, -5.0, -6.0)
    assert p_of_claim([worse]) == pytest.approx(P_STRONG, abs=1e-6)
    assert p_of_claim([WEAK, worse, STRONG]) == pytest.approx(3 * P_STRONG, abs=1e-6)


def test_p_values_of_comparisons_are_those_of_scipys_paired_test() -> None:
    ttest = pytest.importorskip("scipy.stats").ttest_rel
    ours, theirs = [[random.Random(n + k).gauss(0.5 * n, 1.0) for k in range(8)] for n in (9, 1)]
    better = compare(*(one - other for one, other in zip(ours, theirs, strict=True)))
    assert better.p_holds == pytest.approx(ttest(ours, theirs).pvalue) and better.p_fails == 1.0


@pytest.mark.parametrize("other", [None, estimate([3.0])])
def test_a_comparison_that_was_not_run_or_has_one_seed_keeps_a_claim_open(other) -> None:
    assert p_of_claim([STRONG, Comparison("vit", "a - c", other)]) == 1.0
    assert p_of_claim([]) == 1.0


def test_a_claim_between_bounds_has_to_keep_both() -> None:
    found = estimate([1.9, 2.0, 2.1, 2.0])
    both = Comparison("vit", "dad / ce", found, 1.5, 2.5)
    one = Comparison("vit", "dad / ce", found, 1.5)
    assert both.p_holds == pytest.approx(one.p_holds) and both.verdict == "holds"
    assert Comparison("vit", "dad / ce", found, 1.5, 2.05).p_holds > both.p_holds
    assert Comparison("vit", "dad / ce", found, 3.0, 4.0).p_fails < 0.01


def test_each_student_has_a_family_of_eight_and_a_verdict_of_its_own(make_record: MakeRecord) -> None:
    low, high = [10.0, 11.0, 12.0], [20.1, 21.0, 22.2]
    levels = {("vit", "ce"): low, ("vit", "kd"): high, ("resnet", "ce"): high, ("resnet", "kd"): low}
    first = judge(make_record, levels)[:2]
    assert [(one.student, one.verdict) for one in first] == [("vit", "holds"), ("resnet", "does not hold")]
    assert [one.p_holm for one in first] == pytest.approx([8 * one.p for one in first])


def test_what_is_not_small_enough_for_eight_is_not_decided_after_holm(make_record: MakeRecord) -> None:
    kd = [11.0, 12.9, 14.0, 15.9]  # differences to ce: 1, 1.9, 2, 2.9
    verdict = judge(make_record, {("vit", "ce"): [10.0, 11.0, 12.0, 13.0], ("vit", "kd"): kd})[0]
    assert verdict.p < 0.05 < verdict.p_holm
    assert (verdict.verdict, verdict.corrected) == ("holds", "not decided")


def test_over_all_students_a_claim_needs_what_is_left_of_each(make_record: MakeRecord) -> None:
    low, far = [10.0, 11.0, 12.0], [60.0, 61.0, 62.01]
    levels = {("vit", "ce"): low, ("vit", "kd"): far, ("resnet", "ce"): low, ("resnet", "kd"): far}
    assert overall(judge(make_record, levels), 1) == "holds"
    assert overall(judge(make_record, levels | {("resnet", "kd"): low}), 1) == "not decided"
    assert overall(judge(make_record, levels), 2) == "not decided"


def test_a_student_that_a_claim_was_not_run_for_does_not_keep_it_open(make_record: MakeRecord) -> None:
    levels = {("resnet", name): [10.0, 11.0, 12.0] for name in ("ce", "dat", "dad")}
    levels |= {("resnet", "dad_dat"): [60.0, 61.0, 62.01], ("vit", "ce"): [10.0, 11.0, 12.0]}
    found = judge(make_record, levels)
    assert [(one.student, one.p) for one in found if one.number == 7 and not one.comparisons] == [("vit", 1.0)]
    assert overall(found, 7) == "holds"


@pytest.mark.parametrize("seed", range(20))
def test_the_correction_takes_away_and_never_adds(make_record: MakeRecord, seed: int) -> None:
    rng = random.Random(seed)
    levels = {("vit", name): [rng.gauss(20 + rng.gauss(0, 2), 1) for _ in range(5)] for name in METHODS}
    found = judge(make_record, levels)
    assert [one.p_holm for one in found] == holm([one.p for one in found])
    for one in found:
        assert (one.p <= 0.05) <= (one.verdict != "not decided")
        assert one.corrected in (one.verdict, "not decided")


def test_the_comparison_that_decides_is_the_weakest_for_a_claim_and_the_strongest_against_it() -> None:
    worse = compare(-4.0, -5.0, -6.0)
    assert StudentVerdict(3, "vit", (STRONG, WEAK), 0.1, 0.1).deciding is WEAK
    assert StudentVerdict(3, "vit", (STRONG, worse, WEAK), 0.1, 0.1).deciding is worse
    assert StudentVerdict(3, "vit", (), 1.0, 1.0).deciding is None
