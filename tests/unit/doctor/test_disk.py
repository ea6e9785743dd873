"""Space and inodes against what will be written; made-up file systems."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from dad.doctor import disk as module
from dad.doctor.disk import Need, Space, human, judge_space, judge_writable, nearest
from dad.doctor.findings import Level

CHECKPOINTS = Need("13 checkpoints of", Path("/runs"), 5 * 10**9, 63, "--checkpoint-hist 2")
DAD_SET = Need("DAD set", Path("/data/dad"), 50 * 10**9, 2600)


def system(free: float, inodes: int | None = 10**6):
    return lambda folder: Space(Path("/"), 1, int(free), inodes)


@pytest.mark.parametrize(
    ("space", "level", "subject", "said"),
    [
        (
            system(1e12),
            Level.OK,
            "disk",
            "/: 1.00 TB free, about 55.0 GB will be written (13 checkpoints of 5.0 GB, DAD",
        ),
        (system(1e12, None), Level.OK, "disk", "DAD set 50.0 GB)"),
        (system(58e9), Level.WARN, "disk", "which is nearly all; free more, or write elsewhere"),
        (system(40e9), Level.FAIL, "disk", "free 15.0 GB, or write elsewhere, or --checkpoint-hist 2"),
        (system(1e12, 2000), Level.FAIL, "inodes", "/: 2,000 files may still be made, about 2,663 will be"),
    ],
)
def test_all_that_goes_to_one_file_system_has_to_fit(space, level: Level, subject: str, said: str) -> None:
    (finding,) = judge_space([CHECKPOINTS, DAD_SET], space)
    assert (finding.level, finding.subject) == (level, subject) and said in finding.sentence


def test_file_systems_are_judged_alone() -> None:
    def space(folder: Path) -> Space:
        return Space(folder, len(str(folder)), 6 * 10**9, None)

    assert [finding.level for finding in judge_space([CHECKPOINTS, DAD_SET], space)] == [Level.OK, Level.FAIL]


def test_a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above(tmp_path: Path) -> None:
    assert nearest(tmp_path / "a" / "b") == tmp_path
    space, status = Space.of(tmp_path / "a" / "b"), os.statvfs(tmp_path)
    assert space.place == tmp_path and space.system == tmp_path.stat().st_dev
    assert space.free == pytest.approx(status.f_bavail * status.f_frsize, rel=0.2)


def test_a_file_system_without_a_number_of_inodes_has_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = SimpleNamespace(f_bavail=2, f_frsize=512, f_files=0, f_favail=0)
    monkeypatch.setattr(module.os, "statvfs", lambda _: status)
    assert Space.of(tmp_path) == Space(tmp_path, tmp_path.stat().st_dev, 1024, None)


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    assert judge_writable([tmp_path / "a", tmp_path / "b"]) == []
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.EDQUOT, errno.EROFS])
def test_what_the_disk_refuses_now_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fsync(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(module.os, "fsync", fsync)
    (finding,) = judge_writable([tmp_path / "a", tmp_path / "b"])
    assert finding.level == Level.FAIL and os.strerror(code) in finding.said and str(tmp_path) in finding.said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "said"), [(999, "999 bytes"), (1500, "1.5 kB"), (38e9, "38.0 GB"), (2e12, "2.00 TB")])
def test_sizes_are_read_at_a_glance(size: float, said: str) -> None:
    assert human(size) == said
