"""What every discretiser offers; and that a new one is a file and nothing else: it generates, hydrates and trains."""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dad.discretizers
import generate
from dad.adversary import create_adversary
from dad.discretizers import create_discretizer, discretize
from dad.errors import UsageError
from dad.plugins import list_plugins, load_plugin
from dad.shards import DadSet, decode_codes, decode_image
from dad.shards.__main__ import main as shards

POSTERIZE = """
import torch
from torch import nn

FIT_FOR_TRAINING = True


class Posterize(nn.Module):
    has_codes, downscale, settings = True, 1, {"discretizer": "posterize", "levels": 8}

    def encode(self, pixels):
        return (pixels.mean(dim=1) * 7).round().long()

    def decode(self, codes):
        return (codes / 7)[:, None].expand(-1, 3, -1, -1)

    def forward(self, pixels, generators):
        return self.decode(self.encode(pixels))


def create_discretizer(args, device):
    return Posterize().to(device)
"""


class Plain:
    """Q without codes: it adds a draw to each image."""

    has_codes, downscale, settings = False, 1, {"discretizer": "plain"}

    def __call__(self, pixels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        draws = [torch.rand((), generator=generator) for generator in generators]
        return (pixels + torch.stack(draws).view(-1, 1, 1, 1)).to(torch.bfloat16)


class Coded(Plain):
    """Q whose codes are the pixels in eighths."""

    has_codes = True

    def encode(self, pixels: Tensor) -> Tensor:
        return (pixels[:, 0] * 8).round().long()

    def decode(self, codes: Tensor) -> Tensor:
        return (codes / 8)[:, None].repeat(1, 3, 1, 1).to(torch.bfloat16)


def draws(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


@pytest.fixture
def posterize(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a new discretiser, in a folder that counts as dad/discretizers."""
    folder = tmp_path / "new"
    folder.mkdir()
    monkeypatch.setattr(dad.discretizers, "__path__", [*dad.discretizers.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, "dad.discretizers.posterize", raising=False)
    (folder / "posterize.py").write_text(POSTERIZE)
    return folder / "posterize.py"


@pytest.mark.parametrize("name", list_plugins("discretizers"))
def test_every_file_says_whether_it_is_fit_for_training(name: str) -> None:
    module = load_plugin("discretizers", name)
    assert isinstance(module.FIT_FOR_TRAINING, bool) and callable(module.create_discretizer)


def test_without_codes_q_is_called_with_a_generator_an_image() -> None:
    pixels = torch.rand(3, 3, 4, 4)
    made, codes = discretize(Plain(), pixels, draws(3))
    assert codes is None and made.dtype == torch.float32
    assert torch.equal(made, Plain()(pixels, draws(3)).float())


def test_with_codes_q_is_what_they_stand_for() -> None:
    pixels = torch.rand(3, 3, 4, 4)
    made, codes = discretize(Coded(), pixels, [])
    assert torch.equal(codes, Coded().encode(pixels)) and torch.equal(made, Coded().decode(codes).float())


@pytest.mark.parametrize("line", ["FIT_FOR_TRAINING = False", ""])
def test_what_is_not_fit_for_training_is_refused_before_it_is_built(
    posterize: Path, flags: Callable[..., Namespace], line: str
) -> None:
    text = POSTERIZE.replace("FIT_FOR_TRAINING = True", line).replace("return Posterize()", "raise SystemExit")
    posterize.write_text(text)
    message = "--discretizer posterize: too slow for every step .* train with one of identity, vqgan$"
    with pytest.raises(UsageError, match=message):
        create_discretizer(flags("--discretizer", "posterize"), torch.device("cpu"), for_training=True)


def test_a_new_file_generates_and_its_codes_are_hydrated(
    posterize: Path, generate_flags: list[str], tmp_path: Path
) -> None:
    both = [*generate_flags, "--discretizer", "posterize", "--image-format", "png"]
    generate.main(both)
    generate.main([*both, "--store", "codes", "--dad-dir", str(tmp_path / "codes")])
    assert shards(["hydrate", str(tmp_path / "codes"), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    made, hydrated = DadSet.open(tmp_path / "dad"), DadSet.open(tmp_path / "out")
    assert hydrated.settings["discretizer"] == "posterize" and hydrated.keys == made.keys and len(made) == 36
    for index in range(len(made)):
        codes, image = decode_codes(hydrated.read(index, "npy")), decode_image(hydrated.read(index, "png"))
        assert codes.max() <= 7 and (image == (codes[..., None] / 7 * 255).round()).all()
        assert hydrated.read(index, "png") == made.read(index, "png")


def test_a_new_file_serves_training(posterize: Path, flags: Callable[..., Namespace], toy: Any) -> None:
    args = flags("--discretizer", "posterize", "--attack-eps", 1)
    adversary = create_adversary(args, toy(mean=0.5, std=0.5), torch.device("cpu"))
    made = adversary(torch.randn(6, 3, 4, 4), torch.arange(6) % 5) * 0.5 + 0.5
    torch.testing.assert_close(made, (made * 7).round() / 7)
    assert (made[:, 0] == made[:, 2]).all() and made.unique().numel() > 2
