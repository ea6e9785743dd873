"""What is read beside the records, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dad.errors import DataError
from studies.emojinet.records import Record, Records, save_records
from studies.emojinet.study import DadSetFacts, columns_of, load_study

MakeRecord = Callable[..., Record]
SET = {"epsilon": 0.3, "steps": 1, "kept": 0.72, "codes_changed": 0.58}


@pytest.fixture
def runs(tmp_path: Path, make_record: MakeRecord) -> Path:
    path = tmp_path / "runs.json"
    save_records(path, [make_record("ce", 0, 10.0), make_record("dad", 0, 12.0)])
    return path


def beside(runs: Path, name: str, content: object) -> Path:
    """Write a file beside the records and return these."""
    runs.with_name(name).write_text(json.dumps(content))
    return runs


def test_records_alone_are_enough(runs: Path) -> None:
    study = load_study(runs)
    assert len(study.records) == 2 and not study.teacher and not study.dad_sets


def test_what_lies_beside_them_is_read(runs: Path) -> None:
    beside(runs, "teacher.json", {"imagenet-r": 99})
    samples = {"epsilon": None, "kept": 0.9, "images": 3200}  # without a gradient, and with something not asked for
    study = load_study(beside(runs, "dad_sets.json", {"clip": SET, "samples": samples}))
    assert study.teacher == {"imagenet-r": 99.0}
    assert study.dad_sets == {"clip": DadSetFacts(0.3, 1, 0.72, 0.58), "samples": DadSetFacts(None, None, 0.9, None)}


def test_costs_of_a_planned_study_are_not_those_of_its_clock(tmp_path: Path, make_record: MakeRecord) -> None:
    records = [make_record("ce", 0, 10.0), replace(make_record("dad", 0, 12.0), images_per_second=25.0)]
    save_records(tmp_path / "runs.json", records)
    costs = {"machine": {}, "students": {"vit": {"ce": [1, 1], "dad": [2.5, 2.7]}}}
    beside(tmp_path / "runs.json", "costs.json", costs)
    assert load_study(tmp_path / "runs.json").records.values("vit", "dad", "cost") == {0: 40.0}  # nothing was planned
    save_records(tmp_path / "runs.json", [replace(record, plan="abc") for record in records])
    assert load_study(tmp_path / "runs.json").records.values("vit", "dad", "cost") == {0: 2.5, 1: 2.7}
    (tmp_path / "costs.json").unlink()
    assert not load_study(tmp_path / "runs.json").records.values("vit", "dad", "cost")


def test_records_of_another_name_have_files_of_their_own(runs: Path) -> None:
    beside(runs, "teacher.json", {"imagenet-r": 99})
    first = runs.rename(runs.with_name("first_study.json"))
    assert not load_study(first).teacher
    assert load_study(beside(first, "first_study_teacher.json", {"imagenet-r": 98})).teacher == {"imagenet-r": 98.0}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("teacher.json", {"imagenet": "94"}, "teacher.json: imagenet is '94'; a number is needed"),
        ("teacher.json", [94], "teacher.json: expected a JSON object"),
        ("costs.json", {"resnet": {}}, "costs.json: not a file of"),
        ("costs.json", {"students": {"resnet": {"dad": ["2"]}}}, "costs.json: dad is '2'; a number"),
        ("dad_sets.json", {"clip": 0.72}, "dad_sets.json: clip is 0.72; epsilon, steps, kept"),
        ("dad_sets.json", {"clip": SET | {"kept": 72}}, "clip: kept is 72; a share between 0 and 1"),
        ("dad_sets.json", {"clip": SET | {"codes_changed": True}}, "clip: codes_changed is True; a number"),
    ],
)
def test_another_file_is_refused_by_name(runs: Path, name: str, content: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_study(beside(runs, name, content))


def test_a_set_that_some_runs_alone_were_scored_on_is_refused(tmp_path: Path, make_record: MakeRecord) -> None:
    old = make_record("ce", 0, 10.0)
    new = replace(make_record("dad", 0, 10.0), scores={**old.scores, "outline": 30.0})
    save_records(tmp_path / "runs.json", [old, new])
    with pytest.raises(DataError, match="vit ce 0 has no outline, which other runs have"):
        load_study(tmp_path / "runs.json")


def test_outline_is_a_column_of_its_own_where_it_was_scored(make_record: MakeRecord) -> None:
    old = make_record("ce", 0, 10.0)
    new = replace(old, scores={**old.scores, "outline": 90.0})
    assert "outline" not in columns_of(Records([old]))
    titles = list(columns_of(Records([new])))
    assert titles.index("outline") == titles.index("imagenet-sketch") + 1
    assert all(new.value(average) == old.value(average) for average in ("natural", "natural_without_a", "all"))
