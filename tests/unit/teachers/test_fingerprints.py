"""A teacher's settings: whatever can change a pixel, a code or a verdict is in them, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from tiny_clips import make_clip

from dad.args import create_generate_parser, create_train_parser
from dad.args.hparams import parse_args
from dad.images.classes import ClassList
from dad.teachers import create_teacher

FOUR = ClassList(tuple("abcd"), tuple("abcd"))


def settings(spec: object, cache: Path, *words: object) -> dict[str, str]:
    """Return the settings of a teacher for four classes."""
    flags = ["--teacher", spec, "--teacher-cache", cache / "heads", "--device", "cpu", *words]
    args, _ = parse_args(create_generate_parser(), [str(word) for word in flags])
    return create_teacher(args, FOUR, torch.device("cpu")).settings


def configure(part: str, **changes: Any) -> Callable[[Path], None]:
    """Return what changes a folder's configuration; `part` is the way to a mapping in it."""

    def change(folder: Path) -> None:
        place = folder / "open_clip_config.json"
        config = json.loads(place.read_text())
        inner = config
        for key in part.split("."):
            inner = inner[key]
        inner.update(changes)
        place.write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (configure("model_cfg", quick_gelu=True), {"teacher_activation", "teacher_network"}),
        (configure("preprocess_cfg", mean=[0.1, 0.1, 0.1]), {"teacher_mean"}),
        (configure("preprocess_cfg", std=[0.1, 0.1, 0.1]), {"teacher_std"}),
        (configure("preprocess_cfg", interpolation="bilinear"), {"teacher_interpolation"}),
        (configure("preprocess_cfg", resize_mode="squash"), {"teacher_crop_mode"}),
        (configure("model_cfg.text_cfg", tokenizer_kwargs={"clean": "canonicalize"}),
         {"teacher_tokenizer", "teacher_network"}),
        (configure("model_cfg.text_cfg", pool_type="last"), {"teacher_network"}),
        (configure("model_cfg.vision_cfg", pool_type="avg"), {"teacher_network"}),
    ],
)  # fmt: skip
def test_a_configuration_is_known_field_by_field(
    folder: Path, tmp_path: Path, change: Callable[[Path], None], fields: set[str]
) -> None:
    before = settings(f"clip/local-dir:{folder}", tmp_path)
    change(folder)
    after = settings(f"clip/local-dir:{folder}", tmp_path)
    assert {key for key in before if before[key] != after[key]} == fields


@pytest.mark.parametrize("part", ["model_cfg", "model_cfg.text_cfg"])
def test_a_repaired_configuration_has_another_head(folder: Path, tmp_path: Path, part: str) -> None:
    change = {"quick_gelu": True} if part == "model_cfg" else {"tokenizer_kwargs": {"clean": "canonicalize"}}
    settings(f"clip/local-dir:{folder}", tmp_path)
    configure(part, **change)(folder)
    settings(f"clip/local-dir:{folder}", tmp_path)
    assert len(list((tmp_path / "heads").iterdir())) == 2


def test_preprocessing_has_no_part_in_the_head(folder: Path, tmp_path: Path) -> None:
    settings(f"clip/local-dir:{folder}", tmp_path)
    configure("preprocess_cfg", mean=[0.1, 0.1, 0.1])(folder)
    settings(f"clip/local-dir:{folder}", tmp_path)
    assert len(list((tmp_path / "heads").iterdir())) == 1


@pytest.mark.parametrize("words", [("--logit-scale", 3), ("--templates", "TEMPLATES")])
def test_flags_are_known(folder: Path, tmp_path: Path, words: tuple[object, ...]) -> None:
    (tmp_path / "t.txt").write_text("one {}.\n")
    words = tuple(tmp_path / "t.txt" if word == "TEMPLATES" else word for word in words)
    assert settings(f"clip/local-dir:{folder}", tmp_path) != settings(f"clip/local-dir:{folder}", tmp_path, *words)


def test_a_folder_may_move_and_its_weights_may_change_their_format(folder: Path, tmp_path: Path) -> None:
    before = settings(f"clip/local-dir:{folder}", tmp_path)
    moved = folder.rename(tmp_path / "other name")
    torch.save(make_clip().state_dict(), moved / "unused.pth")
    assert settings(f"clip/local-dir:{moved}", tmp_path) == before


def test_a_file_is_known_by_its_weights_and_its_tag(tiny_clips: None, clip_file: Path, tmp_path: Path) -> None:
    before = settings(f"clip/Tiny/half@{clip_file}", tmp_path)
    save_file(make_clip().state_dict(), tmp_path / "renamed.safetensors")
    assert settings(f"clip/Tiny/half@{tmp_path / 'renamed.safetensors'}", tmp_path) == before
    other = settings(f"clip/Tiny/plain@{clip_file}", tmp_path)
    assert {"teacher", "teacher_mean", "teacher_std", "teacher_interpolation", "teacher_crop_mode"} == {
        key for key in before if before[key] != other[key]
    }
    torch.save(make_clip(seed=1).state_dict(), clip_file)
    other = settings(f"clip/Tiny/half@{clip_file}", tmp_path)
    assert {key for key in before if before[key] != other[key]} == {"teacher_weights"}


def save(path: Path, seed: int = 0, averaged: bool = False, **trained: object) -> Path:
    """Write a checkpoint of train.py's form."""
    torch.manual_seed(seed)
    weights = timm.create_model("test_vit2", num_classes=4).state_dict()
    words = [str(word) for flag, value in trained.items() for word in (f"--{flag.replace('_', '-')}", value)]
    args = parse_args(create_train_parser(), words)[0]
    key = "state_dict_ema" if averaged else "state_dict"
    torch.save({"arch": "test_vit2", key: weights, "args": args, "epoch": seed}, path)
    return path


@pytest.mark.parametrize(
    ("trained", "field"),
    [
        ({"seed": 1}, "teacher_weights"),
        ({"interpolation": "bilinear"}, "teacher_interpolation"),
        ({"img_size": 96}, "teacher_input_size"),
        ({"gp": "avg"}, "teacher_network"),
    ],
)
def test_a_checkpoint_is_known_by_what_it_makes_of_an_image(
    tmp_path: Path, trained: dict[str, Any], field: str
) -> None:
    seed = trained.pop("seed", 0)
    before = settings(f"test_vit2@{save(tmp_path / 'a.pth')}", tmp_path)
    after = settings(f"test_vit2@{save(tmp_path / 'a.pth', seed, **trained)}", tmp_path)
    assert {key for key in before if before[key] != after[key]} == {field}


@pytest.mark.parametrize("changes", [{"averaged": True}, {"lr": 3.0}, {"batch_size": 7}])
def test_what_else_a_checkpoint_holds_does_not_matter(tmp_path: Path, changes: dict[str, Any]) -> None:
    before = settings(f"test_vit2@{save(tmp_path / 'a.pth')}", tmp_path)
    assert settings(f"test_vit2@{save(tmp_path / 'b.pth.tar', **changes)}", tmp_path) == before


def test_a_folder_of_timms_is_known_by_its_contents(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit2", num_classes=4)
    for name in ("one", "two"):
        save_for_hf(model, tmp_path / name)
    one, two = (settings(f"local-dir:{tmp_path / name}", tmp_path) for name in ("one", "two"))
    assert one == two and one["teacher"] == "test_vit2"
    pooled = timm.create_model("test_vit2", num_classes=4, global_pool="max")
    pooled.load_state_dict(model.state_dict())
    save_for_hf(pooled, tmp_path / "three")
    three = settings(f"local-dir:{tmp_path / 'three'}", tmp_path)
    assert {key for key in one if one[key] != three[key]} == {"teacher_network"}
