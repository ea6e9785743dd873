"""From a run to what ships, as a user goes: train, export, score each file, write the card; and what is refused."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import metadata_load
from timm.data import create_transform, resolve_data_config
from torchvision.datasets import ImageFolder

import generate
import train
import validate
from dad.errors import run_script
from dad.export.__main__ import main as export
from dad.models import onnx_file

RECIPE = (
    "--experiment run --model test_resnet --img-size 32 --crop-pct 0.9 --mean 0.4 --std 0.3 --batch-size 6 --epochs 12 "
    "--warmup-epochs 0 --opt adamw --lr 0.003 --objective dad --model-ema --model-ema-decay 0.9"
)


@dataclass(frozen=True)
class Walk:
    """Folders, the flags that name the world, and what was printed."""

    root: Path
    flags: list[str]
    printed: str

    @property
    def checkpoint(self) -> str:
        return str(self.root / "run" / "last.pth.tar")

    @property
    def out(self) -> Path:
        return self.root / "shipped"

    def scores(self, *words: object) -> list[dict[str, Any]]:
        """The results of validate.py on the validation images, by the flags."""
        file = self.root / "results.json"
        flags = ["--data-dir", str(self.root / "data"), "--device", "cpu", "--workers", "0", "--variants", "imagenet"]
        assert validate.main([*flags, "--results-file", str(file), *map(str, words)]) == 0
        content = json.loads(file.read_text())
        return content if isinstance(content, list) else [content]


@pytest.fixture(scope="module")
def walk(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """A student of the tiny world, trained by `dad`, and its export in every format."""
    root = tmp_path_factory.mktemp("walk")
    (root / "data").symlink_to(world / "data")
    pairs = {
        "--data-dir": root / "data", "--class-map": world / "classes.txt", "--templates": world / "templates.txt",
        "--teacher": f"clip/local-dir:{world / 'clip'}", "--teacher-cache": root / "heads", "--device": "cpu",
        "--workers": 0, "--dad-dir": root / "dad",
    }  # fmt: skip
    flags = [str(word) for pair in pairs.items() for word in pair]
    more = ["--vqgan-config", str(world / "vqgan" / "config.json"), "--keep", "all", "--batch-size", "9"]
    assert generate.main([*flags, *more, "--vqgan-checkpoint", str(world / "vqgan" / "model.safetensors")]) == 0
    assert train.main([*flags, "--output", str(root), *RECIPE.split()]) == 0
    walk = Walk(root, flags, "")
    formats = "--format timm onnx torchscript safetensors --int8 --num-images 4"
    words = [walk.checkpoint, "--to", str(walk.out), *formats.split(), "--calibration-images", str(root / "data/train")]
    export(words)
    return walk


@pytest.mark.slow
def test_every_file_scores_as_the_checkpoint(walk: Walk) -> None:
    """And so does the folder as plain timm loads it."""
    files = [walk.out / "model.onnx", walk.out / "model_int8.onnx"]
    walk.scores("--checkpoint", walk.checkpoint, "--use-ema", "--onnx", *files)
    rows = walk.scores("--model", f"local-dir:{walk.out}", "--pretrained")
    torch_, onnx, int8, folder = (row["variants"]["imagenet"] for row in rows)
    assert torch_["correct"] > 6  # of 12: it has learned something that could get lost
    for scores in (onnx, folder):
        assert scores["per_class"] == torch_["per_class"]
        assert scores["loss"] == pytest.approx(torch_["loss"], rel=1e-4)
    assert folder["loss"] == torch_["loss"] and abs(int8["loss"] - torch_["loss"]) < 0.1
    assert [row["settings"]["precision"] for row in rows] == ["float32", "float32", "int8", "float32"]

    export([walk.checkpoint, "--to", str(walk.out), "--card-only", "--results", str(walk.root / "results.json")])
    card = (walk.out / "README.md").read_text()
    assert f"{torch_['top1']:.1f}" in card and "model_int8.onnx" in card
    assert metadata_load(walk.out / "README.md")["model-index"][0]["results"][0]["dataset"]["type"] == "own-validation"
    command = [walk.checkpoint, "--to", str(walk.out), "--card-only"]
    assert run_script(lambda: export(command)) == 2  # it would lose the scores
    assert (walk.out / "README.md").read_text() == card


@pytest.mark.slow
def test_plain_timm_on_plain_folders_has_the_same_score(walk: Walk) -> None:
    """No line of this project between the folder of the export and the folder of images."""
    (row,) = walk.scores("--checkpoint", walk.checkpoint, "--use-ema")[:1]
    model = timm.create_model(f"local-dir:{walk.out}", pretrained=True).eval()
    transform = create_transform(**resolve_data_config({}, model=model))
    images, labels = zip(*ImageFolder(str(walk.root / "data" / "val"), transform), strict=True)
    with torch.no_grad():
        logits = model(torch.stack(images))
    scores = row["variants"]["imagenet"]
    assert int((logits.argmax(1) == torch.tensor(labels)).sum()) == scores["correct"]
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    assert loss.item() == pytest.approx(scores["loss"], rel=1e-5)


@pytest.mark.slow
def test_the_card_names_what_the_checkpoint_holds_not_what_its_flags_say(walk: Walk) -> None:
    manifest = json.loads((walk.root / "dad" / "manifest.json").read_text())
    card = (walk.out / "README.md").read_text()
    assert f"digest {manifest['digest'][:16]}" in card and "Objective: `dad`" in card
    assert manifest["settings"]["teacher_weights"] in card
    assert "calibrated on 36 images of train" in card and str(walk.root) not in card
    assert str(walk.root) not in (walk.out / "export.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("--to {out}", 2, "--to {out}: the folder is not empty (README.md, config.json, export.json, ...)"),
        ("--to {new} --format onnx --tolerance 1e-12", 3, "model.onnx does not answer as the checkpoint: "),
        ("--to {new} --format timm --images x", 2, "--images x: nothing is compared on images in --format timm"),
        ("--to {new} --int8", 2, "--int8 is of an ONNX file: add onnx to --format"),
        ("--to {new} --format onnx --int8", 2, "--int8 needs --calibration-images DIR"),
        ("--to {new} --calibration-images x", 2, "--calibration-images x: they are of --int8"),
        ("--to {new} --card-only", 3, "export.json: no such file"),
        ("--to {out} --card-only --format timm", 2, "--card-only writes the card alone"),
        ("--to {out} --card-only --no-use-ema", 3, "is an export of something else (weights: there ema, here state_"),
        ("--to {new} --push-to-hub me/model", 2, "--push-to-hub me/model needs --license NAME"),
        ("--to {new} --private", 2, "--private is of --push-to-hub"),
        ("--to {new} --num-images 0", 2, "--num-images 0: it must be at least 1"),
        ("--to {new} --results {out}/config.json", 3, "config.json: not a results file"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    walk: Walk, tmp_path: Path, words: str, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"out": walk.out, "new": tmp_path / "new"}
    before = sorted(path.name for path in walk.out.iterdir())
    assert run_script(lambda: export([walk.checkpoint, *shlex.split(words.format(**places))])) == code
    error = capsys.readouterr().err
    assert message.format(**places) in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir()) and sorted(path.name for path in walk.out.iterdir()) == before


def test_a_mistyped_flag_is_answered_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        export(["a.pth.tar", "--to", "out", "--fromat", "onnx"])
    assert "--fromat (did you mean '--format'?)" in capsys.readouterr().err


def test_what_is_not_installed_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    assert run_script(lambda: export(["a.pth.tar", "--to", str(tmp_path / "out"), "--format", "onnx"])) == 2
    needed = "--format onnx needs onnx and onnxscript and onnxruntime, not installed here"
    assert f"{needed}: pip install -r requirements-export.txt" in capsys.readouterr().err
