"""The two loops make the same images; how fast they are is not tested."""

from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks.generation_loops import naive_codes, overlapped, straightforward
from benchmarks.generation_world import PRESETS, Batch, Networks, create_networks, draw_images, make_batches
from dad.attacks import Attack
from dad.generation.generator import Generator
from dad.runtime import Runtime

TINY = PRESETS["tiny"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks() -> tuple[Networks, Networks]:
    torch.manual_seed(0)
    return create_networks(TINY, CPU)


@pytest.fixture(scope="module")
def batches(networks: tuple[Networks, Networks]) -> list[Batch]:
    return make_batches(TINY, Namespace(batches=4, batch_size=2), networks[0])


def test_the_full_matrix_finds_the_codes_of_our_search(networks: tuple[Networks, Networks]) -> None:
    vqgan = networks[0].vqgan
    pixels = draw_images(4, TINY.img_size)
    with torch.no_grad():
        assert torch.equal(naive_codes(vqgan, pixels), vqgan.encode(pixels))


def test_both_loops_make_the_same_in_order(
    networks: tuple[Networks, Networks], batches: list[Batch], tmp_path: Path
) -> None:
    plain, ours = networks
    generator = Generator(ours.teacher, ours.vqgan, Attack(), Runtime(CPU), seed=0)
    made = overlapped(generator, tmp_path, batches)
    reference = straightforward(plain, Attack(), 0, CPU, tmp_path, batches)
    for one, other in zip(made, reference, strict=True):
        assert torch.equal(one.codes, other.codes) and torch.equal(one.keep, other.keep)
    suffixes = {suffix: len(list(tmp_path.glob(f"*.{suffix}"))) for suffix in ("png", "jpg", "npy")}
    assert suffixes == {"png": 8, "jpg": 8, "npy": 8}
