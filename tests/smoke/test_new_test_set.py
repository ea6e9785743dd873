"""What CONTRIBUTING.md says of a new test set: one row in the table, and a file of its classes beside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image
from timm import create_model

ROOT = Path(__file__).parents[2]
ROW = """
VARIANTS += (
    Variant("imagenet-mine", "Mine", ("imagenet-mine",), "nobody", 4, 3, subset="mine_classes.txt"),
)
"""


def copy_project(place: Path) -> dict[Path, bytes]:
    """Copy the library and validate.py; return what is in it."""
    shutil.copytree(ROOT / "dad", place / "dad", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "validate.py", place)
    return contents(place)


def contents(place: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def add_test_set(place: Path) -> None:
    table = place / "dad" / "variants" / "table.py"
    table.write_text(table.read_text() + ROW)
    (table.parent / "mine_classes.txt").write_text("a\nc\ne\n")


def write_world(place: Path) -> list[str]:
    """Write the new set, and a model that always says b, then a; return flags that score it."""
    for name, count in {"a": 2, "c": 1, "e": 1}.items():
        (place / "imagenet-mine" / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (64, 64)).save(place / "imagenet-mine" / name / f"{number}.png")
    (place / "classes.txt").write_text("a\nb\nc\nd\ne\nf\n")
    model = create_model("test_resnet", num_classes=6)
    torch.nn.init.zeros_(model.fc.weight)
    model.fc.bias.data = torch.tensor([1.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    torch.save({"state_dict": model.state_dict(), "arch": "test_resnet"}, place / "last.pth.tar")
    flags = f"--data-dir {place} --class-map {place}/classes.txt --checkpoint {place}/last.pth.tar"
    return f"{flags} --device cpu --workers 0 --img-size 64 --results-file {place}/r.json".split()


def test_a_new_test_set_touches_the_table_and_its_class_file_alone(tmp_path: Path) -> None:
    project, flags = tmp_path / "project", write_world(tmp_path / "data")
    before = copy_project(project)
    add_test_set(project)
    after = contents(project)
    touched = {path.name for path in after if after[path] != before.get(path)}
    assert touched == {"table.py", "mine_classes.txt"} and set(before) < set(after)

    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    command = [sys.executable, "validate.py", *flags, "--variants", "imagenet-mine"]
    run = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=240)
    assert run.returncode == 0, run.stderr
    scores = json.loads((tmp_path / "data" / "r.json").read_text())["variants"]["imagenet-mine"]
    assert scores["per_class"] == {"a": [2, 2], "c": [0, 1], "e": [0, 1]}  # among all six, b would win everywhere
    assert scores["top1"] == 50.0
    assert "Mine" in run.stdout
