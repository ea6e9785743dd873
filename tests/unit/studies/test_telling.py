"""Which test sets can tell methods apart, from plain training and the teacher alone."""

from collections.abc import Callable

import pytest

from emojinet.concepts import CLASS_FILE
from studies.emojinet.records import Record, Records
from studies.emojinet.study import Study
from studies.emojinet.telling import NO_TEACHER, cannot_tell, chance_of, format_test_sets, judge_test_sets

MakeRecords = Callable[..., Records]
CE = [30.0, 31.0, 32.0]  # 31 +- 2.48


def reasons(records: Records, teacher: float, column: str = "imagenet-r") -> list[str]:
    """Why one set cannot tell."""
    return judge_test_sets(Study(records, {column: teacher}))[0].reasons


@pytest.mark.parametrize(("teacher", "can"), [(99.0, True), (43.5, True), (43.4, False), (31.0, False), (5.0, False)])
def test_the_teacher_has_to_be_far_above_the_interval_of_plain_training(
    make_records: MakeRecords, teacher: float, can: bool
) -> None:
    assert (reasons(make_records({"ce": CE}), teacher) == []) is can


def test_plain_training_has_to_be_above_chance_by_its_interval(make_records: MakeRecords) -> None:
    assert reasons(make_records({"ce": [1.5, 2.0, 2.5]}), 99.0) == ["ce not above chance"]
    assert reasons(make_records({"ce": [2.4, 2.5, 2.6]}), 99.0) == []


def test_a_set_can_fail_for_both_reasons_and_one_seed_says_nothing(make_records: MakeRecords) -> None:
    assert len(reasons(make_records({"ce": [1.0, 1.5, 2.0]}), 3.0)) == 2
    assert reasons(make_records({"ce": [30.0]}), 99.0) == ["one seed of ce has no interval"]


def test_the_error_of_c_counts_as_its_rest(make_records: MakeRecords) -> None:
    records = make_records({"ce": CE})  # whose mCE is 69
    assert reasons(records, 20.0, "imagenet-c") == [] and reasons(records, 60.0, "imagenet-c") != []
    (found,) = judge_test_sets(Study(records, {"imagenet-c": 20.0}))
    assert (found.plain.mean, found.teacher) == (31.0, 80.0)


def test_chance_is_one_of_the_worlds_classes() -> None:
    assert chance_of("imagenet-r") == 100 / len(CLASS_FILE.read_text(encoding="utf-8").split())
    assert chance_of("imagenet-c") < 0  # guessing errs more than AlexNet, whose mCE is 100


def test_other_methods_do_not_change_what_is_said_of_a_set(make_record: Callable[..., Record]) -> None:
    plain = [make_record("ce", seed, level) for seed, level in enumerate(CE)]
    others = [make_record("dad", seed, 98.0) for seed in range(3)]
    teacher = {"imagenet-r": 99.0, "imagenet-a": 32.0}
    assert cannot_tell(Study(Records(plain), teacher)) == {"vit": {"imagenet-a"}}
    assert cannot_tell(Study(Records([*plain, *others]), teacher)) == {"vit": {"imagenet-a"}}


def test_an_average_cannot_tell_if_none_of_its_sets_can(make_records: MakeRecords) -> None:
    teacher = {"imagenet": 31.0, "imagenetv2": 32.0, "imagenet-r": 99.0, "imagenet-a": 30.0}
    study = Study(make_records({"ce": CE}), teacher)
    assert cannot_tell(study)["vit"] == {"imagenet", "imagenetv2", "imagenet-a", "in_distribution"}
    last = format_test_sets(study).splitlines()[-1]
    assert last.endswith("vit: Avg in dist. (ImageNet, V2); Avg natural (A); Avg (ImageNet, V2, A).")


def test_without_the_teachers_scores_nothing_is_said(make_records: MakeRecords) -> None:
    study = Study(make_records({"ce": CE}))
    assert format_test_sets(study) == NO_TEACHER and cannot_tell(study) == {"vit": set()}
