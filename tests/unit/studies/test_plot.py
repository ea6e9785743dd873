"""The plot shows the differences that the table prints."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dad.charts.svg import to_file
from dad.errors import DataError
from studies.emojinet.__main__ import main
from studies.emojinet.ladder import NO_LADDER
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


def test_every_method_of_both_students_has_an_interval_in_every_panel(records: list[Record]) -> None:
    root = ElementTree.fromstring(to_file(difference_plot(Records(records))))
    whiskers = [line for line in root.iter("{http://www.w3.org/2000/svg}line") if line.get("stroke-width")]
    assert len(whiskers) == 3 * 2 * 2
    assert {"kd", "dad", "vit", "resnet", "without A: R, Sketch", "all seven sets"} <= {
        text.text for text in root.iter() if text.text
    }


def test_one_seed_is_a_dot_without_an_interval(make_record: MakeRecord) -> None:
    svg = difference_plot(Records([make_record("ce", 0, 1.0), make_record("kd", 0, 3.0)]))
    assert "stroke-width" not in svg and len(dots(svg)) == 3 + 1


def test_a_very_wide_interval_is_cut_and_leaves_the_others_their_room(make_record: MakeRecord) -> None:
    levels = {"ce": [10.0, 10.0], "dist": [11.0, 11.1], "kd": [12.0, 12.1], "ard": [13.0, 13.1]}
    usual = [make_record(m, seed, level) for m, pair in levels.items() for seed, level in enumerate(pair)]
    wide = [make_record("dad", seed, level) for seed, level in enumerate((5.0, 20.0))]
    plain, more = (difference_plot(Records(some)) for some in (usual, [*usual, *wide]))
    assert "<path" not in plain and more.count("<path") == 2 * 3  # at both ends, in each panel
    lines = re.findall(r'<line x1="([\d.]+)" x2="([\d.]+)" y1="[\d.]+" y2="[\d.]+" stroke="#0072b2"', more)
    assert max(float(last) - float(first) for first, last in lines) == pytest.approx(220)


def test_outline_has_a_panel_of_its_own_where_it_was_scored(records: list[Record]) -> None:
    scored = [replace(record, scores={**record.scores, "outline": 5.0}) for record in records]
    plain, more = (difference_plot(Records(some)) for some in (records, scored))
    assert "Outline" not in plain and len(dots(more)) == len(dots(plain)) + 2 * 2


def test_the_command_writes_both_pictures(
    records: list[Record], make_record: MakeRecord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plot", "--results", str(tmp_path / "runs.json"), "--out", str(tmp_path)]
    save_records(tmp_path / "runs.json", records)
    assert main(words) == 0
    assert (tmp_path / "differences.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert not (tmp_path / "epsilon.svg").exists() and NO_LADDER in capsys.readouterr().out
    save_records(tmp_path / "runs.json", [*records, make_record("dad_second_pass", 0, 12.0)])
    assert main(words) == 0 and (tmp_path / "epsilon.svg").is_file()


def test_missing_results_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file; python -m studies.emojinet run writes it"):
        main(["plot", "--results", str(tmp_path / "none.json")])
