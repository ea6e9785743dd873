"""Faults 3 to 5: a full disk, no inodes, no quota."""

import errno
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from fault_tools import beat_fast_without_quota, fail_at_sync, finished_files, run

import train
from dad.export.__main__ import main as export

ONE_LINE = (
    r"error: cannot write \S+: [^;\n]+;( it needs [\d,]+ bytes, [\d,]+ are free there;)? .*rerun the same command.*\n"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk in memory with the options given, or mount it anew with others."""
    root = tmp_path / "disk"
    root.mkdir()

    def mount(options: str) -> Path:
        remount = "remount," if os.path.ismount(root) else ""
        command = ["mount", "-t", "tmpfs", "-o", remount + options, "tmpfs", str(root)]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount a small disk")
        return root

    yield mount
    if os.path.ismount(root):
        subprocess.run(["umount", str(root)], check=True)


@pytest.mark.parametrize(
    "options",
    [
        "size=4k",
        "size=100k",
        "size=180k",
        "size=9m,nr_inodes=4",
        "size=9m,nr_inodes=7",
        "size=9m,nr_inodes=8",
        "size=9m,nr_inodes=12",
    ],
)
def test_a_full_disk_stops_with_one_line_and_the_rest_is_made_after_freeing(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, disk: Callable[[str], Path], options: str
) -> None:
    command = [*quick_flags, "--dad-dir", str(disk(options) / "dad")]
    done = run(command)
    left = finished_files(tmp_path / "disk" / "dad", temporary=True)
    assert done.code == 3 and re.fullmatch(ONE_LINE, done.err), done.err
    assert left.items() < whole.items(), "a torn file"
    disk("size=20m,nr_inodes=1000")
    assert run(command).code == 0 and finished_files(tmp_path / "disk" / "dad") == whole


def test_a_disk_too_small_for_the_gallery_stops_with_one_line(
    generate_flags: list[str], disk: Callable[[str], Path]
) -> None:
    done = run([*generate_flags, "--dad-dir", str(disk("size=24k") / "dad")])
    assert done.code == 3 and re.fullmatch(ONE_LINE, done.err), done.err


def test_a_disk_too_small_for_the_teachers_head_stops_with_one_line(
    quick_flags: list[str], disk: Callable[[str], Path]
) -> None:
    full = disk("size=4k")
    (full / "filler").write_bytes(bytes(4096))
    done = run([*quick_flags, "--teacher-cache", str(full / "heads")])
    assert done.code == 3 and done.err.startswith("error: ") and done.err.count("\n") == 1, done.err


@pytest.mark.parametrize("number", [1, 9, 15, 20, 25])
def test_a_used_up_quota_stops_with_one_line(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, number: int
) -> None:
    done = run(quick_flags, partial(fail_at_sync, number, errno.EDQUOT))
    assert done.code == 3 and re.fullmatch(ONE_LINE, done.err) and os.strerror(errno.EDQUOT) in done.err, done.err
    assert not list((tmp_path / "dad").rglob("*.tmp")) and not list((tmp_path / "dad").rglob("locks/*"))
    assert run(quick_flags).code == 0 and finished_files(tmp_path / "dad") == whole


def test_the_lock_that_cannot_be_renewed_adds_no_second_message(quick_flags: list[str]) -> None:
    done = run(quick_flags, partial(beat_fast_without_quota, 12))
    assert done.code == 3 and re.fullmatch(ONE_LINE, done.err), done.err


def test_a_log_file_that_cannot_grow_floods_nobody_with_tracebacks(quick_flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "dad" / "logs").mkdir(parents=True)
    (tmp_path / "dad" / "logs" / "all.log").symlink_to("/dev/full")
    done = run(quick_flags)
    assert done.code in (0, 3) and "Traceback" not in done.err, done.err


@pytest.mark.parametrize("size", [8, 300, 1200])
def test_training_on_a_disk_that_is_really_full_stops_with_one_line_and_goes_on_after_freeing(
    train_flags: list[str], disk: Callable[[str], Path], size: int
) -> None:
    root = disk(f"size={size}k")
    flags = [*train_flags, "--objective", "ce", "--output", str(root), "--resume", "auto"]
    done = run(flags, main=train.main)
    assert done.code == 3 and done.err.startswith("error: cannot write") and done.err.count("\n") == 1, done.err
    assert not list(root.glob("run/*tmp*")), "a torn file"
    disk("size=90m")
    assert run(flags, main=train.main).code == 0


@pytest.mark.parametrize("size", [8, 400])
def test_a_disk_too_small_for_an_export_stops_with_one_line_and_holds_nothing_of_it(
    train_flags: list[str], tmp_path: Path, disk: Callable[[str], Path], size: int
) -> None:
    assert train.main([*train_flags, "--objective", "ce", "--epochs", "1"]) == 0
    root = disk(f"size={size}k")
    words = [str(tmp_path / "run" / "last.pth.tar"), "--to", str(root / "out"), "--format", "timm"]
    done = run(words, main=export)
    assert done.code == 3 and re.fullmatch(ONE_LINE, done.err), done.err
    assert not list(root.iterdir())
    disk("size=20m")
    assert run(words, main=export).code == 0 and (root / "out" / "model.safetensors").is_file()
