"""A real event file has the tags that README promises, over updates, and the flags once."""

import threading
from collections import defaultdict
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import generate
import train
from dad.training.events import Events

TRAIN = {"loss", "loss_ce", "loss_kd_clean", "loss_kd_dad", "lr", "grad_norm", "loss_scale"}
SCORES = {"loss", "top1", "top5"}


def steps_by_tag(folder: Path) -> dict[str, list[int]]:
    steps = defaultdict(list)
    for path in sorted(folder.glob("tb/*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                steps[value.tag].append(event.step)
    return steps


def test_a_run_writes_every_tag_over_updates(train_flags: list[str], generate_flags: list[str], tmp_path: Path) -> None:
    assert generate.main(generate_flags) == 0
    words = "--objective dad --amp --model-ema --model-ema-decay 0.5 --grad-accum-steps 2 --log-interval 2"
    flags = [*train_flags, *words.split(), "--dad-dir", str(tmp_path / "dad")]
    assert train.main(flags) == 0
    steps = steps_by_tag(tmp_path / "run")
    expected = {f"train/{name}": [1, 3, 4, 6] for name in TRAIN} | {"perf/img_per_s": [1, 3, 4, 6]}
    expected |= {f"{group}/{name}": [3, 6] for group in ("eval", "eval_ema") for name in SCORES}
    assert {tag: at for tag, at in steps.items() if "hparams" not in tag} == expected | {"perf/data_s": [1, 3, 4, 6]}


def test_without_scaler_and_average_there_is_nothing_of_them(train_flags: list[str], tmp_path: Path) -> None:
    assert train.main([*train_flags, "--objective", "ce"]) == 0
    tags = set(steps_by_tag(tmp_path / "run"))
    assert "train/loss_scale" not in tags and not any(tag.startswith("eval_ema") for tag in tags)


def test_earlier_files_stay_earlier_when_the_clock_is_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = "tensorboard.summary.writer.event_file_writer.time.time"
    for now, updates in ((2_000_000_000.0, 0), (2_000_000_500.0, 2), (1_900_000_000.0, 4)):
        with monkeypatch.context() as patched:
            patched.setattr(clock, lambda now=now: now)
            events = Events(tmp_path, updates)
            for update in (1, 2, 3):
                events.write({"eval/top1": 10.0 * updates + update}, updates + update)
            events.close(0)
    found = EventAccumulator(str(tmp_path / "tb")).Reload().Scalars("eval/top1")
    assert [(event.step, event.value) for event in found] == [
        (1, 1), (2, 2), (3, 21), (4, 22), (5, 41), (6, 42), (7, 43)
    ]  # fmt: skip


def test_flags_are_written_once_however_often_a_run_is_taken_up(train_flags: list[str], tmp_path: Path) -> None:
    assert train.main([*train_flags, "--objective", "ce"]) == 0
    first = ["--resume", str(tmp_path / "run" / "checkpoint-0.pth.tar")]
    assert train.main([*train_flags, "--objective", "ce", *first]) == 0
    assert len(steps_by_tag(tmp_path / "run")["_hparams_/session_start_info"]) == 1


def test_only_the_traceback_of_tensorboards_own_thread_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    events = Events(tmp_path, 0)
    raised = threading.ExceptHookArgs((OSError, OSError("full"), None, threading.Thread()))
    threading.excepthook(raised)
    assert "OSError: full" in capsys.readouterr().err
    writer = events.writer._get_file_writer().event_writer._async_writer._worker
    threading.excepthook(threading.ExceptHookArgs((OSError, OSError("full"), None, writer)))
    assert capsys.readouterr().err == ""
    events.close(0)
