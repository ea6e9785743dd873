"""What the study's page quotes is what its commands print from the committed results."""

import json
from pathlib import Path

import pytest

from dad.charts.svg import to_file
from studies.emojinet.__main__ import RESULTS
from studies.emojinet.attack_plot import attack_plot
from studies.emojinet.look import format_look
from studies.emojinet.plot import difference_plot
from studies.emojinet.power import format_power, plan_power
from studies.emojinet.study import Study, load_study
from studies.emojinet.table import format_study

PAGE = (RESULTS.parent / "first_study.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study() -> Study:
    return load_study(RESULTS / "first_study.json")


def test_tables_and_verdicts_are_those_of_the_committed_runs(study: Study) -> None:
    assert format_study(study) in PAGE
    assert format_power(plan_power(study.records)) in PAGE


def test_the_look_before_the_study_is_the_committed_one() -> None:
    assert format_look(json.loads((RESULTS / "look.json").read_text())) in PAGE


def test_the_pictures_show_the_committed_runs(study: Study) -> None:
    for name, svg in (
        ("first_study_differences.svg", difference_plot(study.records)),
        ("first_study_epsilon.svg", attack_plot(study)),
    ):
        assert to_file(svg) == Path(RESULTS / name).read_bytes(), name
