"""A folder of recipes with a launcher that makes what the scripts would make, in no time."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dad.images.sources import SourceImage
from dad.tables.recipes import Wishes

# It writes down its words; trains, makes a DAD set, or scores; and ends with 7 where a file `fail` names the recipe.
LAUNCHER = """#!/usr/bin/env bash
echo "${DAD_SCRIPT:-train.py} $*" >> calls
while [ $# -gt 0 ]; do
    case $1 in
        --config) config=$2 ;; --output) output=$2 ;; --experiment) name=$2 ;;
        --dad-dir) set=$2 ;; --checkpoint) weights=$2 ;;
    esac
    shift
done
if [ -e fail ] && grep -q "$(cat fail)" <<< "$config"; then exit 7; fi
if [ -e queue ]; then exit 0; fi
case ${DAD_SCRIPT:-train.py} in
    train.py)
        mkdir -p "$output/$name"
        echo '{"state": "done", "epoch": 2, "epochs": 2}' > "$output/$name/status.json"
        echo '{}' > "$output/$name/args.yaml"
        echo "$name" > "$output/$name/last.pth.tar" ;;
    generate.py) cp -r prepared "$set" ;;
    validate.py)
        digest=$(sha256sum "$weights" | cut -c1-16)
        echo '{"model": "m", "weights": "state_dict", "checkpoint": "'"$weights"'", "checkpoint_hash": "'"$digest"'",
            "variants": {"imagenet": {"top1": 1.0}}, "attacks": []}' > "$(dirname "$weights")/results.json" ;;
esac
"""
RECIPES = {
    "vitb_kd": ('Table 3, row "KD"', "", "objective: kd\nteacher: resnet18\n"),
    "vitb_kd_scratch": ('Table 3, row "KD"', "", "objective: kd\nteacher: resnet18\nepochs: 300\n"),
    "vitb_dad": ('Table 3, row "DAD"', " --dad-dir /data/imagenet-dad", "objective: dad\nteacher: resnet18\n"),
    "vitb_ard": (
        'Table 3, row "ARD"', " --dad-dir /data/imagenet-dad",
        "objective: ard\nteacher: vit_base_patch16_224@output/train/vitb_kd/last.pth.tar\n",
    ),
}  # fmt: skip


def write_recipe(folder: Path, name: str, title: str, flags: str, body: str, script: str = "") -> None:
    """Write a recipe whose command is the launcher's."""
    command = f"{script}./launch --config {folder.name}/{name}.yaml --data-dir /data/imagenet{flags}"
    (folder / f"{name}.yaml").write_text(
        f"# {title}: a student.\n#     {command}\n# Cost: about 2.5 EFLOP by estimate.\n{body}"
    )


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_dad_set: Callable[..., Any]) -> Path:
    """The current folder: recipes for three rows of Table 3, images, and a DAD set in the making."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    for name, (title, flags, body) in RECIPES.items():
        write_recipe(tmp_path / "recipes", name, title, flags, f"{body}model: vit_base_patch16_224\n")
    write_recipe(tmp_path / "recipes", "generate_clip", "Table 3", " --dad-dir /data/imagenet-dad",
                 "teacher: resnet18\n", "DAD_SCRIPT=generate.py ")  # fmt: skip
    (tmp_path / "launch").write_text(LAUNCHER)
    (tmp_path / "launch").chmod(0o755)
    (tmp_path / "images").mkdir()
    make_dad_set([SourceImage("a/0", Path("a/0.png"), 0)], {0: 51})
    shutil.move(tmp_path / "dad", tmp_path / "prepared")
    return tmp_path


@pytest.fixture
def wishes(clone: Path) -> Wishes:
    return Wishes(Path("recipes"), "images")


@pytest.fixture
def calls(clone: Path) -> Callable[[], list[str]]:
    """What the launcher was called for: the script, and the recipe or the checkpoint's."""

    def of_launcher() -> list[str]:
        if not (clone / "calls").exists():
            return []
        lines = [line.split() for line in (clone / "calls").read_text().splitlines()]
        return [f"{words[0].removesuffix('.py')} {Path(words[2]).stem}" if words[1] == "--config" else
                f"{words[0].removesuffix('.py')} {Path(words[words.index('--checkpoint') + 1]).parent.name}"
                for words in lines]  # fmt: skip

    return of_launcher


@pytest.fixture
def write_run() -> Callable[..., None]:
    """Write what a training leaves behind."""

    def write(folder: Path, status: dict[str, Any], settings: str = "{}", weights: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "status.json").write_text(json.dumps(status))
        (folder / "args.yaml").write_text(settings)
        if weights:
            (folder / "last.pth.tar").write_bytes(b"weights")

    return write
