"""Weights files: every layout that is read, and what is refused without running anything from it."""

import contextlib
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from payload import Payload
from safetensors.torch import save_file
from torch import Tensor

from dad.checkpoints import read_checkpoint, read_state_dict, strip_prefixes
from dad.errors import DataError

WEIGHTS = {"encoder.weight": torch.arange(6.0).view(2, 3), "encoder.bias": torch.ones(2, dtype=torch.float16)}


def save_with_unknown(path: Path, kind: str) -> None:
    """Write a Lightning-like checkpoint that names the class of a module which is then no longer there."""
    base = dict if kind == "mapping" else object
    unknown = type("ModelCheckpoint", (base,), {"__module__": "old_lightning"})
    module = ModuleType("old_lightning")
    module.ModelCheckpoint = unknown  # type: ignore[attr-defined]
    sys.modules["old_lightning"] = module
    instance = unknown()
    instance.monitor = "val/loss"
    if kind == "mapping":
        instance["ch"] = 128
    held = {unknown: {"best_model_path": "a.ckpt"}} if kind == "class" else instance
    torch.save({"state_dict": WEIGHTS, "callbacks": held, "global_step": 971043}, path)
    del sys.modules["old_lightning"]


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = WEIGHTS) -> bool:
    return set(found) == set(expected) and all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    "content", [WEIGHTS, {"state_dict": WEIGHTS, "epoch": 3}, {"model": WEIGHTS, "args": {"lr": 0.1}}]
)
def test_plain_and_wrapped_state_dicts_are_read(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "model.ckpt")
    assert same(read_state_dict(tmp_path / "model.ckpt", "--weights"))


def test_safetensors_are_read_in_their_own_precision(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    found = read_state_dict(str(tmp_path / "model.safetensors"), "--weights")
    assert same(found) and found["encoder.bias"].dtype == torch.float16


def test_a_file_from_before_torch_1_6_is_read(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS}, tmp_path / "model.pth", _use_new_zipfile_serialization=False)
    assert same(read_state_dict(tmp_path / "model.pth", "--weights"))


@pytest.mark.parametrize("kind", ["class", "instance"])
def test_a_class_that_is_not_installed_does_not_matter(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "last.ckpt"
    save_with_unknown(path, kind)
    with pytest.raises(ModuleNotFoundError):  # or this test would show nothing
        torch.load(path, weights_only=False)
    assert same(read_state_dict(path, "--weights"))


def test_reading_unknown_classes_leaves_torch_as_strict_as_before(tmp_path: Path) -> None:
    save_with_unknown(tmp_path / "last.ckpt", "class")
    before = set(torch.serialization.get_safe_globals())
    read_state_dict(tmp_path / "last.ckpt", "--weights")
    assert set(torch.serialization.get_safe_globals()) == before


@pytest.mark.parametrize("function", [os.system, exec, eval])
@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_code_in_a_pickle_is_never_run(
    tmp_path: Path, function: Callable[..., object], save: Callable[..., object]
) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "trace"
    code = f"touch {trace}" if function is os.system else f"__import__('pathlib').Path({str(trace)!r}).touch()"
    save({"state_dict": WEIGHTS, "callbacks": Payload(function, code)}, path)
    with contextlib.suppress(DataError):
        read_state_dict(path, "--weights")
    assert not trace.exists()
    with contextlib.suppress(pickle.UnpicklingError):  # torch.load wants torch's own layout
        torch.load(path, weights_only=False) if save is torch.save else pickle.loads(path.read_bytes())
    assert trace.exists()  # or this test would show nothing


def test_a_pickle_that_asks_for_the_system_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"state_dict": WEIGHTS, "callbacks": Payload(os.system, "true")}, tmp_path / "evil.ckpt")
    with pytest.raises(
        DataError, match=r"--weights .*evil.ckpt: refused, because it asks to run code \(posix.system\)"
    ):
        read_state_dict(tmp_path / "evil.ckpt", "--weights")


@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt"])
@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_a_file_that_was_cut_is_refused_by_name(tmp_path: Path, name: str, size: int) -> None:
    path = tmp_path / name
    save_file(WEIGHTS, path) if name.endswith("safetensors") else torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"--weights {path}: cannot be read as weights .*is the file complete"):
        read_state_dict(path, "--weights")


@pytest.mark.parametrize("content", [{"epoch": 3}, {"state_dict": {}}, {}])
def test_a_file_without_tensors_is_refused(tmp_path: Path, content: dict[str, object]) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DataError, match="holds no tensors"):
        read_state_dict(tmp_path / "model.pt", "--weights")


@pytest.mark.parametrize("content", [[torch.ones(1)], torch.ones(1), "text"])
def test_a_file_that_is_no_dictionary_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"--weights .*model.pt: cannot be read"):
        read_state_dict(tmp_path / "model.pt", "--weights")


@pytest.mark.parametrize("name", ["missing.safetensors", "missing.ckpt", ""])
def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"--weights {tmp_path / name}: no such file"):
        read_state_dict(tmp_path / name, "--weights")


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        (["a.w", "b.w"], ["a.w", "b.w"]),
        (["module.a.w", "module.b.w"], ["a.w", "b.w"]),
        (["first_stage_model.a.w", "model.diffusion.w", "cond_stage_model.w"], ["a.w"]),
        (["model.a.w"], ["a.w"]),
        (["a.model.w"], ["a.model.w"]),
        (["a.w", "loss.discriminator.w", "model_ema.decay"], ["a.w"]),
        (["module.a.w", "module.loss.discriminator.w", "module.model_ema.decay"], ["a.w"]),
    ],
)
def test_wrappers_prefixes_and_what_only_training_needs_are_dropped(keys: list[str], kept: list[str]) -> None:
    prefixes = ("module.", "first_stage_model.", "model.")
    assert sorted(strip_prefixes(dict.fromkeys(keys, torch.ones(1)), prefixes)) == kept


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param(b"hello world\n", "damaged, or not a checkpoint", id="text"),
        pytest.param(b"", "damaged, or not a checkpoint", id="empty"),
        pytest.param(b"PK\x03\x04 half a zip", "damaged, or not a checkpoint", id="half"),
        pytest.param(
            pickle.dumps(Payload(exec, "raise SystemExit"), protocol=2),
            "damaged, or not a checkpoint",
            id="code",
        ),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_checkpoint(str(tmp_path / "bad.pth"))


def test_a_missing_or_odd_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"checkpoint none\.pth: no such file"):
        read_checkpoint("none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="expected a dictionary, found list"):
        read_checkpoint(str(tmp_path / "list.pth"))
