"""What the study's page quotes is what its commands print from the committed results."""

import json
from pathlib import Path

import pytest

from studies.emojinet.__main__ import RESULTS
from studies.emojinet.look import format_look
from studies.emojinet.plan import METHODS, STUDENTS
from studies.emojinet.plot import difference_plot
from studies.emojinet.power import format_power, plan_power
from studies.emojinet.records import Records, load_records
from studies.emojinet.table import format_study

README = (RESULTS.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def records() -> Records:
    return Records(load_records(RESULTS / "runs.json"))


def test_tables_and_verdicts_are_those_of_the_committed_runs(records: Records) -> None:
    assert format_study(records) in README
    assert format_power(plan_power(records)) in README


def test_the_look_before_the_study_is_the_committed_one() -> None:
    assert format_look(json.loads((RESULTS / "look.json").read_text())) in README


def test_the_plot_shows_the_committed_runs(records: Records) -> None:
    assert difference_plot(records) == Path(RESULTS / "differences.svg").read_text().replace(
        ' xmlns="http://www.w3.org/2000/svg"', "", 1
    )


def test_the_committed_runs_are_whole(records: Records) -> None:
    seeds = len(records.values("vit", "ce", "imagenet"))
    assert seeds >= 3
    for method in METHODS:
        for student in STUDENTS:
            count = len(records.values(student, method.name, "imagenet"))
            assert count == min(seeds, method.most_seeds.get(student, seeds)), (method.name, student)
