"""The newest checkpoint is found by what it says; files are whole, and replaced in one step."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_run import ToyRun

from dad.checkpoints import read_checkpoint
from dad.errors import DataError
from dad.training.checkpoint_saver import BEST, LAST, SafeSaver, find_newest, progress_of, set_aside


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


def best_epoch(run: ToyRun) -> int:
    epoch: int = read_checkpoint(str(run.folder / BEST))["epoch"]
    return epoch


def die_after_renaming_last(run: ToyRun, monkeypatch: pytest.MonkeyPatch, top1: float) -> None:
    def die(*paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SafeSaver, "_duplicate", die)
        with pytest.raises(KeyboardInterrupt):
            run.epoch(3, top1)


@pytest.mark.parametrize("top1, best", [(90.0, 3), (70.0, 1)])
def test_what_a_kill_kept_the_saver_from_is_done_on_resume(
    top1: float, best: int, stopped: ToyRun, start: Callable[..., ToyRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    die_after_renaming_last(stopped, monkeypatch, top1)
    assert best_epoch(stopped) == 1 and "checkpoint-3.pth.tar" not in names(stopped.folder)
    again = start()
    again.run_state.resume(str(stopped.folder / LAST))
    assert best_epoch(again) == best == again.run_state.best[1] and "checkpoint-3.pth.tar" in names(again.folder)


def test_a_place_that_was_not_earned_is_not_given_on_resume(start: Callable[..., ToyRun]) -> None:
    run = start("--checkpoint-hist", 2)
    run.experiment.start()
    for number, top1 in enumerate((50.0, 60.0, 70.0, 40.0)):
        run.epoch(number, top1)
    start("--checkpoint-hist", 2).run_state.resume(str(run.folder / LAST))
    numbered = {name for name in names(run.folder) if name.startswith("checkpoint")}
    assert numbered == {"checkpoint-1.pth.tar", "checkpoint-2.pth.tar"}


def test_a_best_file_of_another_epoch_is_made_anew(stopped: ToyRun, start: Callable[..., ToyRun]) -> None:
    content = (stopped.folder / LAST).read_bytes()
    (stopped.folder / BEST).unlink()
    (stopped.folder / BEST).write_bytes(content)
    start().run_state.resume(str(stopped.folder / LAST))
    assert best_epoch(stopped) == 1


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
