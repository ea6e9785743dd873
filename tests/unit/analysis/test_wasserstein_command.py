"""`python -m dad.analysis wasserstein` from flags to files."""

import json
import shutil
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image

from dad.analysis.__main__ import main
from dad.errors import DataError, UsageError


@pytest.fixture
def flags(world: Path, tmp_path: Path) -> list[str]:
    """A tiny ResNet's checkpoint, its scores, and two folders: the reference itself and one that is darker."""
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=6)
    torch.save({"arch": "test_resnet", "state_dict": model.state_dict()}, tmp_path / "tiny.pth.tar")
    for path in sorted((world / "data" / "val").glob("*/*.png")):
        Image.open(path).point(lambda level: level // 4).save(tmp_path / f"dark_{path.name}")
    rows = [
        {"name": name, "model": "resnet50", "variants": {"imagenet": {"top1": 80}, "imagenet-r": {"top1": top1}}}
        for name, top1 in (("plain", 40), ("dad", 60))
    ]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    folders = [f"imagenet={world / 'data' / 'val'}", f"imagenet-r={tmp_path}"]
    words = (
        f"--checkpoint {tmp_path / 'tiny.pth.tar'} --num-classes 6 -j 0 --device cpu -b 5 --output {tmp_path / 'out'}"
    )
    return ["wasserstein", "--reference", str(world / "data" / "val"), *words.split(), "--folders", *folders]


def read(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "out" / "wasserstein.json").read_text())


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_numbers_are_written_and_printed(flags: list[str], tmp_path: Path, mode: str, capsys) -> None:
    assert main([*flags, "--mode", mode]) == 0
    content, printed = read(tmp_path), capsys.readouterr().out
    itself, dark = (content["distances"][name] for name in ("imagenet", "imagenet-r"))
    assert itself["distance"] == 0 and dark["distance"] > 0.1 and dark["images"] == 12
    assert sum(dark["layers"].values()) / len(dark["layers"]) == pytest.approx(dark["distance"])
    assert content["settings"]["model"] == "test_resnet" and content["settings"]["mode"] == mode
    assert f"{dark['distance']:.4g}" in printed and not (tmp_path / "out" / "distance.svg").exists()


def test_sets_that_were_cropped_are_not_cropped_again(flags: list[str], tmp_path: Path, world: Path) -> None:
    for place in ("plain", "imagenet-c/fog/1", "stylized"):
        shutil.copytree(world / "data" / "val", tmp_path / place)
    sets = [f"{name}={tmp_path / place}" for name, place in (("plain", "plain"), ("fog", "imagenet-c/fog/1"))]
    main([*flags, *sets, f"imagenet-style={tmp_path / 'plain'}", f"x={tmp_path / 'stylized'}"])
    distances = {name: row["distance"] for name, row in read(tmp_path)["distances"].items()}
    assert distances["plain"] == 0 and distances["fog"] == distances["imagenet-style"] == distances["x"] > 0


def test_layers_and_sample_are_what_the_flags_say(flags: list[str], tmp_path: Path) -> None:
    main([*flags, "--layers", "stem", "--num-batches", "1", "--reduce", "mean", "--normalise", "source_std"])
    row = read(tmp_path)["distances"]["imagenet-r"]
    assert len(row["layers"]) == 1 and row["images"] == 5


def test_scores_make_the_two_plots(flags: list[str], tmp_path: Path, capsys) -> None:
    main([*flags, "--scores", str(tmp_path / "results.json")])
    content, out = read(tmp_path), tmp_path / "out"
    assert content["performance"]["dad"] == {"imagenet": 80, "imagenet-r": 60}
    assert content["relative"] == {
        "baseline": "plain",
        "performance": {"plain": {"imagenet": 0, "imagenet-r": 0}, "dad": {"imagenet": 0, "imagenet-r": 20}},
    }
    assert "Wasserstein distance from val (test_resnet, all batch norms)" in (out / "distance.svg").read_text()
    assert "difference to plain (points)" in (out / "relative.svg").read_text()


def test_one_model_has_nothing_to_be_compared_with(flags: list[str], tmp_path: Path) -> None:
    alone = json.loads((tmp_path / "results.json").read_text())[:1]
    (tmp_path / "results.json").write_text(json.dumps(alone))
    main([*flags, "--scores", str(tmp_path / "results.json")])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"wasserstein.json", "distance.svg"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--checkpoint", ""], "--pretrained, or --checkpoint"),
        (["--folders", "imagenet-r"], "expected NAME=DIR"),
        (["--folders", "r=a", "r=b"], "r is there twice"),
        (["--baseline", "plain"], "--scores, which is not given"),
        (["--num-batches", "0"], "at least 1"),
    ],
)
def test_flags_that_cannot_work_are_refused(flags: list[str], more: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        main([*flags, *more])


def test_a_missing_folder_is_found_before_anything_is_measured(flags: list[str], capsys) -> None:
    with pytest.raises(DataError, match="no such folder"):
        main([*flags, "--folders", "imagenet-r=/nowhere"])
    assert "images" not in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_found_before_anything_is_measured(
    flags: list[str], tmp_path: Path, capsys
) -> None:
    with pytest.raises(DataError, match=r"cannot write .*tiny\.pth\.tar.*; choose another --output"):
        main([*flags, "--output", str(tmp_path / "tiny.pth.tar" / "out")])
    assert "images" not in capsys.readouterr().out


def test_a_network_without_batch_norm_is_refused(flags: list[str], tmp_path: Path) -> None:
    model = timm.create_model("test_vit", num_classes=6)
    torch.save({"arch": "test_vit", "state_dict": model.state_dict()}, tmp_path / "tiny.pth.tar")
    with pytest.raises(UsageError, match="--model test_vit: it has no batch norm"):
        main(flags)
