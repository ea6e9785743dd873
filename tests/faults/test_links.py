"""Symbolic links in an output folder: nothing is written through them."""

from pathlib import Path

import pytest

import generate
import train
import validate
from dad.errors import DataError
from dad.report.__main__ import main as report

PRECIOUS = b"somebody else's"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that belongs to somebody else."""
    path = tmp_path / "precious"
    path.write_bytes(PRECIOUS)
    return path


@pytest.mark.parametrize("name", ["summary.csv", "nonfinite.tsv", "tb"])
def test_train_refuses_a_link_where_it_would_write_in_place(
    name: str, train_flags: list[str], tmp_path: Path, precious: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(precious)
    with pytest.raises(DataError, match=f"run/{name} is a symbolic link to .*precious, .*remove it"):
        train.main([*train_flags, "--objective", "ce"])
    assert precious.read_bytes() == PRECIOUS


NAMES = ("args.yaml", "status.json", "last.pth.tar", "tmp.pth.tar", "checkpoint-0.pth.tar", "model_best.pth.tar",
         "checkpoint-0.pth.tar.tmp", "recovery_tmp.pth.tar", "recovery-0-1.pth.tar", "train-batch-0.jpg")  # fmt: skip


def test_train_replaces_links_where_it_writes_whole_files(
    train_flags: list[str], tmp_path: Path, precious: Path
) -> None:
    (tmp_path / "run").mkdir()
    for name in NAMES:
        (tmp_path / "run" / name).symlink_to(precious)
    words = ["--objective", "ce", "--epochs", "1", "--overwrite", "--recovery-interval", "1", "--save-images"]
    assert train.main([*train_flags, *words]) == 0
    assert precious.read_bytes() == PRECIOUS
    assert not (tmp_path / "run" / "last.pth.tar").is_symlink()


def test_generate_refuses_a_link_in_the_place_of_its_log_and_replaces_all_others(
    generate_flags: list[str], tmp_path: Path, precious: Path
) -> None:
    (tmp_path / "dad" / "logs").mkdir(parents=True)
    for name in ("args.yaml", "gallery.html", "preview.png", "unreadable.tsv", "rejected.tsv", "manifest.json"):
        (tmp_path / "dad" / name).symlink_to(precious)
    log = tmp_path / "dad" / "logs" / "all.log"
    log.symlink_to(precious)
    with pytest.raises(DataError, match=r"logs/all\.log is a symbolic link to .*precious"):
        generate.main(generate_flags)
    log.unlink()
    assert generate.main(generate_flags) == 0
    assert precious.read_bytes() == PRECIOUS


def test_validate_and_the_report_replace_a_link(
    train_flags: list[str], world: Path, tmp_path: Path, precious: Path
) -> None:
    assert train.main([*train_flags, "--objective", "ce", "--epochs", "1"]) == 0
    for name in ("results.csv", "page.html"):
        (tmp_path / name).symlink_to(precious)
    results = tmp_path / "results.json"
    words = ["--checkpoint", tmp_path / "run" / "last.pth.tar", "--data-dir", world / "data", "--results-file", results]
    words += ["--device", "cpu", "--class-map", world / "classes.txt"]
    assert validate.main([str(word) for word in words]) == 0
    report([str(results), "--out", str(tmp_path / "page.html")])
    assert precious.read_bytes() == PRECIOUS and not (tmp_path / "page.html").is_symlink()
