"""Is a file the one that was written, and which network is it of: checksums, hashes, digests."""

import hashlib
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dad.checkpoints import file_digest, require_whole, tensors_digest
from dad.checkpoints.digests import find_damage, is_zip
from dad.errors import DataError

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2)}


def test_the_digest_names_the_bytes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * ((1 << 20) + 3))
    assert file_digest(tmp_path / "a") == hashlib.sha256(b"x" * ((1 << 20) + 3)).hexdigest()[:16]


def test_a_download_is_held_against_the_hash_that_is_its_name(tmp_path: Path) -> None:
    save_file({"w": torch.ones(3)}, tmp_path / ("0" * 64))
    (tmp_path / "model.safetensors").symlink_to(tmp_path / ("0" * 64))
    with pytest.raises(DataError, match=r"model\.safetensors: damaged .it is not what was downloaded"):
        require_whole(tmp_path / "model.safetensors")


def test_tensors_are_named_whatever_their_order_and_place_in_memory() -> None:
    turned = {"b": TENSORS["b"], "a": torch.stack([TENSORS["a"], -TENSORS["a"]], dim=1)[:, 0]}
    assert not turned["a"].is_contiguous()
    assert tensors_digest(turned) == tensors_digest(TENSORS) and len(tensors_digest(TENSORS)) == 16


@pytest.mark.parametrize(
    "changes", [{"a": -torch.arange(3.0)}, {"b": torch.ones(2, dtype=torch.float64)}, {"c": torch.ones(1)}]
)
def test_other_tensors_have_another_digest(changes: dict[str, Tensor]) -> None:
    assert tensors_digest({**TENSORS, **changes}) != tensors_digest(TENSORS)


@pytest.mark.parametrize(("entry", "quickly"), [("x/data.pkl", True), ("x/data/0", False)])
def test_of_a_zip_all_entries_are_compared_or_all_but_the_tensors(tmp_path: Path, entry: str, quickly: bool) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        for name in ("x/data.pkl", "x/data/0"):
            archive.writestr(name, f"content of {name}")
    assert find_damage(tmp_path / "x.pth") == ""
    content = (tmp_path / "x.pth").read_bytes()
    (tmp_path / "x.pth").write_bytes(content.replace(f"content of {entry}".encode(), f"CONTENT of {entry}".encode()))
    assert find_damage(tmp_path / "x.pth") == f"checksum of {entry}"
    assert bool(find_damage(tmp_path / "x.pth", all_entries=False)) == quickly


def test_a_zip_is_known_by_its_beginning_even_if_it_is_cut(tmp_path: Path) -> None:
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04 cut")
    (tmp_path / "text").write_bytes(b"PKK")
    assert is_zip(tmp_path / "cut.pth") and not is_zip(tmp_path / "text")
