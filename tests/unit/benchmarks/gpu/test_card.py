"""What is said of a card."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.gpu import card

CUDA = torch.device("cuda")


def test_the_code_that_is_measured_is_told_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "dad").mkdir()
    (tmp_path / "dad" / "a.py").write_text("1")
    before = card.code_digest(tmp_path)
    (tmp_path / "dad" / "notes.md").write_text("no code")
    assert card.code_digest(tmp_path) == before
    (tmp_path / "dad" / "a.py").write_text("2")
    assert card.code_digest(tmp_path) != before


def test_an_old_card_lacks_what_it_emulates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 0))
    assert card.describe_left_out(CUDA).startswith("Left out: tf32, bf16, which capability 7.0 (8.0 and above")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    assert card.describe_left_out(CUDA) == ""


@pytest.mark.parametrize(
    ("kernel", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023", "535.104.05"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build", "570.86.15"),
        ("nothing", "unknown"),
    ],
)
def test_the_driver_is_found_without_its_tool(
    kernel: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    monkeypatch.setattr(card, "_DRIVER", tmp_path / "version")
    assert card.find_driver() == "unknown"
    (tmp_path / "version").write_text(kernel)
    assert card.find_driver() == version


def test_a_card_is_identified_by_all_that_numbers_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="V100", major=7, minor=0, total_memory=16)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    monkeypatch.setattr(card, "find_driver", lambda: "535")
    found = card.identify(CUDA)
    assert (found["card"], found["capability"], found["memory_bytes"], found["driver"]) == ("V100", "7.0", 16, "535")
    assert {"torch", "timm", "python", "code", "cuda"} <= found.keys()
