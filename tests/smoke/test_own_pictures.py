"""From a folder of one's own to scores, a checkpoint for timm and an ONNX file, by README's own words."""

import json
import random
import re
import shlex
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

import generate
import train
import validate
from dad.shards import DadSet

ROOT = Path(__file__).parents[2]
Draw = Callable[[ImageDraw.ImageDraw, tuple[int, int, int, int], str], None]
SHAPES: dict[str, Draw] = {
    "disc": lambda draw, box, ink: draw.ellipse(box, fill=ink),
    "square": lambda draw, box, ink: draw.rectangle(box, fill=ink),
    "ring": lambda draw, box, ink: draw.ellipse(box, outline=ink, width=6),
    "cross": lambda draw, box, ink: draw.line(box, fill=ink, width=8),
}


def draw_shapes(folder: Path, count: int, paper: str, seed: int) -> None:
    """Draw `count` pictures of each shape somewhere on paper of a colour."""
    rng = random.Random(seed)
    for name, shape in SHAPES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = Image.new("RGB", (64, 64), paper)
            left, top, side = rng.randrange(4, 24), rng.randrange(4, 24), rng.randrange(24, 36)
            shape(ImageDraw.Draw(image), (left, top, left + side, top + side), rng.choice(["navy", "black", "maroon"]))
            image.save(folder / name / f"{number}.png")


def words_of_readme() -> list[list[str]]:
    """The commands of README's section, as words."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own pictures\n")[2].partition("\n## ")[0]
    return [shlex.split(command) for command in re.findall(r"^    python (.*)$", text, re.MULTILINE)]


def run(words: list[str]) -> None:
    """Run a command in this process."""
    mains = {"train.py": train.main, "generate.py": generate.main, "validate.py": validate.main}
    if words[0] == "-m":
        assert not import_module(f"{words[1]}.__main__").main(words[2:])
    else:
        assert not mains[words[0]](words[1:])


def scores_as_onnx(mine: Path, night: Path) -> dict[str, int]:
    """Export the DAD student of README's commands, score the file on the same images; return right images by set."""
    run(["-m", "dad.export", "output/own_dad/model_best.pth.tar", "--to", "output/own_onnx", "--format", "onnx"])
    sets = [
        "--data-dir",
        str(mine),
        "--variants",
        "imagenet",
        "--extra-set",
        f"night={night}",
        "--workers",
        "0",
        "--device",
        "cpu",
    ]
    run(["validate.py", *sets, "--onnx", "output/own_onnx/model.onnx", "--results-file", "output/onnx.json"])
    row = json.loads(Path("output/onnx.json").read_text())
    return {name: scores["correct"] for name, scores in row["variants"].items()}


@pytest.mark.slow
def test_readme_leads_from_a_folder_to_scores_to_timm_and_to_onnx_with_the_same_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mine, night = tmp_path / "mine", tmp_path / "night"
    for folder, count, paper in ((mine / "train", 12, "white"), (mine / "val", 3, "white"), (night, 3, "gray")):
        draw_shapes(folder, count, paper, seed=count)
    for name in ("hparams", "emojinet"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    places = {"/data/mine": str(mine), "night=/data/night": f"night={night}"}
    for words in words_of_readme():
        short = ["--epochs", "2", "--warmup-epochs", "1", "--workers", "0"] if words[0] == "train.py" else []
        run([places.get(word, word) for word in words] + short)
    assert "took --batch-size 8, --img-size 64, for 48 training images" in caplog.text
    assert "--img-size 64, for 48 training images and the DAD set in output/own_dad_set" in caplog.text
    assert DadSet.open(tmp_path / "output" / "own_dad_set").ledger.sources == 48
    rows = json.loads((tmp_path / "output" / "own.json").read_text())
    assert [set(row["variants"]) for row in rows] == [{"imagenet", "night"}] * 2
    assert all(row["variants"]["night"]["count"] == 12 for row in rows)
    assert (tmp_path / "output" / "own_timm" / "config.json").is_file()
    assert scores_as_onnx(mine, night) == {name: scores["correct"] for name, scores in rows[1]["variants"].items()}
