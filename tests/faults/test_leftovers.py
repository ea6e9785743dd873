"""Whoever begins sweeps up what killed runs were writing, and takes nothing from those that live."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import dad.files
import dad.shards.__main__
import dad.soft_targets.__main__
import generate
from dad.shards.lock import ShardLock


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files of `tmp_path/dad` and `tmp_path/soft` in the order in which they are written; each time, just before
    the file gets its name, another run begins there and ends."""
    swept: list[str] = []
    write = dad.files._write_temporary

    def write_and_sweep(path: Path, content: bytes) -> Path:
        temporary = write(path, content)
        if path.parent in (tmp_path / "dad", tmp_path / "soft"):
            swept.append(path.name)
            with ShardLock(path.parent, range(0)):
                pass
        return temporary

    monkeypatch.setattr(dad.files, "_write_temporary", write_and_sweep)
    yield swept
    assert not [*tmp_path.glob("*/.*.tmp")]


def test_a_set_is_begun_extended_and_mended_while_others_begin(
    quick_flags: list[str], data: Path, tmp_path: Path, sweeps: list[str]
) -> None:
    flags, root = [*quick_flags, "--data-dir", str(data)], tmp_path / "dad"
    assert generate.main(flags) == 0
    assert {"settings.json", "listing.gz", "environment.json", "args.yaml", "manifest.json"} <= set(sweeps)
    sweeps.clear()
    shutil.copy(data / "train" / "fox" / "fox_00.png", data / "train" / "fox" / "zz.png")
    assert generate.main([*flags, "--extend"]) == 0
    assert {"listing.1.gz", "settings.json", "manifest.json"} <= set(sweeps)
    sweeps.clear()
    assert not dad.shards.__main__.main(["stats", str(root), "--json", str(root / "stats.json")])
    assert sweeps == ["stats.json"]
    sweeps.clear()
    (root / "settings.json").write_text("{}")
    assert dad.shards.__main__.main(["repair", str(root), "--yes"]) == 0 and "settings.json" in sweeps


def test_answers_are_begun_and_mended_while_others_begin(
    quick_flags: list[str], train_flags: list[str], tmp_path: Path, sweeps: list[str]
) -> None:
    assert generate.main(quick_flags) == 0
    root = tmp_path / "soft"
    flags = [*train_flags, "--dad-dir", str(tmp_path / "dad"), "--aug-seeding", "sample", "--epochs", "1"]
    sweeps.clear()
    assert dad.soft_targets.__main__.main(["build", *flags, "--soft-targets", str(root)]) == 0
    assert {"settings.json", "teacher.json", "classes.json", "args.yaml", "manifest.json"} <= set(sweeps)
    sweeps.clear()
    (root / "settings.json").write_text("{}")
    assert dad.soft_targets.__main__.main(["verify", str(root), "--take-back"]) == 3 and sweeps == ["settings.json"]
