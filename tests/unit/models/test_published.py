"""Published weights where there is no network: one line, quickly, and what would work."""

import hashlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from timm.models import save_for_hf

from dad.checkpoints import downloads
from dad.errors import DataError, UserError
from dad.images.classes import ClassList
from dad.models import create_student, load_student
from dad.teachers import create_teacher

Flags = Callable[..., Namespace]
THOUSAND = ClassList(tuple(map(str, range(1000))), tuple(map(str, range(1000))))


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without network and with empty caches."""
    monkeypatch.setattr(downloads, "_is_reachable", lambda url: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def student(flags: Flags) -> object:
    return create_student(flags("--model", "test_resnet", "--pretrained"), 1000)


def candidate(flags: Flags) -> object:
    return load_student("test_resnet", 1000, "", use_ema=False, pretrained=True, model_kwargs={})


def teacher(flags: Flags) -> object:
    return create_teacher(Namespace(teacher="test_resnet"), THOUSAND, torch.device("cpu"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (student, r"--pretrained --model test_resnet: its weights .* give the file: --pretrained-path FILE"),
        (candidate, r"--pretrained --model test_resnet: its weights .* give the file: --checkpoint FILE"),
        (teacher, r"--teacher test_resnet: its weights .* give the file: --teacher test_resnet@FILE"),
    ],
)
def test_a_missing_network_is_one_line_and_no_minute_of_retries(
    flags: Flags, make: Callable[[Flags], object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        make(flags)
    assert "\n" not in str(caught.value)
    assert constants.HF_HUB_OFFLINE  # or the hub's client tries for 47 seconds


def test_a_model_whose_weights_were_never_published_is_one_line(flags: Flags) -> None:
    with pytest.raises(UserError, match=r"mnasnet_050: .*No pretrained weights exist"):
        create_student(flags("--model", "mnasnet_050", "--pretrained"), 6)


def test_weights_in_the_cache_need_no_network(flags: Flags, tmp_path: Path) -> None:
    model = timm.create_model("test_resnet")
    save_file(model.state_dict(), tmp_path / "weights")
    put_into_cache(tmp_path, (tmp_path / "weights").read_bytes())
    found = create_student(flags("--model", "test_resnet", "--pretrained"), 1000)[0]
    assert torch.equal(found.state_dict()["fc.weight"], model.state_dict()["fc.weight"])


def put_into_cache(root: Path, content: bytes, digest: str = "") -> None:
    """Store a file as huggingface_hub does: under its SHA-256, with a link of its name."""
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id.replace("/", "--")
    folder = root / "hub" / f"models--{repository}"
    blob = folder / "blobs" / (digest or hashlib.sha256(content).hexdigest())
    for part in ("refs", "blobs", "snapshots/abc"):
        (folder / part).mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    blob.write_bytes(content)
    (folder / "snapshots" / "abc" / "model.safetensors").symlink_to(blob)


def test_a_flipped_bit_in_the_cache_is_found(flags: Flags, tmp_path: Path) -> None:
    save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "weights")
    put_into_cache(tmp_path, (tmp_path / "weights").read_bytes(), digest="0" * 64)
    with pytest.raises(DataError, match=r"model\.safetensors: damaged .it is not what was downloaded"):
        create_student(flags("--model", "test_resnet", "--pretrained"), 1000)


def test_a_damaged_folder_is_refused(flags: Flags, tmp_path: Path) -> None:
    save_for_hf(timm.create_model("test_resnet", num_classes=6), tmp_path / "x", safe_serialization=False)
    file = tmp_path / "x" / "pytorch_model.bin"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 16
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"pytorch_model\.bin: damaged"):
        create_student(flags("--model", f"local-dir:{tmp_path / 'x'}", "--pretrained"), 6)
