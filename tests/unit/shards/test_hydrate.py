"""From codes back to images: the same codes, the images that were stored, and nothing of another Q."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_set import GOLDEN_V1, KEPT, REJECTED, SETTINGS, SOURCES, flip, tree
from torch import Tensor

from dad.errors import DataError, SettingsError
from dad.pixels import to_uint8
from dad.shards import DadSet, DadWriter, Ledger, Sample, decode_image, encode_codes, encode_image
from dad.shards.hydrate import hydrate

STUB = {"discretizer": "stub", "stub_weights": "1234"}
IMAGES = {"image_format": "png", "image_quality": 95}
ENVIRONMENT = {"torch": "2.9"}


class StubQ:
    """A decoder of 2 x 2 codes that counts its calls."""

    calls = 0

    def decode(self, codes: Tensor) -> Tensor:
        self.calls += 1
        return (codes[:, None] / 255).repeat(1, 3, 2, 2)


def make(root: Path, store: str) -> Path:
    """The set that generation with `store` would make."""
    settings = {**SETTINGS, **STUB, "store": store, **(IMAGES if "image" in store else {})}
    writer = DadWriter(root, settings, SOURCES, 4, ENVIRONMENT)
    for index in range(3):
        rejected, unreadable, *kept = writer.sources_of(index)
        samples = [Sample(source.key, 3, payloads(int(source.key[4]), store), dict(KEPT)) for source in kept]
        writer.commit(index, samples, {rejected.key: REJECTED}, {unreadable.key: "cut"})
    writer.finish()
    return root


def payloads(number: int, store: str) -> dict[str, bytes]:
    codes = np.array([[number, 50], [100, 255]])
    image = to_uint8(StubQ().decode(torch.from_numpy(codes)[None]))[0].permute(1, 2, 0).numpy()
    held = {"npy": encode_codes(codes), "png": encode_image(image, "png", 95)}
    return {name: held[name] for name in ("npy", "png") if {"npy": "codes", "png": "image"}[name] in store}


def run(root: Path, target: Path, q: StubQ | None = None, image_format: str = "png", **other: str) -> Ledger:
    return hydrate(root, target, (q or StubQ()).decode, {**STUB, **other}, image_format, 95, batch_size=1)


def test_a_hydrated_set_is_the_one_that_generation_would_have_made(tmp_path: Path) -> None:
    with_images = make(tmp_path / "both", "codes,image")
    assert run(make(tmp_path / "codes", "codes"), tmp_path / "out") == Ledger(10, 4, 3, 3)
    assert tree(tmp_path / "out") == tree(with_images)


def test_codes_are_bit_exact_and_images_within_one_level(tmp_path: Path) -> None:
    before = DadSet.open(make(tmp_path / "both", "codes,image"))
    run(make(tmp_path / "codes", "codes"), tmp_path / "out", image_format="webp")
    after = DadSet.open(tmp_path / "out")
    assert after.keys == before.keys
    for index in range(len(before)):
        assert after.read(index, "npy") == before.read(index, "npy")
        images = [
            decode_image(payload).astype(int) for payload in (before.read(index, "png"), after.read(index, "webp"))
        ]
        assert np.abs(images[0] - images[1]).max() <= 1


def test_jpeg_goes_by_its_long_name_in_the_settings(tmp_path: Path) -> None:
    run(make(tmp_path / "codes", "codes"), tmp_path / "out", image_format="jpeg")
    assert DadSet.open(tmp_path / "out").image_extension == "jpg"
    assert json.loads((tmp_path / "out/settings.json").read_text())["image_format"] == "jpeg"


def test_what_is_hydrated_already_is_not_decoded_again(tmp_path: Path) -> None:
    make(tmp_path / "codes", "codes")
    run(tmp_path / "codes", tmp_path / "out")
    before = tree(tmp_path / "out")
    for name in ("manifest.json", "shards/00001.tar"):
        (tmp_path / "out" / name).unlink()
    q = StubQ()
    run(tmp_path / "codes", tmp_path / "out", q)
    assert (q.calls, tree(tmp_path / "out")) == (2, before)


def test_another_discretiser_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "codes", "codes")
    with pytest.raises(SettingsError, match="was made with stub_weights 1234, not 5678"):
        run(tmp_path / "codes", tmp_path / "out", stub_weights="5678")
    assert not (tmp_path / "out").exists()


def test_a_set_without_codes_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "images", "image")
    with pytest.raises(DataError, match=r"holds no codes \(--store image\)"):
        run(tmp_path / "images", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_codes_are_not_decoded(tmp_path: Path) -> None:
    make(tmp_path / "codes", "codes")
    tar = tmp_path / "codes/shards/00001.tar"
    flip(tar, tar.read_bytes().index(b"NUMPY") + 130)  # within the codes: they would be read as others
    with pytest.raises(
        DataError, match=rf"00001\.tar: .* have changed; mend it: python -m dad\.shards repair {tmp_path}"
    ):
        run(tmp_path / "codes", tmp_path / "out")


def test_an_unfinished_set_and_one_of_format_1_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "codes", "codes")
    (tmp_path / "codes/manifest.json").unlink()
    with pytest.raises(DataError, match="not finished"):
        run(tmp_path / "codes", tmp_path / "out")
    with pytest.raises(DataError, match="every DAD set since format 2"):
        run(GOLDEN_V1, tmp_path / "out")
