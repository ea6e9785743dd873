"""Fault 39: the device's memory runs out."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from run_tools import status
from torch import Tensor

import generate
import train
from dad.errors import UserError
from dad.generation.generator import Generated, Generator
from dad.shards import DadSet
from dad.training.updater import Updater

_series = Generator.series


def fit(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """Let the device hold `most` images; return the sizes of the batches that fitted, as they come."""
    sizes: list[int] = []

    def series(
        self: Generator, pixels: Tensor, labels: Tensor, keys: Sequence[str], attacks: Sequence[Any], before: str
    ) -> list[Generated]:
        if len(keys) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(keys))
        return _series(self, pixels, labels, keys, attacks, before)

    monkeypatch.setattr(Generator, "series", series)
    return sizes


def fates(root: Path) -> tuple[dict[str, bytes], str]:
    """Codes by key, and the table of what was rejected."""
    dad_set = DadSet.open(root)
    codes = {key: dad_set.read(index, "npy") for index, key in enumerate(dad_set.keys)}
    return codes, (root / "rejected.tsv").read_text()


@pytest.mark.parametrize("flags", [[], ["--preview", "9", "--gallery", "9"]])
def test_smaller_batches_make_the_same_set(
    quick_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    flags: list[str],
) -> None:  # fmt: skip
    command = [*quick_flags, "--batch-size", "10", "--keep", "teacher-correct"]
    generate.main([*command, "--dad-dir", str(tmp_path / "whole")])
    sizes = fit(monkeypatch, 2)
    with caplog.at_level(logging.WARNING):
        assert generate.main([*command, *flags]) == 0
    assert fates(tmp_path / "dad") == fates(tmp_path / "whole") and max(sizes) == 2
    said = [line for line in caplog.messages if "out of device memory" in line]
    assert said == [f"out of device memory: going on with batches of {size}" for size in (5, 3, 2)]


def test_a_device_without_room_for_one_image_is_an_error(
    quick_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError):
        generate.main(quick_flags)
    assert not list((tmp_path / "dad" / "shards").glob("*")) and not list((tmp_path / "dad" / "locks").iterdir())


def test_training_says_how_to_go_on_with_the_same_global_batch(
    train_flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Updater, "backward", fail)
    with pytest.raises(UserError, match=r"--batch-size 6; .*--batch-size 3 --grad-accum-steps 4"):
        train.main([*train_flags, "--objective", "ce", "--grad-accum-steps", "2"])
    assert status(tmp_path / "run")["state"] == "failed"
