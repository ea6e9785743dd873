"""Faults 23 to 26: a run of train.py that is cut ends as one that was not: files compared, bit for bit."""

import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_tools import Job, at_rename, finished_files, run, wait_at, wait_for
from run_tools import HARD, require_equal, signal_at, status, train_job

import generate
import train
from dad.errors import SettingsError, UsageError
from dad.training.checkpoint_saver import SafeSaver, find_newest

RESNET = [
    "--model",
    "test_resnet",
    "--model-kwargs",
    "zero_init_last=False",
    "--discretizer",
    "identity",
    "--grad-accum-steps",
    "1",
]
CASES = [
    pytest.param("ce", [], (11,), id="plain"),
    pytest.param("ce", HARD, (2,), id="hard, in the first epoch"),
    pytest.param("ce", [*HARD, "--no-prefetcher"], (9,), id="without prefetcher"),
    pytest.param("ce", HARD, (8, 2, 1, 3), id="at the end of an epoch, amid one, before validation, in it"),
    pytest.param("ce", [*HARD, "--workers", "2"], (10,), id="workers"),
    pytest.param("ce", [*HARD, "--workers", "2"], (5, 8), id="workers, twice in validation"),
    pytest.param("ce", [*HARD, "--workers", "2", "--val-interval", "2"], (4,), id="workers that validate later"),
    pytest.param("debiased", [*HARD, *RESNET], (3, 1, 4), id="debiased, whose images change their size"),
    pytest.param("dad", [*HARD, "--workers", "2"], (8,), id="dad with workers"),
    pytest.param("feature_clean", [*HARD, "--unlabelled"], (4,), id="images without labels, blended"),
    pytest.param("advprop", [*HARD, "--aux-norms", "layer"], (8,), id="auxiliary norms"),
    pytest.param("fast_advprop", [*HARD, "--aux-norms", "layer", "-b", "10"], (4,), id="gradients before the loss"),
    pytest.param("pyramid_at", [*HARD, "--drop-path", "0.2"], (8,), id="masks that are drawn again"),
]


@pytest.mark.parametrize("objective, more, updates", CASES)
def test_parts_of_a_run_equal_one_whole(
    objective: str, more: list[str], updates: tuple[int, ...], train_flags: list[str], generate_flags: list[str],
    cut: Callable[..., int], tmp_path: Path,
) -> None:  # fmt: skip
    flags = [*train_flags, "--objective", objective, "--dad-dir", str(tmp_path / "dad"), *more]
    assert objective != "dad" or generate.main(generate_flags) == 0
    assert train.main([*flags, "--experiment", "whole"]) == 0
    assert [cut(flags, update) for update in updates] == [75] * len(updates)
    half = status(tmp_path / "run")
    assert half["state"] == "interrupted" and half["resumable"]
    assert train.main([*flags, "--resume", "auto"]) == 0
    require_equal(tmp_path / "run", tmp_path / "whole")
    own = {"checkpoint": str(tmp_path / "run/last.pth.tar"), "number": 2, "tracked": half["tracked"]}  # the second here
    assert status(tmp_path / "run") == status(tmp_path / "whole") | own
    assert not list((tmp_path / "run").glob("recovery*"))


def die_at_save(number: int, after: bool) -> None:
    """Die while the `number`-th checkpoint is written: when half of it is there, or just after it was renamed."""
    count, save, rename = itertools.count(1), torch.save, SafeSaver._replace

    def save_half(content: Any, path: str) -> None:
        save(content, path)
        if next(count) == number and not after:
            os.truncate(path, Path(path).stat().st_size // 2)
            os._exit(9)

    def rename_and_die(self: SafeSaver, src: str, dst: str) -> None:
        rename(self, src, dst)
        if after and next(count) > number:
            os._exit(9)

    torch.save, SafeSaver._replace = save_half, rename_and_die  # type: ignore[assignment, method-assign]


@pytest.mark.parametrize("number, after", [(1, False), (3, False), (4, True), (7, False)])
def test_death_while_saving_costs_nothing(
    number: int, after: bool, train_flags: list[str], whole_run: Path, tmp_path: Path
) -> None:
    flags = [*train_flags, "--recovery-interval", "2"]
    assert train_job(flags, partial(die_at_save, number, after)).wait().code == 9
    assert train_job(flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def test_a_run_that_is_killed_goes_on(train_flags: list[str], whole_run: Path, tmp_path: Path) -> None:
    job = train_job([*train_flags, "--recovery-interval", "1", "--workers", "0"])
    wait_for(tmp_path / "run" / "recovery-0-2.pth.tar")
    assert job.kill().code in (-signal.SIGKILL, 0)
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def test_the_newest_checkpoint_is_found_by_what_it_says(train_flags: list[str], tmp_path: Path, cut: Any) -> None:
    assert cut([*train_flags, "--objective", "ce"], 12) == 75
    for age, path in enumerate(sorted((tmp_path / "run").glob("*.tar"))):
        os.utime(path, (age, age))
    os.utime(tmp_path / "run" / "recovery-1-3.pth.tar", (0, 0))
    assert find_newest(tmp_path / "run") == tmp_path / "run" / "recovery-1-3.pth.tar"


def test_other_settings_are_refused_amid_an_epoch(train_flags: list[str], cut: Callable[..., int]) -> None:
    flags = [*train_flags, "--objective", "ce"]
    assert cut(flags, 3) == 75
    for other in (["--batch-size", "4"], ["--grad-accum-steps", "2"], ["--workers", "1"]):
        with pytest.raises(SettingsError, match="from the middle of an epoch"):
            train.main([*flags, *other, "--resume", "auto"])


def test_without_a_name_the_newest_run_of_the_same_settings_goes_on(
    train_flags: list[str], cut: Callable[..., int], tmp_path: Path
) -> None:
    flags = [*train_flags, "--objective", "ce", "--experiment", ""]
    assert cut(flags, 3) == 75
    [folder] = tmp_path.glob("2*-test_vit2-32")
    assert train.main([*flags, "--resume", "auto"]) == 0 and list(tmp_path.glob("2*")) == [folder]
    assert status(folder)["state"] == "done"


def test_a_new_run_in_an_old_folder_sets_the_old_checkpoints_aside(train_flags: list[str], tmp_path: Path) -> None:
    assert train.main([*train_flags, "--objective", "ce"]) == 0
    job = train_job(train_flags, partial(signal_at, 1)).wait()  # the old run is done: --resume auto trains no more
    assert job.code == 0
    flags = [*train_flags, "--objective", "ce"]
    with pytest.raises(UsageError, match="holds the checkpoints of a run: --resume auto continues it, --overwrite"):
        train.main(flags)
    assert run([*flags, "--overwrite"], partial(signal_at, 1), main=train.main).code == 75
    assert find_newest(tmp_path / "run") == tmp_path / "run" / "recovery-0-1.pth.tar"
    for name in ("last.pth.tar", "model_best.pth.tar"):
        assert (tmp_path / "run" / f"{name}.old").exists() and not (tmp_path / "run" / name).exists()


def test_without_a_validation_split_a_run_is_resumed_alike(
    train_flags: list[str], tmp_path: Path, cut: Callable[..., int]
) -> None:
    flags = [*train_flags, "--objective", "ce", "--val-split", ""]
    assert train.main([*flags, "--experiment", "whole"]) == 0
    assert cut(flags, 12) == 75
    assert train.main([*flags, "--resume", "auto"]) == 0
    require_equal(tmp_path / "run", tmp_path / "whole")
    assert status(tmp_path / "run")["best"] is None


def test_two_runs_never_write_to_one_folder_and_a_dead_one_locks_nobody_out(
    train_flags: list[str], tmp_path: Path
) -> None:
    flags = [*train_flags, "--objective", "ce", "--epochs", "2"]
    gate = tmp_path / "gate"
    first = Job(flags, partial(at_rename, 4, partial(wait_at, gate)), main=train.main)
    wait_for(gate.with_suffix(".reached"))
    before = finished_files(tmp_path / "run", temporary=True)
    for more in (["--resume", "auto"], ["--overwrite"]):
        second = run([*flags, *more], main=train.main)
        assert second.code == 3 and second.err.count("\n") >= 1
        assert re.search(r"error: another run is training in \S+/run now; wait for it, .*--experiment\n$", second.err)
    assert finished_files(tmp_path / "run", temporary=True) == before
    first.kill()
    assert run([*flags, "--resume", "auto"], main=train.main).code == 0
    assert status(tmp_path / "run")["state"] == "done"


def test_a_run_that_is_refused_has_mended_nothing(train_flags: list[str], tmp_path: Path) -> None:
    flags = [*train_flags, "--objective", "ce", "--epochs", "1"]
    assert run(flags, main=train.main).code == 0
    (tmp_path / "run" / "model_best.pth.tar").unlink()  # which a run that goes on makes anew
    before = finished_files(tmp_path / "run", temporary=True)
    hold = "import sys; from pathlib import Path; from dad.locks import hold; "
    hold += "held = hold(Path(sys.argv[1]), ''); print('held', flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", hold, str(tmp_path / "run" / ".run.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        for place in ("auto", str(tmp_path / "run" / "last.pth.tar")):
            assert run([*flags, "--resume", place], main=train.main).code == 3
        process.communicate(b"")
    assert finished_files(tmp_path / "run", temporary=True) == before
    assert run([*flags, "--resume", "auto"], main=train.main).code == 0
    assert (tmp_path / "run" / "model_best.pth.tar").exists()
