"""The networks and images that stand in for real ones."""

from argparse import Namespace

import pytest
import torch
from taming.modules.diffusionmodules.model import Encoder
from torch import Tensor

from benchmarks.generation_world import PRESETS, Networks, create_networks, draw_images, make_batches

TINY = PRESETS["tiny"]


@pytest.fixture(scope="module")
def networks() -> tuple[Networks, Networks]:
    torch.manual_seed(0)
    return create_networks(TINY, torch.device("cpu"))


@pytest.fixture
def pixels() -> Tensor:
    torch.manual_seed(1)
    return draw_images(4, TINY.img_size)


def test_images_are_smooth_pixels(pixels: Tensor) -> None:
    assert pixels.shape == (4, 3, 32, 32) and pixels.min() >= 0 and pixels.max() <= 1
    assert pixels.diff(dim=3).abs().mean() < pixels.std() / 2


def test_both_sides_are_the_same_networks(networks: tuple[Networks, Networks], pixels: Tensor) -> None:
    plain, ours = networks
    with torch.no_grad():
        assert torch.allclose(plain.teacher(pixels), ours.teacher(pixels), atol=1e-3)
        assert torch.equal(plain.vqgan.encode(pixels), ours.vqgan.encode(pixels))
    assert plain.bytes == ours.bytes > 1e5


def test_q_uses_many_codes_and_has_the_contrast_of_photographs(networks: tuple[Networks, Networks]) -> None:
    vqgan = networks[0].vqgan
    with torch.no_grad():
        codes = vqgan.encode(draw_images(16, TINY.img_size))
        assert len(codes.unique()) > TINY.vqgan.codebook_size / 3
        assert (2 * vqgan.decode(codes) - 1).std() == pytest.approx(0.5, rel=0.5)


def test_labels_are_what_the_teacher_sees_in_q(networks: tuple[Networks, Networks]) -> None:
    plain, _ = networks
    first, second = make_batches(TINY, Namespace(batches=2, batch_size=3), plain)
    with torch.no_grad():
        assert torch.equal(plain.teacher(plain.vqgan(second.pixels)).argmax(1), second.labels)
    assert (first.keys, second.keys) == (
        ["000-000", "000-001", "000-002"], ["001-000", "001-001", "001-002"],
    )  # fmt: skip


def test_the_straightforward_loop_has_tamings_own_blocks_and_ours_computes_the_same(
    networks: tuple[Networks, Networks],
) -> None:
    plain, ours = networks
    assert type(plain.vqgan.encoder) is Encoder and type(ours.vqgan.encoder) is not Encoder
    codes = torch.randint(64, (2, 16, 16))
    torch.testing.assert_close(plain.vqgan.decode(codes), ours.vqgan.decode(codes), rtol=0, atol=1e-5)
