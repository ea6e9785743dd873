"""Which folder a run writes to, and which checkpoint it continues from."""

import re
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from toy_run import ToyRun

from dad.errors import DataError, UsageError
from dad.runtime import Runtime
from dad.training.checkpoint_saver import LAST
from dad.training.run_folder import (
    check_folder,
    find_resume,
    next_number,
    resolve_experiment,
    resolve_folder,
    setup_folder,
)
from dad.training.status import Status

Flags = Callable[..., Namespace]


def test_auto_finds_the_last_checkpoint_of_the_run(stopped: ToyRun, flags: Flags, cpu: Runtime, tmp_path: Path) -> None:
    here = ("--output", tmp_path, "--experiment")
    assert find_resume(flags(*here, "run", "--resume", "auto"), cpu) == str(stopped.folder / LAST)
    assert find_resume(flags(*here, "other", "--resume", "auto"), cpu) == ""
    assert find_resume(flags(*here, "run", "--resume", "some.pth"), cpu) == "some.pth"
    assert find_resume(flags(*here, "run"), cpu) == ""


def test_without_a_name_the_folder_is_named_by_time_model_and_size(flags: Flags, cpu: Runtime, tmp_path: Path) -> None:
    args = flags("--model", "hf_hub:timm/x", "--output", tmp_path)
    assert re.fullmatch(r"20\d{6}-\d{6}-timm_x-224", resolve_experiment(args, "", 224, cpu))
    args = flags("--experiment", "group/run")
    args.experiment = resolve_experiment(args, "", 224, cpu)
    assert resolve_folder(args) == Path("output/train/group/run")


def test_runs_that_begin_within_one_second_have_a_folder_each(
    flags: Flags, cpu: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "20260101-120000")
    args = flags("--model", "resnet18", "--output", tmp_path)
    names = [resolve_experiment(args, "", 224, cpu) for _ in range(3)]
    assert names == [f"20260101-120000-resnet18-224{end}" for end in ("", "-2", "-3")]


def write_run(root: Path, name: str, number: int, settings: str = "a: 1\n") -> None:
    (root / name).mkdir()
    (root / name / "args.yaml").write_text(settings)
    Status(number=number).write(root / name)


def test_the_newest_run_is_so_by_its_number_whatever_the_clock_said(flags: Flags, cpu: Runtime, tmp_path: Path) -> None:
    write_run(tmp_path, "20260101-120000-resnet18-224", 2, "a: 1\n# style_transfer: colours\n")
    write_run(tmp_path, "20270101-120000-resnet18-224", 1)  # the clock was wrong, and has been set back since
    write_run(tmp_path, "20280101-120000-resnet18-224", 3, "a: 2\n")
    args = flags("--model", "resnet18", "--output", tmp_path, "--resume", "auto")
    assert resolve_experiment(args, "a: 1\nresume: auto\n", 224, cpu) == "20260101-120000-resnet18-224"
    assert next_number(tmp_path) == 4


def test_a_folder_with_checkpoints_is_not_begun_in_anew(
    stopped: ToyRun, flags: Flags, cpu: Runtime, tmp_path: Path
) -> None:
    here = ("--output", tmp_path, "--experiment")
    for refuse in (check_folder, partial(setup_folder, runtime=cpu)):  # another run may have ended there in between
        with pytest.raises(UsageError, match=r"run holds the checkpoints of a run: --resume auto"):
            refuse(flags(*here, stopped.folder.name))
        for more in (["--resume", "auto"], ["--overwrite"]):
            refuse(flags(*here, stopped.folder.name, *more))
        refuse(flags(*here, "other"))


def test_a_place_that_cannot_be_written_is_told_before_anything_is_loaded(
    flags: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_folder(flags("--output", tmp_path / "new", "--experiment", "run"))
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"the file .*/file is in its way"):
        check_folder(flags("--output", tmp_path / "file", "--experiment", "run"))
    monkeypatch.setattr("os.access", lambda path, mode: False)  # what a user without rights is told
    with pytest.raises(DataError, match=r"cannot be written \(no permission, or read-only\)"):
        check_folder(flags("--output", tmp_path, "--experiment", "run"))
