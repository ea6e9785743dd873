"""Records are asked by student, method and column, and survive their file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dad.errors import DataError
from studies.emojinet.records import Record, Records, compact, load_records, save_records

MakeRecord = Callable[..., Record]


def test_averages_take_the_corruption_error_as_its_rest() -> None:
    scores = {
        "imagenet": 90.0, "imagenetv2": 80.0, "imagenet-r": 30.0, "imagenet-sketch": 20.0, "imagenet-a": 10.0,
        "imagenet-c": 40.0, "imagenet-style": 60.0,
    }  # fmt: skip
    record = Record("ce", "vit", "", "", "ce", 0, 1, "digest", 1.0, 100.0, scores)
    averages = record.value("natural"), record.value("in_distribution"), record.value("all")
    assert averages == (20.0, 85.0, 50.0)
    assert record.value("cost") == 10.0


def test_values_come_by_seed_for_one_student_and_method(make_record: MakeRecord) -> None:
    made = [("ce", 0, 10.0, "vit"), ("ce", 1, 11.0, "vit"), ("kd", 0, 20.0, "vit"), ("ce", 0, 30.0, "resnet")]
    records = Records(make_record(method, seed, level, student) for method, seed, level, student in made)
    assert records.students() == ["vit", "resnet"] and records.methods("vit") == ["ce", "kd"]
    assert records.values("vit", "ce", "imagenet") == {0: 10.0, 1: 11.0}
    assert records.values("resnet", "kd", "imagenet") == {} and len(records) == 4


def test_a_run_again_replaces_its_record(make_record: MakeRecord) -> None:
    records = Records([make_record("ce", 0, 10.0), make_record("ce", 0, 12.0)])
    assert records.values("vit", "ce", "imagenet") == {0: 12.0}


def test_a_variant_that_was_not_scored_is_an_error(make_record: MakeRecord) -> None:
    with pytest.raises(KeyError, match="objectnet"):
        make_record("ce", 0, 10.0).value("objectnet")


def test_what_is_written_is_rounded_to_what_is_shown(make_record: MakeRecord) -> None:
    content = compact(make_record("ce", 0, 10.12345, pace=99.99))
    assert content["scores"]["imagenet"] == 10.123 and content["images_per_second"] == 100.0


def test_records_survive_their_file(tmp_path: Path, make_record: MakeRecord) -> None:
    records = [make_record("ce", 0, 50.0), make_record("dad", 1, 60.5)]
    save_records(tmp_path / "runs.json", records)
    assert load_records(tmp_path / "runs.json") == records


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "runs.json").write_text('[{"method": "ce"}]')
    for name in ("runs.json", "none.json"):
        with pytest.raises(DataError, match=name):
            load_records(tmp_path / name)
