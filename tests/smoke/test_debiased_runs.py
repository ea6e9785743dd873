"""train.py with debiased and a substitute for the published networks, told of wherever the run is described."""

import json
from pathlib import Path

import yaml

import train
import validate
from dad.checkpoints import file_digest
from dad.report.notes import notes_of


def test_a_substitute_is_named_in_settings_and_results(world: Path, train_flags: list[str], tmp_path: Path) -> None:
    weights = world / "vqgan" / "model.safetensors"
    q = ["--vqgan-config", world / "vqgan" / "config.json", "--vqgan-checkpoint", weights]
    flags = ["--objective", "debiased", *q, "--epochs", 1, "--mixup", 0.2, "--smoothing", 0]
    assert train.main([*train_flags, *map(str, flags)]) == 0
    run, told = tmp_path / "run", "style_transfer: latents of a VQGAN, a substitute for relu4_1 of VGG-19"
    text = (run / "args.yaml").read_text()
    assert f"# {told}\n" in text and f"# vqgan_weights: {file_digest(weights)}\n" in text
    assert yaml.safe_load(text)["style_weights"] is None
    results, data = tmp_path / "results.json", ["--data-dir", world / "data", "--class-map", world / "classes.txt"]
    words = [*data, "--device", "cpu", "--workers", 0, "--checkpoint", run / "last.pth.tar", "--results-file", results]
    assert validate.main([*map(str, words)]) == 0
    entry = json.loads(results.read_text())
    assert entry["trained_with"]["vqgan_weights"] == file_digest(weights)
    assert f"run, trained with {told}" in notes_of([entry])
