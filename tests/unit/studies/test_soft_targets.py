"""The study of fewer virtual epochs: its table, and that what was run is not run again."""

import json
from pathlib import Path

import pytest

from studies.soft_targets import __main__ as study

RECORDS = [
    {"seed": seed, "views": views, "top1": {"val": 90.0 + seed, "R": 10.0 + views}}
    for seed in (0, 1)
    for views in (1, 8)
]


def test_a_row_is_the_mean_over_seeds() -> None:
    lines = study.format_table(RECORDS).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["1 of 8", "8 of 8"]
    assert [cell.strip() for cell in lines[3].split("|")[2:6]] == ["8 x", "2", "90.5 ± 6.4", "18.0 ± 0.0"]


def test_what_was_run_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results, trained = tmp_path / "results.json", []
    results.write_text(json.dumps(RECORDS))
    monkeypatch.setattr(study.train, "main", lambda words: trained.append(words[words.index("--teacher-views") + 1]))
    monkeypatch.setattr("dad.soft_targets.__main__.main", lambda words: 0)
    monkeypatch.setattr(study, "score", lambda checkpoint, out: {"val": 1.0, "R": 2.0})
    study.run_study([0], tmp_path, results, [])
    assert trained == ["2", "4"]
    added = study.load(results)[len(RECORDS) :]
    assert [record["views"] for record in added] == [2, 4] and added[0]["top1"] == {"val": 1.0, "R": 2.0}
