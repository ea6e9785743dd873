"""The VQGAN: its code search against the naive one, its sizes against the published ones, and every file it refuses."""

import json
from argparse import Namespace
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from taming.modules.vqvae.quantize import VectorQuantizer
from torch import Tensor

from dad.discretizers import create_discretizer, vqgan
from dad.discretizers.vqgan import CONFIGS, Vqgan, VqganConfig, load_vqgan, nearest_codes, resolve_config
from dad.errors import DataError, UsageError

SMALL = VqganConfig(32, 4, 4, (1, 1), ch=32, num_res_blocks=1, resolution=32)
LARGE = replace(SMALL, codebook_size=48, ch_mult=(1, 2))
GUMBEL = replace(SMALL, gumbel=True)


def naive_codes(latents: Tensor, codebook: Tensor) -> Tensor:
    return (latents.float()[:, None] - codebook.float()[None]).square().sum(dim=-1).argmin(dim=1)


def sizes(config: VqganConfig) -> tuple[int, int]:
    """The number of parameters and of tensors in the state dict."""
    with torch.device("meta"):
        tensors = Vqgan(config).state_dict()
    return sum(tensor.numel() for tensor in tensors.values()), len(tensors)


def make_q(config: VqganConfig) -> Vqgan:
    torch.manual_seed(0)
    return Vqgan(config).eval().requires_grad_(False)


def save(folder: Path, config: VqganConfig, **changes: Tensor | None) -> str:
    """Write weights of a configuration, with tensors changed, added or (None) left out."""
    tensors = {**make_q(config).state_dict(), **{key.replace("__", "."): value for key, value in changes.items()}}
    save_file({key: value for key, value in tensors.items() if value is not None}, folder / "q.safetensors")
    return str(folder / "q.safetensors")


@pytest.mark.parametrize("rows", [1, 7, 300, 1 << 20])
@pytest.mark.parametrize(("codes", "dim"), [(500, 4), (33, 256), (1, 4)])
def test_the_search_finds_the_nearest_code_in_chunks_of_any_size(
    monkeypatch: pytest.MonkeyPatch, rows: int, codes: int, dim: int
) -> None:
    torch.manual_seed(0)
    latents, codebook = torch.randn(300, dim), torch.randn(codes, dim) * torch.rand(codes, 1)
    monkeypatch.setattr(vqgan, "_SEARCH_BYTES", 4 * codes * rows)
    found = nearest_codes(latents, codebook)
    assert torch.equal(found, naive_codes(latents, codebook)) and found.dtype == torch.int64


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_search_is_exact_under_autocast_and_for_short_latents(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    latents, codebook = torch.randn(500, 4).to(dtype), torch.randn(2000, 4) / 4
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest_codes(latents, codebook), naive_codes(latents, codebook))


def test_codes_are_those_of_tamings_own_quantiser() -> None:
    q, theirs = make_q(SMALL), VectorQuantizer(SMALL.codebook_size, SMALL.embed_dim, beta=0.25)
    theirs.embedding.weight.data.copy_(q.quantize.weight)
    pixels = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        quantized, _, (_, _, codes) = theirs(q.latents(pixels))
    assert torch.equal(q.encode(pixels).flatten(), codes.flatten())
    expected = (q.decode_latents(quantized).clamp(-1, 1) + 1) / 2
    torch.testing.assert_close(q(pixels), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [
        ("vq-f8-16384", 67_717_295, 299),
        ("vq-f8-256", 67_652_783, 299),
        ("vq-f4", 55_322_782, None),
        ("vq-f4-noattn", 55_322_782 - 2 * 1_051_648, None),  # two attention blocks of 512 channels
        ("vq-f16", 69_593_371, None),
        ("imagenet-f16-1024", 72_141_699, 343),
        ("imagenet-f16-16384", 76_073_859, 343),
        ("gumbel-f8-8192", 66_890_627 + 2_105_344, None),  # counted without the projection to logits
    ],
)
def test_sizes_are_those_of_the_published_weights(name: str, parameters: int, tensors: int | None) -> None:
    found = sizes(CONFIGS[name])
    assert found == (parameters, tensors or found[1])


def test_the_papers_q_splits_as_published() -> None:
    with torch.device("meta"):
        q = Vqgan(CONFIGS["vq-f8-16384"])
    parts = {name: sum(weight.numel() for weight in part.parameters()) for name, part in q.named_children()}
    assert [parts["encoder"], parts["decoder"], parts["quantize"]] == [27_397_764, 40_253_955, 65_536]
    assert parts["quant_conv"] == parts["post_quant_conv"] == 20 and q.config.downscale == 8
    attention = {key.rsplit(".", 2)[0] for key in q.state_dict() if ".attn" in key}
    assert attention == {
        *(f"encoder.down.3.attn.{block}" for block in range(2)), "encoder.mid.attn_1",
        *(f"decoder.up.3.attn.{block}" for block in range(3)), "decoder.mid.attn_1",
    }  # fmt: skip


@pytest.mark.parametrize("config", [SMALL, LARGE, GUMBEL, replace(SMALL, ch_mult=(1, 1, 1), mid_attention=False)])
@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (1, 3, 16, 24)])
def test_pixels_go_to_codes_and_back(config: VqganConfig, shape: tuple[int, ...]) -> None:
    q, pixels = make_q(config), torch.rand(shape)
    codes, output = q.encode(pixels), q(pixels)
    assert codes.shape == (shape[0], shape[2] // config.downscale, shape[3] // config.downscale)
    assert codes.dtype == torch.int64 and codes.min() >= 0 and codes.max() < config.codebook_size
    assert output.shape == shape and output.min() >= 0 and output.max() <= 1 and output.std() > 0
    assert torch.equal(output, q.decode(codes))

    q.decoder.conv_out.weight *= 100  # now it overshoots
    assert (q(pixels).min(), q(pixels).max()) == (0, 1)


def test_reduced_precision_gives_codes_and_full_pixels() -> None:
    q, pixels = make_q(SMALL), torch.rand(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        codes = q.encode(pixels)
        output = q.decode(codes)
    assert output.dtype == torch.float32 and (codes == q.encode(pixels)).float().mean() > 0.5


def test_gumbel_codes_are_the_largest_logits_of_its_convolution() -> None:
    q, pixels = make_q(GUMBEL), torch.rand(1, 3, 32, 32)
    latents, weight = q.latents(pixels), q.quantize.proj.weight[:, :, 0, 0]
    logits = torch.einsum("bzhw,kz->bkhw", latents, weight) + q.quantize.proj.bias.view(1, -1, 1, 1)
    assert torch.equal(q.encode(pixels), logits.argmax(dim=1))


@pytest.mark.parametrize("config", [SMALL, GUMBEL])
@pytest.mark.parametrize("prefix", ["", "module.", "first_stage_model."])
def test_half_precision_weights_are_loaded_and_frozen(tmp_path: Path, config: VqganConfig, prefix: str) -> None:
    half = {prefix + key: value.half() for key, value in make_q(config).state_dict().items()}
    save_file({**half, "loss.logvar": torch.ones(1)}, tmp_path / "q.safetensors")
    (tmp_path / "q.json").write_text(json.dumps(asdict(config)))
    q = load_vqgan(str(tmp_path / "q.json"), str(tmp_path / "q.safetensors"))
    assert all(torch.equal(value, half[prefix + key].float()) for key, value in q.state_dict().items())
    assert not q.training and not any(weight.requires_grad for weight in q.parameters())


@pytest.mark.parametrize(
    ("asked", "made", "advice"),
    [("large", SMALL, "it fits --vqgan-config small"), ("small", GUMBEL, "it fits none of small, large")],
)
def test_weights_of_another_configuration_are_answered_with_what_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, made: VqganConfig, advice: str
) -> None:
    monkeypatch.setattr(vqgan, "CONFIGS", {"small": SMALL, "large": LARGE})
    path = save(tmp_path, made)
    with pytest.raises(DataError, match=rf"--vqgan-checkpoint {path} is not of --vqgan-config {asked} .*{advice}$"):
        load_vqgan(asked, path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"quant_conv__bias": None}, r"1 tensors .* e.g. quant_conv.bias"),
        ({"quant_conv__bias": torch.ones(5)}, r"1 tensors .* e.g. quant_conv.bias"),
        ({"surprise": torch.ones(1), "another": torch.ones(1)}, r"2 tensors .* e.g. another"),
    ],
)
def test_missing_foreign_and_misshapen_tensors_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Tensor | None], named: str
) -> None:
    monkeypatch.setattr(vqgan, "CONFIGS", {"small": SMALL, "large": LARGE})
    with pytest.raises(DataError, match=named):
        load_vqgan("small", save(tmp_path, SMALL, **changes))


@pytest.mark.parametrize("text", ["[1]", "{", "{}", '{"codebook_size": 9}', json.dumps({**asdict(SMALL), "depth": 2})])
def test_a_file_that_is_no_configuration_is_refused_with_the_fields(tmp_path: Path, text: str) -> None:
    (tmp_path / "q.json").write_text(text)
    with pytest.raises(
        UsageError, match=r"--vqgan-config .*q.json: expected a JSON object with codebook_size, embed_d"
    ):
        resolve_config(str(tmp_path / "q.json"))


def test_configurations_are_known_by_name_or_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "q.json").write_text(json.dumps(asdict(LARGE)))
    assert resolve_config(str(tmp_path / "q.json")) == LARGE and resolve_config("vq-f4") is CONFIGS["vq-f4"]
    with pytest.raises(UsageError, match="--vqgan-config vq-f9: neither a file nor one of vq-f8-16384, "):
        resolve_config("vq-f9")


def test_q_is_built_from_flags_and_says_what_it_is_made_of(world: Path) -> None:
    config, weights = (str(world / "vqgan" / name) for name in ("config.json", "model.safetensors"))
    args = Namespace(discretizer="vqgan", vqgan_config=config, vqgan_checkpoint=weights, channels_last=True)
    q = create_discretizer(args, torch.device("cpu"))
    assert q.has_codes and set(q.settings) == {"discretizer", "vqgan_config", "vqgan_weights"}
    with pytest.raises(UsageError, match="--discretizer vqgan needs --vqgan-checkpoint FILE"):
        create_discretizer(Namespace(**{**vars(args), "vqgan_checkpoint": None}), torch.device("cpu"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_becomes_neither_a_code_nor_a_pixel(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    vqgan = Vqgan(VqganConfig(32, 4, 4, (1, 1), ch=32, num_res_blocks=1, resolution=32)).eval()
    latents, output = torch.zeros(2, 4, 2, 2), torch.zeros(2, 3, 4, 4)
    latents[1, 0, 0, 1] = output[1, 0, 0, 1] = value
    monkeypatch.setattr(vqgan, "latents", lambda pixels: latents)
    assert vqgan.encode(torch.zeros(2, 3, 4, 4)).lt(0).nonzero().tolist() == [[1, 0, 1]]
    monkeypatch.setattr(vqgan, "decode_latents", lambda latents: output)
    assert vqgan.decode(torch.tensor([[[0]], [[-1]]])).isnan().nonzero().tolist() == [[1, 0, 0, 1]]
