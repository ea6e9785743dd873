"""The plot shows the differences that the table prints."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dad.charts.svg import to_file
from dad.errors import DataError
from studies.emojinet.__main__ import main
from studies.emojinet.plot import difference_plot
from studies.emojinet.records import Record, Records, save_records

MakeRecord = Callable[..., Record]
LEVELS = {"ce": [10.0, 11.0, 12.0], "kd": [12.0, 13.0, 16.0], "dad": [15.0, 17.0, 16.0]}


@pytest.fixture
def records(make_record: MakeRecord) -> list[Record]:
    pairs = product(("vit", "resnet"), LEVELS.items())
    return [make_record(m, seed, level, student=s) for s, (m, levels) in pairs for seed, level in enumerate(levels)]


def dots(svg: str) -> list[float]:
    """x of every dot, those of the legend last."""
    return [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]


def test_dots_lie_at_the_means_of_the_paired_differences(records: list[Record]) -> None:
    kd, dad, *_ = dots(difference_plot(Records(records)))
    zero = float(re.findall(r'x="([\d.]+)"[^>]*>0<', difference_plot(Records(records)))[0])
    assert (dad - zero) / (kd - zero) == pytest.approx(5 / (8 / 3), abs=0.01)


def test_every_method_of_both_students_has_an_interval_in_both_panels(records: list[Record]) -> None:
    root = ElementTree.fromstring(to_file(difference_plot(Records(records))))
    whiskers = [line for line in root.iter("{http://www.w3.org/2000/svg}line") if line.get("stroke-width")]
    assert len(whiskers) == 2 * 2 * 2
    assert {"kd", "dad", "vit", "resnet", "all seven sets"} <= {text.text for text in root.iter() if text.text}


def test_one_seed_is_a_dot_without_an_interval(make_record: MakeRecord) -> None:
    svg = difference_plot(Records([make_record("ce", 0, 1.0), make_record("kd", 0, 3.0)]))
    assert "stroke-width" not in svg and len(dots(svg)) == 2 + 1


def test_the_command_writes_the_file(records: list[Record], tmp_path: Path) -> None:
    save_records(tmp_path / "runs.json", records)
    assert main(["plot", "--results", str(tmp_path / "runs.json"), "--out", str(tmp_path / "plot.svg")]) == 0
    assert (tmp_path / "plot.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')


def test_missing_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file; python -m studies.emojinet run writes it"):
        main(["plot", "--results", str(tmp_path / "none.json")])
