"""A network in an ONNX file answers as the network that it was."""

from pathlib import Path

import pytest
import torch
from tiny_onnx import DESCRIPTION, write_grey_level

from dad.errors import DataError, UsageError
from dad.models import onnx_file
from dad.models.onnx_file import load_onnx, read_description

CPU = torch.device("cpu")


def test_it_answers_batches_of_any_size(tmp_path: Path) -> None:
    network, description = load_onnx(str(write_grey_level(tmp_path / "a.onnx")), "--onnx", CPU)
    assert description == DESCRIPTION == read_description(str(tmp_path / "a.onnx"), "--onnx")
    for count in (1, 7):
        levels = torch.arange(count) % 6 * 20 / 255
        logits = network(levels.view(-1, 1, 1, 1).expand(count, 3, 8, 8))
        assert logits.shape == (count, 6) and logits.argmax(1).tolist() == [number % 6 for number in range(count)]


def test_what_is_no_described_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.onnx").write_bytes(b"<html>")
    write_grey_level(tmp_path / "foreign.onnx", described=False)
    for name, message in (
        ("none.onnx", "no such file"),
        ("page.onnx", "not a network that ONNX Runtime can read"),
        ("foreign.onnx", "does not say how it wants its images"),
    ):
        with pytest.raises(DataError, match=f"^--onnx .*{name}: .*{message}"):
            load_onnx(str(tmp_path / name), "--onnx", CPU)


def test_without_onnx_runtime_the_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"^--onnx needs onnxruntime, not .*: pip install -r requirements-export\.txt$"
    ):
        load_onnx("a.onnx", "--onnx", CPU)
