"""Fault 31: a finished set that was damaged, as train.py sees it, and its repair."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_tools import Done, finished_files, run

import dad.shards.__main__
import generate
import train


def lose_tar(root: Path) -> None:
    (root / "shards" / "00001.tar").unlink()


def cut_tar(root: Path) -> None:
    os.truncate(root / "shards" / "00001.tar", 1000)


def flip_byte(root: Path) -> None:
    tar = root / "shards" / "00001.tar"
    content = bytearray(tar.read_bytes())
    content[content.index(b"\xff\xd8\xff") + 300] ^= 1  # within a JPEG
    tar.write_bytes(content)


def damage_marker(root: Path) -> None:
    marker = root / "shards" / "00001.json"
    marker.write_bytes(marker.read_bytes().replace(b'"sha256":"', b'"sha256":"0', 1))


def cut_marker(root: Path) -> None:
    os.truncate(root / "shards" / "00001.json", 100)


def lose_marker(root: Path) -> None:
    (root / "shards" / "00001.json").unlink()


def cut_manifest(root: Path) -> None:
    os.truncate(root / "manifest.json", 100)


DAMAGES = [lose_tar, cut_tar, damage_marker, cut_marker, lose_marker]


@pytest.fixture
def training(train_flags: list[str], tmp_path: Path) -> list[str]:
    """Flags of a train.py command that reads the set."""
    return [*train_flags, "--objective", "dad", "--dad-dir", str(tmp_path / "dad"), "--epochs", "1"]


def refused(done: Done, pattern: str) -> bool:
    """Whether a script stopped with one line on stderr that fits."""
    return done.code == 3 and bool(re.fullmatch(f"error: [^\n]*{pattern}[^\n]*\n", done.err))


@pytest.mark.parametrize("damage", DAMAGES)
def test_training_names_the_damaged_file_and_the_cure_which_restores_every_byte(
    quick_flags: list[str], whole: dict[str, bytes], training: list[str], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    root = tmp_path / "dad"
    generate.main(quick_flags)
    damage(root)
    done = run(training, main=train.main)
    assert refused(done, rf"shards/00001\.tar.*python -m dad.shards repair {re.escape(str(root))}"), done.err
    assert dad.shards.__main__.main(["repair", str(root), "--mark-only"]) == 0
    assert generate.main(quick_flags) == 0 and finished_files(root) == whole


@pytest.mark.parametrize("missing", ["substitute", "skip"])
@pytest.mark.parametrize("workers", ["0", "1"])
def test_an_image_damaged_since_is_left_out_with_a_warning_and_the_epoch_keeps_its_length(
    quick_flags: list[str], training: list[str], tmp_path: Path, workers: str, missing: str
) -> None:
    generate.main(quick_flags)
    flip_byte(tmp_path / "dad")
    done = run([*training, "--workers", workers, "--dad-missing", missing], main=train.main)
    assert done.code == 0 and "[   6/6 (100%)]" in done.out, done
    assert re.search(r"00001\.tar is damaged at sample '.*python -m dad.shards repair .*left out", done.out), done


def test_a_flipped_byte_is_repaired(quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    generate.main(quick_flags)
    flip_byte(tmp_path / "dad")
    assert dad.shards.__main__.main(["repair", str(tmp_path / "dad"), "--mark-only"]) == 0
    assert generate.main(quick_flags) == 0 and finished_files(tmp_path / "dad") == whole


def test_a_cut_manifest_is_named_and_written_again_by_the_same_command(
    quick_flags: list[str], whole: dict[str, bytes], training: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "dad"
    generate.main(quick_flags)
    cut_manifest(root)
    done = run(training, main=train.main)
    assert refused(done, r"manifest\.json: not readable as JSON"), done.err
    assert "delete" not in done.err or "repair" in done.err or "rerun" in done.err, "hours of work would be thrown away"
    assert generate.main(quick_flags) == 0 and finished_files(root) == whole


def test_repair_survives_a_cut_manifest(quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path) -> None:
    root = tmp_path / "dad"
    generate.main(quick_flags)
    cut_manifest(root)
    dad.shards.__main__.main(["repair", str(root), "--mark-only"])
    assert generate.main(quick_flags) == 0 and finished_files(root) == whole


@pytest.mark.slow
def test_repair_makes_several_damaged_shards_anew_by_itself(
    quick_flags: list[str], whole: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "dad"
    generate.main(quick_flags)
    flip_byte(root)
    (root / "shards" / "00000.tar").unlink()
    os.truncate(root / "shards" / "00003.json", 100)
    assert dad.shards.__main__.main(["verify", str(root)]) == 3
    assert dad.shards.__main__.main(["repair", str(root), "--yes"]) == 0
    said = capfd.readouterr().out
    assert said.count(": made anew by generate.py") == 3 and finished_files(root) == whole
    assert dad.shards.__main__.main(["verify", str(root)]) == 0
