"""The picture of the ladder shows the gains and sets that the table prints."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from studies.emojinet.attack_plot import attack_plot
from studies.emojinet.records import Record, Records
from studies.emojinet.study import DadSetFacts, Study

MakeRecord = Callable[..., Record]
LEVELS = {
    "ce": [1.0, 2.0], "dad_samples": [8.0, 10.0], "dad_second_pass": [10.0, 11.0], "dad_eps1": [14.0, 16.0],
    "dad_steps5": [12.0, 13.0],
}  # fmt: skip


@pytest.fixture
def records(make_record: MakeRecord) -> list[Record]:
    return [
        replace(make_record(method, seed, level, student=student), dad_set=method)
        for student in ("vit", "resnet")
        for method, levels in LEVELS.items()
        for seed, level in enumerate(levels)
    ]


def dots(svg: str, colour: str) -> list[tuple[float, float]]:
    """Centres of a colour's dots, panel by panel, that of the legend last."""
    return [(float(x), float(y)) for x, y in re.findall(rf'cx="([\d.]+)" cy="([-\d.]+)" r="4" fill="{colour}"', svg)]


def test_every_rung_is_a_dot_in_every_panel_at_its_height(records: list[Record]) -> None:
    found = dots(attack_plot(Study(Records(records))), "#0072b2")
    assert len(found) == 3 * 4 + 1
    panel = sorted(found[:4])
    (_, samples), (_, zero), (_, more), (_, steps) = panel
    assert (zero - more) / (zero - steps) == pytest.approx(4.5 / 2, abs=0.01)
    assert (samples - zero) / (zero - steps) == pytest.approx(1.5 / 2, abs=0.01)


def test_the_curve_joins_single_steps_alone(records: list[Record]) -> None:
    curves = re.findall(r'<polyline points="([^"]*)"', attack_plot(Study(Records(records))))
    assert [len(curve.split()) for curve in curves] == [2] * 6  # epsilon 0 and 1, two students, three sets


def test_what_lies_in_the_sets_has_a_panel_where_it_is_known(records: list[Record]) -> None:
    sets = {"dad_second_pass": DadSetFacts(0.0, 1, 0.9, 0.5), "dad_eps1": DadSetFacts(1.0, 1, 0.4, 0.7)}
    without, with_it = (attack_plot(Study(Records(records), dad_sets=one)) for one in ({}, sets))
    assert "codes changed" not in without and with_it.count(">codes changed<") == 1
    assert with_it.count('r="3.5"') == 2 * 2 + 2


def test_a_student_without_a_second_pass_has_no_marks(records: list[Record]) -> None:
    some = [one for one in records if (one.student, one.method) != ("resnet", "dad_second_pass")]
    assert len(dots(attack_plot(Study(Records(some))), "#d55e00")) == 1  # of the legend


def test_without_a_second_pass_there_is_no_picture(make_record: MakeRecord) -> None:
    assert attack_plot(Study(Records([make_record("dad", 0, 10.0)]))) == ""
