"""Jobs are done once, go on after a failure, and leave a record: commands are Python one-liners here."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from dad.errors import DataError, SettingsError
from studies.emojinet.methods import METHODS
from studies.emojinet.plan import Job
from studies.emojinet.records import load_records
from studies.emojinet.runner import Runner, Stopped, training_pace

PLAN = "0123"
LOG = "Train: 0 [  50/50 (100%)]  Loss: 3.6 (ce 3.6)  Time: 80.0/s  LR: 1e-3  Data: 20%"
RESULTS = {
    "model": "m",
    "variants": {
        "imagenet": {"top1": 90.0},
        "imagenet-c": {"mce": 40.0, "mean_top1": 70.0},
        "outline": {"top1": 20.0},
        "mistakes": {"top1": 10.0},
    },
}


def stub(name: str, folder: Path, code: str = "pass", stage: int = 0, run: bool = False) -> Job:
    """A job that appends a letter to `<name>.count`, runs `code` and writes what validate.py would."""
    result = folder / f"{name}.json"
    scored = json.dumps([{**RESULTS, "name": name}])
    body = (
        f"open({str(folder / name)!r} + '.count', 'a').write('x'); {code}; print({LOG!r}); "
        f"open({str(result)!r}, 'w').write({scored!r})"
    )
    return Job(name, stage, (("-c", body),), result, 1.0, (METHODS[0], "vit", 3, 8) if run else None)


def times(folder: Path, name: str) -> int:
    """How often a stub ran."""
    path = folder / f"{name}.count"
    return len(path.read_text()) if path.exists() else 0


def quiet(folder: Path) -> Runner:
    """A runner that says nothing."""
    return Runner(folder, 2, folder / "results", PLAN, say=lambda line: None)


def test_a_finished_job_is_not_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        quiet(tmp_path).carry_out([stub("a", tmp_path), stub("b", tmp_path)])
    assert (times(tmp_path, "a"), times(tmp_path, "b")) == (1, 1)


def test_a_job_whose_result_is_gone_is_run_again(tmp_path: Path) -> None:
    quiet(tmp_path).carry_out([stub("a", tmp_path)])
    (tmp_path / "a.json").unlink()
    quiet(tmp_path).carry_out([stub("a", tmp_path)])
    assert times(tmp_path, "a") == 2


def test_other_settings_are_refused(tmp_path: Path) -> None:
    quiet(tmp_path).carry_out([stub("a", tmp_path)])
    with pytest.raises(SettingsError, match="a was made with other settings"):
        quiet(tmp_path).carry_out([stub("a", tmp_path, "0")])


def test_a_failure_names_its_log_and_the_next_call_goes_on(tmp_path: Path) -> None:
    fails_once = f"import sys, pathlib; pathlib.Path({str(tmp_path / 'ok')!r}).exists() or sys.exit(3)"
    failing = stub("b", tmp_path, fails_once, stage=1)
    jobs = [stub("a", tmp_path), failing, replace(stub("c", tmp_path, stage=2), needs=(failing,))]
    with pytest.raises(DataError, match=r"b: -c ended with 3, see .*b\.log"):
        quiet(tmp_path).carry_out(jobs)
    assert times(tmp_path, "c") == 0
    (tmp_path / "ok").touch()
    quiet(tmp_path).carry_out(jobs)
    assert [times(tmp_path, name) for name in "abc"] == [1, 2, 1]


def test_a_run_leaves_its_record(tmp_path: Path) -> None:
    (record,) = quiet(tmp_path).run([stub("r", tmp_path, run=True)])
    assert (record.method, record.student, record.seed, record.epochs) == ("ce", "vit", 3, 8)
    assert record.scores == {"imagenet": 90.0, "imagenet-c": 40.0, "outline": 20.0, "imagenet-a": 10.0}
    assert record.plan == PLAN
    assert record.images_per_second == 80.0
    assert quiet(tmp_path).run([stub("r", tmp_path, run=True)]) == [record]


def test_progress_is_told_after_every_job(tmp_path: Path) -> None:
    lines: list[str] = []
    Runner(tmp_path, 1, tmp_path, PLAN, lines.append).carry_out([stub("a", tmp_path), stub("b", tmp_path)])
    assert lines[0].startswith("2 jobs to do")
    assert lines[1].startswith("[ 50 %] a:") and lines[2].startswith("[100 %] b:")


def test_commands_have_one_thread(tmp_path: Path) -> None:
    quiet(tmp_path).carry_out([stub("a", tmp_path, "import os; assert os.environ['OMP_NUM_THREADS'] == '1'")])


def test_a_stopped_runner_begins_nothing(tmp_path: Path) -> None:
    runner = quiet(tmp_path)
    runner.stop()
    with pytest.raises(DataError):
        runner.carry_out([stub("a", tmp_path)])
    assert times(tmp_path, "a") == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_commands_save_and_begins_nothing(tmp_path: Path, number: signal.Signals) -> None:
    runner = Runner(tmp_path, 1, tmp_path / "results", PLAN, say=lambda line: None)
    before = signal.getsignal(number)
    asks = (
        f"import os, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: "
        f"(open({str(tmp_path / 'saved')!r}, 'w').close(), sys.exit(0))); "
        f"os.kill(os.getppid(), {int(number)}); time.sleep(60)"
    )
    with pytest.raises(Stopped, match=f"stopped by {number.name}; what was under way goes on by the same command"):
        runner.carry_out([stub("a", tmp_path, asks), stub("b", tmp_path)])
    assert (tmp_path / "saved").exists() and times(tmp_path, "b") == 0
    assert signal.getsignal(number) is before


def test_the_pace_is_the_median_of_the_epochs_last_lines() -> None:
    log = "\n".join(
        f"Train: {epoch} [  {batch}/50]  Loss: 1 (ce 1)  Time: {pace}/s  LR: 1e-3"
        for epoch, batch, pace in [(0, 1, 5.0), (0, 50, 70.0), (1, 50, 90.5), (2, 50, 400.0)]
    )
    assert training_pace(log) == 90.5
    with pytest.raises(DataError):
        training_pace("nothing")


def test_a_committed_record_counts_as_done_without_its_output(tmp_path: Path) -> None:
    (record,) = quiet(tmp_path).run([stub("r", tmp_path, run=True)])
    elsewhere = tmp_path / "elsewhere"
    runner = Runner(elsewhere, 2, tmp_path / "results", PLAN, say=lambda line: None)
    assert runner.run([stub("data", tmp_path), stub("r", tmp_path, run=True)]) == [record]
    assert (times(tmp_path, "r"), times(tmp_path, "data")) == (1, 0)


def test_records_of_another_plan_are_refused(tmp_path: Path) -> None:
    quiet(tmp_path).run([stub("r", tmp_path, run=True)])
    with pytest.raises(SettingsError, match=f"vit ce 3 is of another plan \\({PLAN}, not 4567\\)"):
        Runner(tmp_path, 2, tmp_path / "results", "4567")
    (tmp_path / "results" / "runs.json").unlink()
    with pytest.raises(SettingsError, match="r was made with other settings"):
        Runner(tmp_path, 2, tmp_path / "results", "4567").run([stub("r", tmp_path, run=True)])


def test_what_was_finished_before_a_failure_is_in_the_results(tmp_path: Path) -> None:
    bad = replace(stub("b", tmp_path, "raise SystemExit(3)", run=True), run=(METHODS[0], "vit", 4, 8))
    with pytest.raises(DataError, match="b: -c ended with 3"):
        quiet(tmp_path).run([bad, stub("r", tmp_path, run=True)])
    assert [record.seed for record in load_records(tmp_path / "results" / "runs.json")] == [3]


def test_records_stand_in_the_order_of_the_plan(tmp_path: Path) -> None:
    jobs = [replace(stub(f"r{n}", tmp_path, run=True), run=(METHODS[0], "vit", n, 8)) for n in range(3)]
    quiet(tmp_path).run(jobs[2:])
    quiet(tmp_path).run(jobs)
    assert [record.seed for record in load_records(tmp_path / "results" / "runs.json")] == [0, 1, 2]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studies.emojinet.runner import Runner\n"
        "try: Runner(Path(sys.argv[1]), 1, Path(sys.argv[1]), '').carry_out([])\n"
        "except Exception as error: print(error)"
    )
    call = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}, {str(tmp_path)!r}], check=True)"
    quiet(tmp_path).carry_out([stub("a", tmp_path, call)])
    assert "another process runs this study there" in (tmp_path / "logs" / "a.log").read_text()
