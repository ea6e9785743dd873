"""A VQGAN's encoder inside another network: which it is, and that nothing changes it."""

import copy
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_drvit import CONFIG, make_vqgan, save_vqgan
from torch import nn

from dad.discretizers.vqgan import CONFIGS
from dad.errors import DataError
from dad.models.drvit import ENCODERS
from dad.models.frozen_vqgan import EncoderConfig, FrozenVqgan, infer_config, read_encoder

KNOWN = {**{name: EncoderConfig(**asdict(config)) for name, config in CONFIGS.items()}, **ENCODERS}


@pytest.fixture
def frozen(tmp_path: Path) -> FrozenVqgan:
    encoder = FrozenVqgan(EncoderConfig(**asdict(CONFIG)))
    encoder.load(read_encoder(save_vqgan(tmp_path)), "a.safetensors")
    return encoder


@pytest.mark.parametrize("name", KNOWN)
def test_an_architecture_follows_from_tensors(name: str) -> None:
    with torch.device("meta"):
        weights = FrozenVqgan(KNOWN[name]).state_dict()
    assert infer_config(weights, "x") == KNOWN[name]


def test_codes_are_those_of_the_whole_vqgan(frozen: FrozenVqgan) -> None:
    pixels = torch.rand(3, 3, 64, 32)
    codes = frozen(pixels * 2 - 1)
    assert torch.equal(codes, make_vqgan().encode(pixels)) and codes.shape == (3, 4, 2) and codes.unique().numel() > 2


def test_another_normalisation_gives_the_same_codes(frozen: FrozenVqgan) -> None:
    pixels, mean, std = torch.rand(2, 3, 32, 32), (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    expected = frozen(pixels * 2 - 1)
    frozen.set_normalization(mean, std)
    columns = torch.tensor([mean, std]).view(2, 1, 3, 1, 1)
    assert torch.equal(frozen((pixels - columns[0]) / columns[1]), expected)


def test_codes_of_a_constant_image_are_constant() -> None:
    """Where a convolution's padding does not bring in other values than the image's, as zeros do."""
    encoder = FrozenVqgan(EncoderConfig(**{**asdict(CONFIG), "attn_resolutions": (), "strided": False}))
    encoder.digest = "these"
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "replicate"
            module._reversed_padding_repeated_twice = [side for side in module.padding for _ in range(2)]  # type: ignore[list-item]
    codes = encoder(torch.tensor([0.3, -0.2, 0.9]).view(1, 3, 1, 1).expand(1, 3, 64, 96))
    assert codes.shape == (1, 4, 6) and codes.unique().numel() == 1


def test_it_stays_frozen_and_in_full_precision(frozen: FrozenVqgan) -> None:
    parent = nn.Sequential(frozen, nn.Linear(2, 2)).train().to(torch.bfloat16)
    assert not any(module.training for module in frozen.modules()) and parent[1].training
    assert {tensor.dtype for tensor in frozen.state_dict().values()} == {torch.float32}
    assert parent[1].weight.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert not frozen(torch.rand(1, 3, 32, 32, requires_grad=True)).requires_grad


def test_another_encoder_is_refused_and_the_same_is_not(frozen: FrozenVqgan) -> None:
    frozen.load_state_dict(frozen.state_dict())
    other = {key: value + 1e-3 for key, value in frozen.state_dict().items()}
    with pytest.raises(
        DataError, match=r"another VQGAN's encoder \([0-9a-f]{16}\) than a\.safetensors \([0-9a-f]{16}\)"
    ):
        nn.ModuleDict({"inner": frozen}).load_state_dict({f"inner.{key}": value for key, value in other.items()})


def test_nothing_is_seen_through_random_weights() -> None:
    with pytest.raises(DataError, match="without weights: give them by --model-kwargs vqgan=FILE"):
        FrozenVqgan(EncoderConfig(**asdict(CONFIG)))(torch.zeros(1, 3, 32, 32))


def test_a_patch_whose_latent_is_not_finite_has_no_code(frozen: FrozenVqgan) -> None:
    assert (frozen(torch.full((1, 3, 32, 32), torch.nan)) == -1).all()


def test_a_copy_shares_memory_but_not_the_device(frozen: FrozenVqgan) -> None:
    twin = copy.deepcopy(frozen)
    pairs = list(zip(frozen.parameters(), twin.parameters(), strict=True))
    assert all(own is not other and own.data_ptr() == other.data_ptr() for own, other in pairs)
    assert twin.digest == frozen.digest and twin.encoder is not frozen.encoder
    twin.to("meta")
    assert not any(parameter.is_meta for parameter in frozen.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder.conv_in.weight": None}, r"no VQGAN's encoder, since it lacks 'encoder\.conv_in\.weight'"),
        ({"quantize.embedding.weight": None}, r"no VQGAN's encoder, since it lacks 'quantize\.embed"),
        ({"encoder.extra": torch.ones(1)}, r"1 tensors are not those of its encoder, e\.g\. encoder\.extra"),
        ({"quant_conv.weight": torch.ones(16, 8, 1, 1)}, r"1 tensors are not .* e\.g\. quant_conv\.weight"),
    ],
)
def test_weights_of_something_else_are_refused(changes: dict[str, torch.Tensor | None], message: str) -> None:
    weights = {**FrozenVqgan(EncoderConfig(**asdict(CONFIG))).state_dict(), **changes}
    with pytest.raises(DataError, match=f"--model-kwargs vqgan=x: {message}.*taming's layout"):
        infer_config({key: value for key, value in weights.items() if value is not None}, "--model-kwargs vqgan=x")


def test_the_decoder_and_a_wrappers_prefix_are_left_out(tmp_path: Path) -> None:
    weights = {f"first_stage_model.{key}": value.half() for key, value in make_vqgan().state_dict().items()}
    save_file(weights, tmp_path / "q.safetensors")
    found = read_encoder(str(tmp_path / "q.safetensors"))
    assert infer_config(found, "x") == EncoderConfig(**asdict(CONFIG))
    assert {value.dtype for value in found.values()} == {torch.float32}
