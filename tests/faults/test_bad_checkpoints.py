"""Faults 4, 21, 22 and 33: checkpoints that a full disk, a bad disk or a stranger has spoilt."""

import itertools
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from run_tools import require_equal, status, train_job

import train
import validate
from dad.errors import UserError


def fill_disk(number: int) -> None:
    """Let torch run out of space in the middle of the `number`-th checkpoint and all later ones."""
    count, save = itertools.count(1), torch.save

    def save_half(content: Any, path: str) -> None:
        if next(count) < number:
            return save(content, path)
        Path(path).write_bytes(b"PK" + bytes(1000))
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 1024 vs 918")

    torch.save = save_half  # type: ignore[assignment]


def test_a_full_disk_gives_one_line_and_keeps_the_checkpoint_before(
    train_flags: list[str], whole_run: Path, tmp_path: Path
) -> None:
    job = train_job(train_flags, partial(fill_disk, 2)).wait()
    assert job.code == 3 and job.err.startswith("error: cannot write a checkpoint into") and job.err.count("\n") == 1, (
        job
    )
    assert {path.name for path in (tmp_path / "run").glob("*.tar")} == {
        "last.pth.tar", "checkpoint-0.pth.tar", "model_best.pth.tar"
    }  # fmt: skip
    told = status(tmp_path / "run")
    assert (told["state"], told["resumable"], told["exit_code"], told["epoch"]) == ("failed", True, 3, 1)
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole_run)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, empty, flip])
def test_a_damaged_checkpoint_is_named_and_skipped(
    damage: Callable[[Path], None], train_flags: list[str], whole_run: Path, tmp_path: Path,
    cut: Callable[..., int], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    flags = [*train_flags, "--objective", "ce"]
    assert cut(flags, 12) == 75
    newest = tmp_path / "run" / "recovery-1-3.pth.tar"
    damage(newest)
    assert train.main([*flags, "--resume", "auto"]) == 0
    assert f"skipped: checkpoint {newest}: damaged" in caplog.text
    require_equal(tmp_path / "run", whole_run)


class Payload:
    """Makes a file when it is unpickled without care."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("flag", ["--resume", "--initial-checkpoint", "--pretrained-path", "--teacher", "--checkpoint"])
def test_a_checkpoint_with_code_is_refused_and_not_run(
    flag: str, train_flags: list[str], world: Path, tmp_path: Path
) -> None:
    bad = str(tmp_path / "bad.pth.tar")
    torch.save({"state_dict": {}, "epoch": 0, "args": Payload(tmp_path / "owned"), "arch": "test_vit2"}, bad)
    scores = ["--checkpoint", bad, "--data-dir", str(world / "data"), "--class-map", str(world / "classes.txt")]
    main, flags = {
        "--teacher": (train.main, [*train_flags, "--objective", "kd", "--teacher", f"test_vit2@{bad}"]),
        "--checkpoint": (validate.main, [*scores, "--device", "cpu", "--results-file", str(tmp_path / "r.json")]),
        "--pretrained-path": (train.main, [*train_flags, "--objective", "ce", "--pretrained", flag, bad]),
    }.get(flag, (train.main, [*train_flags, "--objective", "ce", flag, bad]))
    with pytest.raises(UserError, match=r"bad\.pth\.tar"):
        main(flags)
    assert not (tmp_path / "owned").exists()
