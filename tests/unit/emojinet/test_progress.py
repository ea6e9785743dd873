"""A training that was stopped ends where one that was not ends, to the last bit."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dad.errors import SettingsError
from emojinet import progress as progress_module
from emojinet import train_clip, train_reference, train_vqgan
from emojinet.concepts import shared_concepts
from emojinet.fit import Batches, fit
from emojinet.progress import Draws, Progress

STEPS = 7


class StoppedError(Exception):
    """As a signal that ends the process."""


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep each step instead of one a minute."""
    monkeypatch.setattr(progress_module, "_EVERY", 0.0)


def train(file: Path | None, stop_at: int = -1, settings: str = "seed 0") -> tuple[dict[str, Tensor], float]:
    """Train a small network with batch norm and all kinds of draws; return its weights and the last loss."""
    torch.manual_seed(0)
    order, noise, rng = torch.Generator().manual_seed(1), torch.Generator().manual_seed(2), random.Random(3)
    inputs = torch.randn(10, 4, generator=torch.Generator().manual_seed(4))
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    batches = Batches(len(inputs), 4, order)

    def loss_of(step: int) -> Tensor:
        if step == stop_at:
            raise StoppedError
        varied = inputs[batches.draw()] + torch.randn(4, 4, generator=noise) + 0.1 * torch.randn(4, 4) + rng.random()
        loss: Tensor = model(varied).square().mean()
        return loss

    kept = None if file is None else Progress(file, settings)
    parts = {"model": model, "draws": Draws([order, noise], rng), "batches": batches}
    last = fit("small", model.parameters(), loss_of, STEPS, 0.1, kept, parts)
    return model.state_dict(), last


def require_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("stop_at", [0, 1, 4, STEPS - 1])
def test_a_stopped_training_ends_as_one_that_was_not(tmp_path: Path, stop_at: int) -> None:
    file = tmp_path / "small.training"
    with pytest.raises(StoppedError):
        train(file, stop_at)
    assert file.exists() is (stop_at > 0)
    weights, last = train(file)
    expected, expected_last = train(None)
    require_same(weights, expected)
    assert last == expected_last


def test_what_is_done_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StoppedError):
        train(tmp_path / "small.training", 4)
    capsys.readouterr()
    train(tmp_path / "small.training", stop_at=3)  # a step that is behind it
    assert "step 0/" not in capsys.readouterr().out


def test_another_trainings_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        train(tmp_path / "small.training", 4)
    with pytest.raises(SettingsError, match=r"is of a training with seed 0, asked for seed 1; delete it to begin anew"):
        train(tmp_path / "small.training", settings="seed 1")


def test_a_minute_is_lost_at_most_and_not_every_step_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "_EVERY", 60.0)
    now = [1000.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    progress = Progress(tmp_path / "one.training", "none")
    progress.begin({})
    progress.keep(1, [])
    assert not (tmp_path / "one.training").exists()
    now[0] += 60
    progress.keep(2, [0.5])
    assert Progress(tmp_path / "one.training", "none").begin({}) == (2, [0.5])
    progress.remove()
    assert Progress(tmp_path / "one.training", "none").begin({}) == (0, [])


def tiny_web(seed: int, *counts: int, size: int = 64) -> tuple[Tensor, Tensor]:
    images = torch.randint(256, (12, 3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    return images, torch.arange(12) % 3


def clip(progress: Progress | None) -> nn.Module:
    return train_clip.train_clip(0, 3, progress=progress)


def reference(progress: Progress | None) -> nn.Module:
    return train_reference.train_reference(0, 3, progress=progress)


def vqgan(progress: Progress | None) -> nn.Module:
    weights = Path(train_clip.__file__).parent / "weights" / "reference.safetensors"
    return train_vqgan.train_vqgan(0, 3, weights, progress=progress)


@pytest.mark.parametrize(("module", "make"), [(train_clip, clip), (train_reference, reference), (train_vqgan, vqgan)])
def test_every_shipped_network_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, make: Callable[[Progress | None], nn.Module]
) -> None:
    monkeypatch.setattr(train_clip, "render_web", tiny_web)
    monkeypatch.setattr(train_clip, "shared_concepts", lambda: shared_concepts()[:3])
    monkeypatch.setattr(train_vqgan, "render_web", lambda seed, per_style: tiny_web(seed, size=16))
    monkeypatch.setattr(train_vqgan, "CONFIG", replace(train_vqgan.CONFIG, codebook_size=64))
    monkeypatch.setattr(train_reference, "set_tensors", lambda name, seed: tiny_web(seed))
    for one, name, size in ((train_clip, "_BATCH_SIZE", 4), (train_vqgan, "_BATCH_SIZE", 4)):
        monkeypatch.setattr(one, name, size)
    monkeypatch.setattr(train_vqgan, "_RESTART_EVERY", 1)  # draws from torch's own generator
    expected = make(None).state_dict()

    keep = Progress.keep

    def keep_and_stop(self: Progress, done: int, losses: list[float]) -> None:
        keep(self, done, losses)
        raise StoppedError

    monkeypatch.setattr(Progress, "keep", keep_and_stop)
    with pytest.raises(StoppedError):
        make(Progress(tmp_path / "one.training", "none"))
    monkeypatch.setattr(Progress, "keep", keep)
    require_same(make(Progress(tmp_path / "one.training", "none")).state_dict(), expected)
