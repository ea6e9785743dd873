"""A tiny world: pictures of six classes, a CLIP and a VQGAN with random weights, small enough to make anew for a test
run."""

import json
import os
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from dad.discretizers.vqgan import Vqgan, VqganConfig

os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
DEVICE = os.environ.get("DAD_TEST_DEVICE", "cpu")  # cuda: the scripts run on a card, where there is one

CLASSES = ("apple", "bear", "car", "dog", "eel", "fox")
CLIP_CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]},
}
VQGAN_CONFIG = VqganConfig(32, 4, 4, (1, 1), ch=32, num_res_blocks=1, resolution=32)


def write_images(folder: Path, count: int, seed: int) -> None:
    """Write `count` noisy 32 px pictures of one colour, so that a class can be learned in a few steps."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    colour = np.random.default_rng(hash_of(folder.name)).integers(0, 255, 3)
    for number in range(count):
        noisy = np.clip(colour + rng.normal(0, 40, (32, 32, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{folder.name}_{number:02d}.png")


def hash_of(text: str) -> int:
    """A number that stays the same from run to run, unlike `hash`."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(text))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/{train,val}, classes.txt, templates.txt, clip/ and vqgan/."""
    root = tmp_path_factory.mktemp("world")
    for split, count in (("train", 6), ("val", 2)):
        for label, name in enumerate(CLASSES):
            write_images(root / "data" / split / name, count, seed=label)
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    (root / "templates.txt").write_text("a {}.\na picture of a {}.\n")
    (root / "clip").mkdir()
    (root / "clip" / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    torch.manual_seed(0)
    clip = open_clip.create_model(f"local-dir:{root / 'clip'}", load_weights=False)
    save_file(clip.state_dict(), root / "clip" / "open_clip_model.safetensors")
    (root / "vqgan").mkdir()
    (root / "vqgan" / "config.json").write_text(json.dumps(asdict(VQGAN_CONFIG)))
    save_file(Vqgan(VQGAN_CONFIG).state_dict(), root / "vqgan" / "model.safetensors")
    return root


@pytest.fixture
def teacher_flags(world: Path, tmp_path: Path) -> list[str]:
    """Flags that name the tiny world's data, classes and teacher."""
    pairs = {
        "--data-dir": world / "data",
        "--class-map": world / "classes.txt",
        "--templates": world / "templates.txt",
        "--teacher": f"clip/local-dir:{world / 'clip'}",
        "--teacher-cache": tmp_path / "heads",
        "--device": DEVICE,
        "--workers": 0,
    }
    return [str(word) for pair in pairs.items() for word in pair]


@pytest.fixture
def generate_flags(world: Path, teacher_flags: list[str], tmp_path: Path) -> list[str]:
    """Flags of a complete generate.py command that writes to `tmp_path/dad`."""
    pairs = {
        "--dad-dir": tmp_path / "dad",
        "--vqgan-config": world / "vqgan" / "config.json",
        "--vqgan-checkpoint": world / "vqgan" / "model.safetensors",
        "--attack-eps": 1.0,
        "--attack-step-size": 1.0,
        "--keep": "all",
        "--shard-size": 10,
        "--batch-size": 4,
        "--preview": 2,
    }
    return teacher_flags + [str(word) for pair in pairs.items() for word in pair]


@pytest.fixture
def train_flags(teacher_flags: list[str], tmp_path: Path) -> list[str]:
    """Flags of a complete train.py command, but for the objective, that writes to `tmp_path/run`."""
    pairs = {
        "--output": tmp_path,
        "--experiment": "run",
        "--model": "test_vit2",
        "--model-kwargs": "img_size=32",
        "--img-size": 32,
        "--batch-size": 6,
        "--epochs": 2,
        "--warmup-epochs": 0,
        "--opt": "adamw",
        "--lr": 1e-3,
    }
    return teacher_flags + [str(word) for pair in pairs.items() for word in pair]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write bytes of file names that are no text in escapes: reports with them end a run of several processes."""
    report = yield
    report.sections = [(title, _printable(text)) for title, text in report.sections]
    if report.longrepr is not None and _printable(str(report.longrepr)) != str(report.longrepr):
        report.longrepr = _printable(str(report.longrepr))
    return report


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
