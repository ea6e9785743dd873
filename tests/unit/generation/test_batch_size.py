"""The batch that fits: found by trying, once for a set."""

from pathlib import Path

import pytest
import torch
import yaml
from test_generator import make_generator

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.generation.batch_size import largest_batch, peak_bytes, resolve_batch_size
from dad.generation.fitting import FittingGenerator


class Memory:
    """A device on which a batch takes `fixed` bytes and `each` more an image, and which has no more than `all`."""

    def __init__(self, fixed: int, each: int, all: int):
        self.fixed, self.each, self.all, self.tried = fixed, each, all, []

    def peak_of(self, images: int) -> int:
        self.tried.append(images)
        if self.fixed + self.each * images > self.all:
            raise torch.OutOfMemoryError
        return self.fixed + self.each * images


@pytest.mark.parametrize(
    ("fixed", "each", "limit", "size"),
    [(0, 1, 64, 64), (0, 1, 63, 32), (10, 3, 60, 16), (0, 0, 1, 256), (0, 1, 10_000, 256), (99, 1, 1, 1)],
)
def test_it_is_the_largest_power_of_two_within_the_limit(fixed: int, each: int, limit: int, size: int) -> None:
    memory = Memory(fixed, each, 1 << 20)
    assert largest_batch(memory.peak_of, limit) == size
    assert max(memory.tried) <= max(2, size)  # what cannot fit is not tried


def test_a_device_that_runs_out_sooner_than_it_said_ends_the_search() -> None:
    assert largest_batch(Memory(0, 1, 20).peak_of, limit=1000) == 16
    with pytest.raises(torch.OutOfMemoryError):
        largest_batch(Memory(0, 30, 20).peak_of, limit=1000)


def resolve(root: Path, *words: str) -> tuple[int, FittingGenerator]:
    args, text = parse_args(create_generate_parser(), ["--dad-dir", str(root), *words])
    generator = FittingGenerator(make_generator(), 1)
    args, text = resolve_batch_size(args, text, generator, 8)
    assert yaml.safe_load(text)["batch_size"] == args.batch_size
    return args.batch_size, generator


def test_without_a_card_it_is_a_number_that_suits_cpus_and_the_generator_hears_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dad")
    size, generator = resolve(tmp_path, "--batch-size", "auto")
    assert size == 8 and generator._batches.size == 8 and "took --batch-size 8: the number for a cpu" in caplog.text
    assert resolve(tmp_path, "--batch-size", "5")[0] == 5


def test_a_set_that_is_there_keeps_its_batches(tmp_path: Path) -> None:
    (tmp_path / "args.yaml").write_text("batch_size: 24\n")
    assert resolve(tmp_path, "--batch-size", "auto")[0] == 24


def test_a_peak_is_that_of_a_batch_that_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, passes, peak = make_generator(), list[int](), 0

    def make(pixels: torch.Tensor, *_: object) -> None:
        nonlocal peak
        passes.append(len(pixels))
        peak = max(peak, 100 if len(passes) > 1 else 1000)  # the first time, while algorithms are looked for

    def forget(device: torch.device) -> None:
        nonlocal peak
        peak = 0

    monkeypatch.setattr(type(generator), "__call__", lambda self, *batch: make(*batch))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", forget)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: peak)
    assert peak_bytes(generator, 4, 8) == 100 and passes == [4, 4]
