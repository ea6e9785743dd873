"""Fault 42: without a network nothing is asked for that lies on this machine."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from fault_tools import run
from PIL import Image
from safetensors.torch import save_file

import generate
import train
import validate
from dad.doctor.__main__ import main as doctor
from dad.fetch.__main__ import main as fetch
from dad.images.classes import imagenet_folders

CALLED_OUT = 77  # the exit code of a script that tried to


def cut_the_network() -> None:
    """End the process as soon as it looks a name up or connects to anything but this machine."""

    def refuse(*words: Any, **options: Any) -> Any:
        os.write(2, f"called out: {words}".encode())
        os._exit(CALLED_OUT)

    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            refuse(address)
        connect(self, address)

    socket.getaddrinfo = refuse
    socket.create_connection = refuse
    socket.socket.connect = connect_here  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]


def look_up(words: list[str]) -> int:
    """A script that asks for a name."""
    socket.getaddrinfo("example.org", 80)
    return 0


def test_a_call_would_be_noticed() -> None:
    assert run([], cut_the_network, main=look_up).code == CALLED_OUT


@pytest.fixture
def checkpoint(train_flags: list[str], tmp_path: Path) -> Path:
    """A checkpoint of one epoch."""
    assert train.main([*train_flags, "--objective", "ce", "--epochs", "1"]) == 0
    return tmp_path / "run" / "last.pth.tar"


def test_no_script_leaves_the_machine_where_all_its_paths_are_local(
    generate_flags: list[str], train_flags: list[str], world: Path, checkpoint: Path, tmp_path: Path
) -> None:
    scores = ["--checkpoint", checkpoint, "--data-dir", world / "data", "--class-map", world / "classes.txt"]
    dad = ["--objective", "dad", "--dad-dir", tmp_path / "dad", "--experiment", "offline", "--epochs", "1"]
    start = ["--initial-checkpoint", checkpoint]
    scripts: list[tuple[Callable[[list[str]], int | None], list[Any]]] = [
        (generate.main, generate_flags),
        (train.main, [*train_flags, *dad, *start]),
        (validate.main, [*scores, "--device", "cpu", "--results-file", tmp_path / "results.json"]),
    ]
    for main, words in scripts:
        done = run([str(word) for word in words], cut_the_network, main=main)
        assert done.code == 0, done.err


OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="session")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root of ImageNet's 1,000 classes, with one image of each in both splits."""
    root, rng = tmp_path_factory.mktemp("imagenet"), np.random.default_rng(0)
    for split in ("train", "val"):
        for wordnet_id in imagenet_folders():
            (root / split / wordnet_id).mkdir(parents=True)
            pixels = rng.integers(0, 255, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / split / wordnet_id / f"{wordnet_id}_0.JPEG")
    return root


@pytest.mark.parametrize(
    ("main", "words", "line"),
    [
        (validate.main, ["--teacher", "clip/ViT-B-32-quickgelu/openai"], "clip/ViT-B-32-quickgelu/openai@FILE"),
        (validate.main, ["--model", "resnet18.a1_in1k", "--pretrained"], "give the file: --checkpoint FILE"),
        (validate.main, ["--model", "legacy_seresnet18.in1k", "--pretrained"], "HF_HUB_OFFLINE says that there is no"),
        (validate.main, ["--model", "hf-hub:timm/resnet18.a1_in1k", "--pretrained"], "resnet18.a1_in1k"),
        (doctor, ["--script", "validate", "--teacher", "resnet18.a1_in1k"], ""),
        (fetch, ["--script", "validate", "--teacher", "resnet18.a1_in1k", "--to", "there"], "run this on a node that"),
    ],
)
def test_what_is_not_here_is_told_without_asking_anybody(
    main: Callable[[list[str]], int | None], words: list[str], line: str, imagenet: Path
) -> None:
    flags = ["--data-dir", str(imagenet), "--device", "cpu", *words]
    done = run(flags, cut_the_network, main=main, environment=OFFLINE)
    assert done.code == (4 if main is doctor else 3), done.err
    assert line in done.err and done.err.count("\n") == (0 if main is doctor else 1)


@pytest.fixture
def cluster_flags(world: Path, imagenet: Path, tmp_path: Path) -> dict[str, list[str]]:
    """Flags of each script on a node without a network: every weight is a file."""
    start = tmp_path / "start.safetensors"
    save_file(timm.create_model("test_vit2", img_size=32).state_dict(), start)
    pairs = {
        "--data-dir": imagenet, "--teacher": f"clip/local-dir:{world / 'clip'}", "--teacher-cache": tmp_path / "heads",
        "--templates": world / "templates.txt", "--device": "cpu", "--workers": 1, "--batch-size": 100,
    }  # fmt: skip
    own = {
        "generate": ["--dad-dir", tmp_path / "dad", "--vqgan-config", world / "vqgan" / "config.json",
                     "--vqgan-checkpoint", world / "vqgan" / "model.safetensors", "--attack", "none", "--keep", "all",
                     "--preview", 0, "--gallery", 0, "--shard-size", 250],
        "train": ["--dad-dir", tmp_path / "dad", "--objective", "dad", "--model", "test_vit2", "--model-kwargs",
                  "img_size=32", "--img-size", 32, "--pretrained-path", start, "--epochs", 1, "--warmup-epochs", 0,
                  "--output", tmp_path, "--experiment", "run"],
        "validate": ["--checkpoint", tmp_path / "run" / "last.pth.tar", "--variants", "imagenet", "--results-file",
                     tmp_path / "results.json"],
    }  # fmt: skip
    common = [str(word) for pair in pairs.items() for word in pair]
    return {script: [*common, *map(str, words)] for script, words in own.items()}


@pytest.mark.slow
def test_a_cluster_walk_from_weights_in_files_to_scores(cluster_flags: dict[str, list[str]], tmp_path: Path) -> None:
    for script, main in (("generate", generate.main), ("train", train.main), ("validate", validate.main)):
        flags = cluster_flags[script]
        asked = [*flags, "--script", script]
        listed = run([*asked, "--list"], cut_the_network, main=fetch, environment=OFFLINE)
        assert listed.code == 0 and "not here" not in listed.out, listed.err
        looked = run(asked, cut_the_network, main=doctor, environment=OFFLINE)
        assert looked.code == 0 and "network        not needed" in looked.out, looked.out
        done = run(flags, cut_the_network, main=main, environment=OFFLINE)
        assert done.code == 0, done.err
    teacher, student = json.loads((tmp_path / "results.json").read_text())
    for row in (teacher, student):
        assert row["variants"]["imagenet"]["count"] == len(imagenet_folders())
