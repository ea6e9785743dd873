"""Files of weights that a disk, a download or a stranger has spoilt: none is taken, none ends in a traceback."""

import io
import os
import random
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import timm
import torch
from payload import Payload

from dad.checkpoints import read_checkpoint, read_state_dict
from dad.errors import DataError
from dad.training.checkpoint_saver import find_newest


def save(path: Path, **more: Any) -> Path:
    """Write a checkpoint of train.py's form."""
    torch.manual_seed(0)
    weights = timm.create_model("test_vit2", num_classes=6).state_dict()
    torch.save({"state_dict": weights, "args": Namespace(lr=0.1), "epoch": 3, "arch": "test_vit2", **more}, path)
    return path


def flip(content: bytearray, draw: random.Random) -> bytearray:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return content


def blank(content: bytearray, draw: random.Random) -> bytearray:
    place = draw.randrange(len(content))
    content[place : place + 4096] = bytes(len(content[place : place + 4096]))
    return content


def cut(content: bytearray, draw: random.Random) -> bytearray:
    return content[: draw.randrange(len(content))]


def garble_the_end(content: bytearray, draw: random.Random) -> bytearray:
    for _ in range(5):
        content[-draw.randrange(1, 3000)] = draw.randrange(256)
    return content


DAMAGES = (flip, blank, cut, garble_the_end)


def same(found: dict[str, Any], whole: bytes) -> bool:
    """Whether weights are those of a file that is whole: a zip has bytes that nobody reads."""
    expected = torch.load(io.BytesIO(whole), weights_only=False)["state_dict"]
    return all(torch.equal(value, found["state_dict"][key]) for key, value in expected.items())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("check", [True, False])
def test_a_spoilt_checkpoint_is_refused_or_what_it_was(
    tmp_path: Path, damage: Callable[[bytearray, random.Random], bytearray], check: bool
) -> None:
    whole, draw = save(tmp_path / "x.pth.tar").read_bytes(), random.Random(damage.__name__)
    refused = 0
    for _ in range(25):
        content = damage(bytearray(whole), draw)
        (tmp_path / "y.pth.tar").write_bytes(content)
        try:
            found = read_checkpoint(str(tmp_path / "y.pth.tar"), check=check)
        except DataError as error:
            refused += 1
            assert "damaged" in str(error) and "\n" not in str(error)
        else:
            assert found["epoch"] == 3 and (not check or same(found, whole))
    assert refused > 20 or (not check and damage in (flip, blank))  # without a check, tensors are not looked at


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_newest_of_spoilt_checkpoints_is_the_one_that_is_whole(
    tmp_path: Path, damage: Callable[[bytearray, random.Random], bytearray], caplog: pytest.LogCaptureFixture
) -> None:
    draw = random.Random(damage.__name__)
    save(tmp_path / "checkpoint-1.pth.tar", epoch=1)
    whole = save(tmp_path / "last.pth.tar", epoch=9).read_bytes()
    for _ in range(10):
        (tmp_path / "last.pth.tar").write_bytes(damage(bytearray(whole), draw))
        found = find_newest(tmp_path)
        assert found is not None and (found.name == "checkpoint-1.pth.tar" or same(read_checkpoint(str(found)), whole))
    assert caplog.text.count("skipped: checkpoint") > 6


@pytest.mark.parametrize("name", ["x.ckpt", "x.pth"])
def test_flipped_bits_in_weights_are_found_wherever_they_are_read(tmp_path: Path, name: str) -> None:
    torch.save({"w": torch.zeros(1000)}, tmp_path / name)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    for read in (lambda: read_state_dict(tmp_path / name, "--weights"), lambda: read_checkpoint(str(tmp_path / name))):
        with pytest.raises(DataError, match="checksum of"):
            read()


NOT_WEIGHTS = [
    (b"", "it is empty"),
    (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "a Git LFS pointer, not the weights; .*git lfs pull",
    ),
    (b"<!DOCTYPE html>\n<html>Sign in</html>", "a web page, not weights"),
    (b"\n <HTML><body>404", "a web page, not weights"),
    (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "a web page, not weights"),
]


@pytest.mark.parametrize(("content", "message"), NOT_WEIGHTS)
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_what_downloads_leave_in_place_of_weights_is_named(
    tmp_path: Path, content: bytes, message: str, name: str
) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (lambda: read_state_dict(tmp_path / name, "--weights"), lambda: read_checkpoint(str(tmp_path / name))):
        with pytest.raises(DataError, match=message):
            read()


def test_a_number_of_numpys_is_a_number(tmp_path: Path) -> None:
    for value in (np.float64(3.5), np.float32(3.5), np.int64(4), np.bool_(True)):
        found = read_checkpoint(str(save(tmp_path / "x.pth.tar", metric=value)))["metric"]
        assert found == value and type(found) is type(value)


def test_a_path_among_the_flags_is_a_path(tmp_path: Path) -> None:
    found = read_checkpoint(str(save(tmp_path / "x.pth.tar", args=Namespace(data=Path("/data/x")))))
    assert found["args"].data == PurePosixPath("/data/x")


class Config(dict[str, int]):
    """A class of another project."""


def test_a_class_of_another_project_does_not_hide_the_weights(tmp_path: Path) -> None:
    found = read_checkpoint(str(save(tmp_path / "x.pth.tar", config=Config(a=1))))
    assert found["epoch"] == 3 and not isinstance(found["config"], Config)


@pytest.mark.parametrize("key", ["metric", "args", "state_dict"])
def test_a_call_is_never_made(tmp_path: Path, key: str) -> None:
    save(tmp_path / "x.pth.tar", **{key: Payload(os.mkdir, str(tmp_path / "owned"))})
    with pytest.raises(DataError, match=r"refused, because it asks to run code \(posix\.mkdir\)"):
        read_checkpoint(str(tmp_path / "x.pth.tar"))
    assert not (tmp_path / "owned").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_file_is_not_called_damaged(tmp_path: Path) -> None:
    save(tmp_path / "x.pth.tar").chmod(0)
    for read in (
        lambda: read_state_dict(tmp_path / "x.pth.tar", "--weights"),
        lambda: read_checkpoint(str(tmp_path / "x.pth.tar")),
    ):
        with pytest.raises(DataError, match=r"cannot be read now .Permission denied.") as caught:
            read()
        assert "damaged" not in str(caught.value) and "complete" not in str(caught.value)


def test_a_disk_that_fails_for_a_moment_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.pth.tar")

    def fail(*args: object, **keywords: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(DataError, match=r"cannot be read now .Stale file handle.") as caught:
        read_checkpoint(str(path))
    assert "damaged" not in str(caught.value)
