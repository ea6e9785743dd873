"""The newest checkpoint is found by what it says; files are whole, and replaced in one step."""

import os
from pathlib import Path

import pytest
from toy_run import ToyRun

from dad.errors import DataError
from dad.training.checkpoint_saver import LAST, SafeSaver, find_newest, progress_of, set_aside


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.tar*")}


def test_the_newest_is_the_one_that_has_come_farthest(stopped: ToyRun) -> None:
    assert find_newest(stopped.folder) == stopped.folder / LAST
    stopped.experiment.save(3, stopped.run_state.collect(1))
    os.utime(stopped.folder / "recovery-3-1.pth.tar", (0, 0))  # clocks lie
    assert find_newest(stopped.folder) == stopped.folder / "recovery-3-1.pth.tar"


def test_a_damaged_one_is_named_and_skipped(stopped: ToyRun, caplog: pytest.LogCaptureFixture) -> None:
    (stopped.folder / LAST).unlink()  # else the link to it is damaged too
    os.truncate(stopped.folder / "checkpoint-2.pth.tar", 999)
    assert find_newest(stopped.folder) == stopped.folder / "checkpoint-1.pth.tar"
    assert "skipped: checkpoint" in caplog.text and "checkpoint-2.pth.tar" in caplog.text
    assert find_newest(stopped.folder / "nowhere") is None


def test_progress_is_told_in_epochs_and_batches() -> None:
    assert progress_of({"epoch": 4}) == (5, 0)
    assert progress_of({"epoch": 4, "dad": {"batch": None}}) == (5, 0)
    assert progress_of({"epoch": 4, "dad": {"batch": 7}}) == (4, 7)


def test_what_went_farther_is_set_aside(stopped: ToyRun) -> None:
    set_aside(stopped.folder, (2, 0))
    assert {f"{LAST}.old", "checkpoint-2.pth.tar.old", "checkpoint-1.pth.tar"} <= names(stopped.folder)
    assert find_newest(stopped.folder) == stopped.folder / "checkpoint-1.pth.tar"


def test_recovery_files_go_when_an_epoch_has_ended(stopped: ToyRun) -> None:
    stopped.experiment.save(3, stopped.run_state.collect(1))
    assert "recovery-3-1.pth.tar" in names(stopped.folder)
    stopped.epoch(3, 10.0)
    assert not any(name.startswith("recovery") for name in names(stopped.folder))


def test_a_file_that_is_replaced_is_never_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlinking before renaming would leave a moment without either; a link stands for a copy where it can."""
    saver = object.__new__(SafeSaver)
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: pytest.fail(f"{self} was removed"))
    monkeypatch.setattr(os, "unlink", lambda path: pytest.fail(f"{path} was removed"))
    monkeypatch.setattr(os, "remove", lambda path: pytest.fail(f"{path} was removed"))
    saver._replace(str(tmp_path / "new"), str(tmp_path / "old"))
    assert (tmp_path / "old").read_text() == "new" and not (tmp_path / "new").exists()


def test_a_copy_is_made_where_links_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: str, target: str) -> None:
        raise OSError("no links here")

    saver = object.__new__(SafeSaver)
    (tmp_path / "last").write_text("content")
    monkeypatch.setattr(os, "link", no_links)
    saver._duplicate(str(tmp_path / "last"), str(tmp_path / "best"))
    assert (tmp_path / "best").read_text() == "content" and {path.name for path in tmp_path.iterdir()} == {
        "last",
        "best",
    }


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_leaves_nothing(
    stopped: ToyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(content: object, path: str) -> None:
        Path(path).write_bytes(b"PK")
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 2")

    before = names(stopped.folder)
    monkeypatch.setattr("torch.save", full)
    with pytest.raises(DataError, match=r"cannot write a checkpoint into .*--resume auto"):
        stopped.epoch(3, 1.0)
    assert names(stopped.folder) == before
