"""Jobs are done once, go on after a failure, and leave a record: commands are Python one-liners here."""

import json
from pathlib import Path

import pytest

from dad.errors import DataError, SettingsError
from studies.emojinet.plan import METHODS, Job
from studies.emojinet.runner import Runner, training_pace

LOG = "Train: 0 [  50/50 (100%)]  Loss: 3.6 (ce 3.6)  Time: 80.0/s  LR: 1e-3  Data: 20%"
RESULTS = [
    {
        "name": "r",
        "model": "m",
        "variants": {"imagenet": {"top1": 90.0}, "imagenet-c": {"mce": 40.0, "mean_top1": 70.0}},
    }
]


def stub(name: str, folder: Path, code: str = "pass", stage: int = 0, run: bool = False) -> Job:
    """A job that appends a letter to `<name>.count`, runs `code` and writes what validate.py would."""
    result = folder / f"{name}.json"
    body = (
        f"open({str(folder / name)!r} + '.count', 'a').write('x'); {code}; print({LOG!r}); "
        f"open({str(result)!r}, 'w').write({json.dumps(RESULTS)!r})"
    )
    return Job(name, stage, (("-c", body),), result, 1.0, (METHODS[0], "vit", 3, 8) if run else None)


def times(folder: Path, name: str) -> int:
    """How often a stub ran."""
    path = folder / f"{name}.count"
    return len(path.read_text()) if path.exists() else 0


def quiet(folder: Path) -> Runner:
    """A runner that says nothing."""
    return Runner(folder, workers=2, say=lambda line: None)


def test_a_finished_job_is_not_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        quiet(tmp_path).run([stub("a", tmp_path), stub("b", tmp_path)])
    assert (times(tmp_path, "a"), times(tmp_path, "b")) == (1, 1)


def test_a_job_whose_result_is_gone_is_run_again(tmp_path: Path) -> None:
    quiet(tmp_path).run([stub("a", tmp_path)])
    (tmp_path / "a.json").unlink()
    quiet(tmp_path).run([stub("a", tmp_path)])
    assert times(tmp_path, "a") == 2


def test_other_settings_are_refused(tmp_path: Path) -> None:
    quiet(tmp_path).run([stub("a", tmp_path)])
    with pytest.raises(SettingsError, match="a was made with other settings"):
        quiet(tmp_path).run([stub("a", tmp_path, "0")])


def test_a_failure_names_its_log_and_the_next_call_goes_on(tmp_path: Path) -> None:
    fails_once = f"import sys, pathlib; pathlib.Path({str(tmp_path / 'ok')!r}).exists() or sys.exit(3)"
    jobs = [stub("a", tmp_path), stub("b", tmp_path, fails_once, stage=1), stub("c", tmp_path, stage=2)]
    with pytest.raises(DataError, match=r"b: -c ended with 3, see .*b\.log"):
        quiet(tmp_path).run(jobs)
    assert times(tmp_path, "c") == 0
    (tmp_path / "ok").touch()
    quiet(tmp_path).run(jobs)
    assert [times(tmp_path, name) for name in "abc"] == [1, 2, 1]


def test_a_run_leaves_its_record(tmp_path: Path) -> None:
    (record,) = quiet(tmp_path).run([stub("r", tmp_path, run=True)])
    assert (record.method, record.student, record.seed, record.epochs) == ("ce", "vit", 3, 8)
    assert record.scores == {"imagenet": 90.0, "imagenet-c": 40.0}
    assert record.images_per_second == 80.0
    assert quiet(tmp_path).run([stub("r", tmp_path, run=True)]) == [record]


def test_progress_is_told_after_every_job(tmp_path: Path) -> None:
    lines: list[str] = []
    Runner(tmp_path, 1, lines.append).run([stub("a", tmp_path), stub("b", tmp_path)])
    assert lines[0].startswith("2 jobs, 0 done already")
    assert lines[1].startswith("[ 50 %] a:") and lines[2].startswith("[100 %] b:")


def test_commands_have_one_thread(tmp_path: Path) -> None:
    quiet(tmp_path).run([stub("a", tmp_path, "import os; assert os.environ['OMP_NUM_THREADS'] == '1'")])


def test_a_stopped_runner_begins_nothing(tmp_path: Path) -> None:
    runner = quiet(tmp_path)
    runner.stop()
    with pytest.raises(DataError):
        runner.run([stub("a", tmp_path)])
    assert times(tmp_path, "a") == 0


def test_the_pace_is_the_median_of_the_epochs_last_lines() -> None:
    log = "\n".join(
        f"Train: {epoch} [  {batch}/50]  Loss: 1 (ce 1)  Time: {pace}/s  LR: 1e-3"
        for epoch, batch, pace in [(0, 1, 5.0), (0, 50, 70.0), (1, 50, 90.5), (2, 50, 400.0)]
    )
    assert training_pace(log) == 90.5
    with pytest.raises(DataError):
        training_pace("nothing")
