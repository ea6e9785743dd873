"""`python -m studies.emojinet`: what it prints without running anything."""

from pathlib import Path

import pytest

from dad.errors import DataError, UsageError
from studies.emojinet.__main__ import RESULTS, main, place_of
from studies.emojinet.plan_file import plan_bytes, require_plan
from studies.emojinet.sets import load_selection
from studies.emojinet.study import load_study
from studies.emojinet.table import format_study


@pytest.fixture(autouse=True)
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands name their recipes from the project's root."""
    monkeypatch.chdir(Path(__file__).parents[3])


def test_the_table_is_of_the_committed_results(capsys: pytest.CaptureFixture[str]) -> None:
    first = RESULTS / "first_study.json"
    assert main(["table", "--results", str(first)]) == 0
    assert capsys.readouterr().out == format_study(load_study(first)) + "\n"


def test_a_dry_run_lists_jobs_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--dry-run", "--only", "ce", "--seeds", "1", "--workers", "2", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[:-1]] == ["data", "sets", "resnet_ce_0", "coatnet_ce_0"]
    assert lines[-1].endswith("with 2 workers")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_the_committed_plan_is_what_tables_and_recipes_make(kind: str) -> None:
    tables, results = place_of(kind)
    require_plan(results / "plan.json", plan_bytes(load_selection(), tables, kind))


def test_results_of_another_kind_of_device_lie_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert place_of("cuda:1") == place_of("cuda") != place_of("cpu")
    words = ["run", "--dry-run", "--only", "ce", "--seeds", "1", "--device", "cuda:1", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "resnet_ce_0" in capsys.readouterr().out
    with pytest.raises(DataError, match=r"mps/plan\.json: there is no plan yet"):
        main([*words, "--device", "mps"])


@pytest.mark.parametrize("flag", ["--seeds", "--workers"])
def test_less_than_one_is_refused(flag: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--seeds and --workers must be at least 1"):
        main(["run", flag, "0", "--out", str(tmp_path)])
