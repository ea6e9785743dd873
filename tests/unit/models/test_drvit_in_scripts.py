"""A Discrete ViT through the three scripts: trained, taken up, scored, asked as a teacher."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from small_models import load
from tiny_drvit import WORDS, save_vqgan
from torch import Tensor

import generate
import train
import validate
from dad.checkpoints import read_checkpoint
from dad.errors import DataError, UsageError
from dad.export.__main__ import main as export
from dad.models.frozen_vqgan import read_encoder
from dad.models.onnx_file import load_onnx
from dad.shards import DadSet

NAME = "drvit_small_patch16_224"
HOME = "patch_embed.vqgan."


@pytest.fixture
def vqgan(tmp_path: Path) -> str:
    return save_vqgan(tmp_path)


@pytest.fixture
def run(train_flags: list[str], vqgan: str, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Train by labels; return what the last checkpoint holds. Words given replace those of before."""

    def run_training(*words: Any) -> dict[str, Any]:
        kwargs = ["--model-kwargs", f"vqgan={vqgan}", *WORDS]
        flags = ["--objective", "ce", "--model", NAME, *kwargs, "--epochs", 1, "--model-ema", *words]
        assert train.main([*train_flags, *map(str, flags)]) == 0
        return read_checkpoint(str(tmp_path / "run" / "last.pth.tar"))

    return run_training


def encoder_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(HOME): value for key, value in state.items() if key.startswith(HOME)}


def test_training_leaves_the_encoder_as_it_is(run: Callable[..., dict[str, Any]], vqgan: str) -> None:
    content = run("--weight-decay", 0.5, "--model-ema-decay", 0.5)
    last, average = content["state_dict"], content["state_dict_ema"]
    own = read_encoder(vqgan)
    for state in (last, average):
        assert encoder_of(state).keys() == own.keys()
        assert all(torch.equal(value, own[key]) for key, value in encoder_of(state).items())
    assert last[f"{HOME}quant_conv.weight"].data_ptr() == average[f"{HOME}quant_conv.weight"].data_ptr()  # written once
    trained = [key for key in last if not key.startswith(HOME)]
    assert not any(torch.equal(last[key], average[key]) for key in trained if last[key].std() > 0)


def test_it_is_taken_up_with_its_own_vqgan_alone(
    run: Callable[..., dict[str, Any]], vqgan: str, tmp_path: Path
) -> None:
    run()
    moved = Path(vqgan).rename(tmp_path / "moved.safetensors")  # a file's contents count, not its place
    kwargs = ["--model-kwargs", f"vqgan={moved}", *WORDS]
    assert run("--resume", "auto", "--epochs", 2, *kwargs)["epoch"] == 1
    kwargs[1] = f"vqgan={save_vqgan(tmp_path, seed=1)}"
    with pytest.raises(DataError, match=r"--resume .*last\.pth\.tar: .* of another VQGAN.*--model-kwargs vqgan="):
        run("--resume", "auto", "--epochs", 3, *kwargs)
    with pytest.raises(UsageError, match=r"--model-kwargs vqgan=FILE \(also with --resume\)"):
        run("--resume", "auto", "--epochs", 3, "--model-kwargs", "depth=1")


def test_its_checkpoint_is_all_that_scores_and_teachers_need(
    run: Callable[..., dict[str, Any]], train_flags: list[str], vqgan: str, tmp_path: Path, world: Path
) -> None:
    run()
    Path(vqgan).unlink()
    checkpoint = tmp_path / "run" / "last.pth.tar"
    assert load(checkpoint).patch_embed.vqgan.digest
    data = ["--data-dir", str(world / "data"), "--class-map", str(world / "classes.txt"), "--device", "cpu"]
    results = ["--results-file", str(tmp_path / "results.json"), "--workers", "0"]
    assert validate.main([*data, *results, "--checkpoint", str(checkpoint), "--variants", "imagenet"]) == 0
    teacher = ["--teacher", f"{NAME}@{checkpoint}", "--img-size", "32"]
    dad_set = [
        *data,
        *teacher,
        "--discretizer",
        "identity",
        "--dad-dir",
        str(tmp_path / "dad"),
        "--keep",
        "all",
        "--store",
        "image",
    ]
    assert generate.main([*dad_set, "--workers", "0", "--preview", "0", "--gallery", "0"]) == 0
    assert DadSet.open(tmp_path / "dad").settings["teacher"] == NAME
    kd = ["--objective", "dad", *teacher, "--dad-dir", str(tmp_path / "dad"), "--experiment", "student"]
    assert train.main([*train_flags, *kd, "--epochs", "1"]) == 0


def test_an_attack_goes_through_its_pixels(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    run()
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    model = load(tmp_path / "run" / "last.pth.tar")
    model(images).square().sum().backward()
    assert images.grad is not None and (images.grad != 0).any()
    assert all(parameter.grad is None for parameter in model.patch_embed.vqgan.parameters())


@pytest.mark.slow
def test_it_ships(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A folder, once this project has told timm of the architecture, and a graph that needs neither."""
    run()
    export([str(tmp_path / "run" / "last.pth.tar"), "--to", str(tmp_path / "out"), "--format", "timm", "onnx"])
    assert (
        "import dad.models.drvit  # tells timm of drvit_small_patch16_224" in (tmp_path / "out/README.md").read_text()
    )
    model = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    network, _ = load_onnx(str(tmp_path / "out" / "model.onnx"), "--onnx", torch.device("cpu"))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(images), model(images), rtol=1e-4, atol=1e-4)
