"""The study of a share of the DAD images: what it runs, and its table."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.objectives import load_objective
from studies.dad_share import __main__ as study
from studies.emojinet.methods import CLAIMS
from studies.emojinet.plan import plan_jobs
from studies.emojinet.records import Records, save_records

LEVELS = {"kd": [40.0, 42.0], "dad_share0.25": [44.0, 48.0], "dad_share0.5": [50.0, 51.0], "dad": [52.0, 54.0]}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_runs_differ_from_those_of_dad_in_the_share_alone() -> None:
    runs = {
        job.name: job for job in plan_jobs(Path("out"), 1, tables=replace(CLAIMS, methods=study.BETWEEN)) if job.run
    }
    (whole,) = (job for job in plan_jobs(Path("out"), 1, ["dad"]) if job.name == "resnet_dad_0")
    expected, _ = parse_args(create_train_parser(), whole.commands[0][1:])
    for share in study.SHARES:
        args, _ = parse_args(create_train_parser(), runs[f"resnet_dad_share{share:g}_0"].commands[0][1:])
        load_objective(args.objective).check_args(args)
        assert args.dad_share == share
        assert {**vars(args), "dad_share": 1.0, "experiment": "", "config": ""} == {
            **vars(expected), "experiment": "", "config": "",
        }  # fmt: skip


def test_a_row_has_a_share_with_means_and_the_difference_to_all(make_records: Callable[..., Records]) -> None:
    made = make_records(LEVELS)
    costs = {"vit": {name: [cost, cost] for name, cost in zip(LEVELS, (1.5, 2.0, 2.5, 3.0), strict=True)}}
    lines = study.format_table(Records(made, costs)).splitlines()
    rows = {row[0]: row for row in map(cells, lines[4:])}
    assert list(rows) == ["0", "0.25", "0.5", "1"]
    assert rows["0.25"][1:4] == ["2", "2.00 ± 0.0", "46.0 ± 25.4"]
    assert rows["0.5"][-1] == "-2.5 ± 6.4" and rows["0"][-1] == "-12.0 ± 0.0*" and rows["1"][-1] == ""


def test_the_ends_are_those_of_the_other_study_with_the_same_seeds(
    make_records: Callable[..., Records], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, own = (tmp_path / name for name in ("whole", "own"))
    for folder, levels in ((whole, {**LEVELS, "ce": [1.0, 2.0]}), (own, {"dad_share0.5": [50.0]})):
        folder.mkdir()
        save_records(folder / "runs.json", list(make_records(levels)))
    monkeypatch.setattr(study, "CLAIMS_RESULTS", whole)
    found = study.load(own)
    assert {(record.method, record.seed) for record in found} == {("kd", 0), ("dad", 0), ("dad_share0.5", 0)}


def test_the_page_quotes_what_the_command_prints() -> None:
    page = (study.RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert study.format_table(study.load(study.RESULTS)) in page
