"""Tiny CLIPs that open_clip knows by name, and a file of weights."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from open_clip import factory, pretrained
from tiny_clips import TAGS, TINY, make_clip


@pytest.fixture
def tiny_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let open_clip know the models of `TAGS`."""
    for name, tags in TAGS.items():
        (tmp_path / "configs").mkdir(exist_ok=True)
        (tmp_path / "configs" / f"{name}.json").write_text(json.dumps(TINY))
        where = {"url": f"http://127.0.0.1:9/{name}.pt"}
        monkeypatch.setitem(pretrained._PRETRAINED, name, {tag: {**known, **where} for tag, known in tags.items()})
    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", [*factory._MODEL_CONFIG_PATHS, tmp_path / "configs"])
    before = factory._MODEL_CONFIGS
    factory._rescan_model_configs()
    yield
    factory._MODEL_CONFIGS = before


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    """Weights as open_clip's users have them."""
    torch.save(make_clip().state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


@pytest.fixture
def folder(world: Path, tmp_path: Path) -> Path:
    """A folder with a CLIP, as the hub has it, that a test may change."""
    return Path(shutil.copytree(world / "clip", tmp_path / "copy"))
