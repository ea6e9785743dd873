"""The study on EmojiNet, shortened: from drawings to the table."""

from pathlib import Path

import pytest

from studies.emojinet.__main__ import main


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_quick_study_runs_and_its_table_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    words = ["run", "--quick", "--seeds", "1", "--only", "ce", "--out", str(tmp_path)]
    assert main(words) == 0
    assert main(["table", "--results", str(tmp_path / "quick" / "runs.json")]) == 0
    assert "### resnet: mean over seeds" in capsys.readouterr().out
    costs = tmp_path / "costs.json"
    assert (
        main(["costs", "--run", str(tmp_path / "quick"), "--repeats", "1", "--only", "dad", "--out", str(costs)]) == 0
    )
    assert "| dad " in capsys.readouterr().out and costs.is_file()
    assert main(words) == 0
    assert "0 jobs to do" in capsys.readouterr().out
