"""Faults 16, 18, 21 to 25: a run of train.py that is cut ends as one that was not: files compared, bit for bit."""

import itertools
import json
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fault_tools import Job, run, wait_for
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import generate
import train
from dad.errors import DataError, SettingsError
from dad.interrupts import Interrupts
from dad.models import read_checkpoint
from dad.saving import SafeSaver, find_newest

HARD = [
    "--model-ema", "--model-ema-decay", "0.5", "--mixup", "0.8", "--cutmix", "1", "--grad-accum-steps", "2",
    "--drop", "0.2", "--reprob", "0.5", "--recount", "2", "--aa", "rand-m5", "--clip-grad", "1",
    "--sched-on-updates",
]  # fmt: skip


def signal_at(update: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal just before it asks for the `update`-th time whether it has to stop."""
    count, requested = itertools.count(1), Interrupts.requested

    def ask(self: Interrupts) -> bool:
        if next(count) == update:
            os.kill(os.getpid(), number)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run train.py in this process until its n-th update, where it gets SIGTERM; return its exit code."""

    def run_cut(flags: list[str], update: int) -> int:
        with monkeypatch.context() as patched:
            patched.setattr(Interrupts, "requested", Interrupts.requested)
            signal_at(update)
            return train.main([*flags, "--resume", "auto"])

    return run_cut


def contents(folder: Path) -> dict[str, Any]:
    """All that two runs have to agree on."""
    checkpoint = read_checkpoint(str(folder / "last.pth.tar"))
    events = EventAccumulator(str(folder / "tb")).Reload()
    return {
        **{key: value for key, value in checkpoint.items() if key != "args"},
        "summary": (folder / "summary.csv").read_text(),
        "events": {
            tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
        },
    }


def differing(one: Any, other: Any, place: str = "") -> list[str]:
    """Where two nested contents are not the same, bit for bit."""
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [place]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [where for key in one for where in differing(one[key], other[key], f"{place}/{key}")]
    if isinstance(one, list | tuple) and len(one) == len(other):
        return [
            where for i, (a, b) in enumerate(zip(one, other, strict=True)) for where in differing(a, b, f"{place}/{i}")
        ]
    return [] if one == other else [place]


def require_equal(part: Path, whole: Path) -> None:
    assert differing(contents(part), contents(whole)) == []


def status(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return content


@pytest.fixture(autouse=True)
def event_files_sort_by_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard reads files by name: second, process, and a number that counts 9, 10 here, where runs share both."""
    numbers = SimpleNamespace(get=itertools.count(1000).__next__)
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer._global_uid", numbers)


CASES = [
    pytest.param("ce", [], (8,), id="plain"),
    pytest.param("ce", HARD, (2,), id="hard, in the first epoch"),
    pytest.param("ce", [*HARD, "--no-prefetcher"], (5,), id="without prefetcher"),
    pytest.param("ce", HARD, (4, 2, 1), id="at the end of an epoch, amid one, before validation"),
    pytest.param("ce", [*HARD, "--workers", "2"], (6,), id="workers"),
    pytest.param("dad", [*HARD, "--workers", "2"], (4,), id="dad with workers"),
]


@pytest.mark.parametrize("objective, more, updates", CASES)
def test_parts_of_a_run_equal_one_whole(
    objective: str, more: list[str], updates: tuple[int, ...], train_flags: list[str], generate_flags: list[str],
    cut: Callable[..., int], tmp_path: Path,
) -> None:  # fmt: skip
    flags = [*train_flags, "--objective", objective, "--dad-dir", str(tmp_path / "dad"), *more]
    assert objective == "ce" or generate.main(generate_flags) == 0
    assert train.main([*flags, "--experiment", "whole"]) == 0
    assert [cut(flags, update) for update in updates] == [75] * len(updates)
    assert status(tmp_path / "run")["state"] == "interrupted" and status(tmp_path / "run")["resumable"]
    assert train.main([*flags, "--resume", "auto"]) == 0
    require_equal(tmp_path / "run", tmp_path / "whole")
    assert status(tmp_path / "run") == status(tmp_path / "whole") | {"checkpoint": str(tmp_path / "run/last.pth.tar")}
    assert not list((tmp_path / "run").glob("recovery*"))


def train_job(flags: list[str], fault: Callable[[], None] | None = None) -> Job:
    return Job([*flags, "--objective", "ce", "--resume", "auto"], fault, main=train.main)


@pytest.fixture
def whole(train_flags: list[str], tmp_path: Path) -> Path:
    """The folder of a run that nothing has disturbed."""
    assert train.main([*train_flags, "--objective", "ce", "--experiment", "whole"]) == 0
    return tmp_path / "whole"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_leaves_a_run_that_goes_on_and_exit_code_75(
    number: int, train_flags: list[str], whole: Path, tmp_path: Path
) -> None:
    job = train_job(train_flags, partial(signal_at, 3, number)).wait()
    assert job.code == 75 and "interrupted in epoch 0 after 3 batches" in job.out, job
    told = status(tmp_path / "run")
    assert (told["state"], told["resumable"], told["exit_code"], told["updates"]) == ("interrupted", True, 75, 3)
    assert told["checkpoint"] == str(tmp_path / "run" / "recovery-0-3.pth.tar")
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole)


def signal_twice() -> None:
    """Get a second signal while the first one is still to be obeyed."""
    requested = Interrupts.requested

    def ask(self: Interrupts) -> bool:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        return requested(self)

    Interrupts.requested = ask  # type: ignore[method-assign]


def test_a_second_signal_ends_the_process_at_once(train_flags: list[str], tmp_path: Path) -> None:
    assert train_job(train_flags, signal_twice).wait().code == 128 + signal.SIGTERM
    assert status(tmp_path / "run")["state"] == "running" and not list((tmp_path / "run").glob("*.pth.tar"))


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
    number: int, after: bool, train_flags: list[str], whole: Path, tmp_path: Path
) -> None:
    flags = [*train_flags, "--recovery-interval", "2"]
    assert train_job(flags, partial(die_at_save, number, after)).wait().code == 9
    assert train_job(flags).wait().code == 0
    require_equal(tmp_path / "run", whole)


def test_a_run_that_is_killed_goes_on(train_flags: list[str], whole: Path, tmp_path: Path) -> None:
    job = train_job([*train_flags, "--recovery-interval", "1", "--workers", "0"])
    wait_for(tmp_path / "run" / "recovery-0-2.pth.tar")
    assert job.kill().code in (-signal.SIGKILL, 0)
    assert train_job(train_flags).wait().code == 0
    require_equal(tmp_path / "run", whole)


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
    train_flags: list[str], whole: Path, tmp_path: Path
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
    require_equal(tmp_path / "run", whole)


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
    damage: Callable[[Path], None], train_flags: list[str], whole: Path, tmp_path: Path,
    cut: Callable[..., int], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    flags = [*train_flags, "--objective", "ce"]
    assert cut(flags, 10) == 75
    newest = tmp_path / "run" / "recovery-1-3.pth.tar"
    damage(newest)
    assert train.main([*flags, "--resume", "auto"]) == 0
    assert f"skipped: checkpoint {newest}: damaged" in caplog.text
    require_equal(tmp_path / "run", whole)


def test_the_newest_checkpoint_is_found_by_what_it_says(train_flags: list[str], tmp_path: Path, cut: Any) -> None:
    assert cut([*train_flags, "--objective", "ce"], 10) == 75
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
    [folder] = tmp_path.glob("2*-test_vit2")
    assert train.main([*flags, "--resume", "auto"]) == 0 and list(tmp_path.glob("2*")) == [folder]
    assert status(folder)["state"] == "done"


class Payload:
    """Makes a file when it is unpickled without care."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_checkpoint_with_code_is_refused_and_not_run(train_flags: list[str], tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "epoch": 0, "args": Payload(tmp_path / "owned")}, tmp_path / "bad.pth.tar")
    with pytest.raises(DataError, match=r"bad\.pth\.tar: damaged, or not a checkpoint"):
        train.main([*train_flags, "--objective", "ce", "--resume", str(tmp_path / "bad.pth.tar")])
    assert not (tmp_path / "owned").exists()


def test_a_new_run_in_an_old_folder_sets_the_old_checkpoints_aside(train_flags: list[str], tmp_path: Path) -> None:
    assert train.main([*train_flags, "--objective", "ce"]) == 0
    job = train_job(train_flags, partial(signal_at, 1)).wait()  # the old run is done: --resume auto trains no more
    assert job.code == 0
    flags = [*train_flags, "--objective", "ce"]
    assert run(flags, partial(signal_at, 1), main=train.main).code == 75
    assert find_newest(tmp_path / "run") == tmp_path / "run" / "recovery-0-1.pth.tar"
    assert (tmp_path / "run" / "last.pth.tar.old").exists()
