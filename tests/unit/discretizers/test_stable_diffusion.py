"""Stable Diffusion as Q, with a pipeline of random weights: determinism, what the flags change, what is refused."""

import json
import shutil
import string
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.attacks import keyed_generator
from dad.discretizers import create_discretizer
from dad.discretizers.stable_diffusion import StableDiffusion, model_digest
from dad.errors import DataError, UsageError, UserError

TINY = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
UNET = {
    **TINY, "sample_size": 8, "cross_attention_dim": 16, "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
VAE = {
    **TINY, "latent_channels": 4, "sample_size": 16,
    "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
}  # fmt: skip
PICTURES = torch.rand(3, 3, 16, 24, generator=torch.Generator().manual_seed(0))


def make_tokenizer(folder: Path) -> object:
    """A CLIP tokenizer that knows letters alone."""
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    words = {word: number for number, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=32)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Stable Diffusion of random weights."""
    diffusers = pytest.importorskip("diffusers")
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = make_tokenizer(tmp_path_factory.mktemp("tokenizer"))
    text = CLIPTextConfig(
        vocab_size=54, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=32, bos_token_id=52, eos_token_id=53, pad_token_id=53,
    )  # fmt: skip
    pipeline = diffusers.StableDiffusionImg2ImgPipeline(
        vae=diffusers.AutoencoderKL(**VAE), text_encoder=CLIPTextModel(text), tokenizer=tokenizer,
        unet=diffusers.UNet2DConditionModel(**UNET),
        scheduler=diffusers.PNDMScheduler(skip_prk_steps=True, steps_offset=1),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder := tmp_path_factory.mktemp("diffusion"))
    return folder


def create(*words: object) -> StableDiffusion:
    """Build Q from words of a generate.py command."""
    argv = ["--discretizer", "stable_diffusion", *(str(word) for word in words)]
    return create_discretizer(parse_args(create_generate_parser(), argv)[0], torch.device("cpu"))


def redraw(q: StableDiffusion, pictures: Tensor = PICTURES) -> Tensor:
    """Q of the pictures, each with a generator of its own."""
    return q(pictures, [keyed_generator(42, str(number)) for number in range(len(pictures))])


@pytest.fixture(scope="session")
def q_with(model: Path) -> Callable[..., StableDiffusion]:
    """Build Q on the tiny model, with five steps unless the words say otherwise."""
    return lambda *words: create("--diffusion-model", model, "--diffusion-steps", 5, *words)


@pytest.fixture(scope="session")
def q(q_with: Callable[..., StableDiffusion]) -> StableDiffusion:
    return q_with()


def test_pixels_become_pixels_of_the_same_shape_by_frozen_networks_without_codes(q: StableDiffusion) -> None:
    output = redraw(q)
    assert output.shape == PICTURES.shape and output.dtype == torch.float32
    assert output.min() >= 0 and output.max() <= 1 and output.std() > 0
    assert (q.has_codes, q.downscale, q.training) == (False, 2, False)
    assert [name for name, _ in q.named_children()] == ["text_encoder", "unet", "vae"]
    assert not any(weight.requires_grad for weight in q.parameters())


def test_an_image_has_the_same_result_twice_and_in_any_batch(q: StableDiffusion) -> None:
    torch.manual_seed(1)
    first = redraw(q)
    torch.manual_seed(2)
    assert torch.equal(redraw(q), first)
    for number, (image, expected) in enumerate(zip(PICTURES, first, strict=True)):
        alone = q(image[None], [keyed_generator(42, str(number))])[0]
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-5)


def test_another_generator_draws_other_noise(q: StableDiffusion) -> None:
    other = q(PICTURES, [keyed_generator(7, str(number)) for number in range(len(PICTURES))])
    assert not torch.allclose(other, redraw(q), atol=1e-3)


def test_the_last_bits_of_a_picture_do_not_change_its_noise(q: StableDiffusion) -> None:
    torch.testing.assert_close(redraw(q, PICTURES + 1e-6), redraw(q), rtol=0, atol=1e-3)


def test_no_draw_comes_from_the_global_generator(q: StableDiffusion) -> None:
    state = torch.get_rng_state()
    redraw(q)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--diffusion-prompt", "a zebra"),
        ("--diffusion-strength", 0.4),
        ("--diffusion-steps", 7),
        ("--diffusion-guidance", 3.0),
    ],
)
def test_each_flag_changes_the_pixels_and_its_entry_in_the_settings(
    q: StableDiffusion, q_with: Callable[..., StableDiffusion], flag: str, value: object
) -> None:
    other = q_with(flag, value)
    assert not torch.allclose(redraw(other), redraw(q), atol=1e-5)
    changed = {key: entry for key, entry in other.settings.items() if q.settings[key] != entry}
    assert changed == {flag[2:].replace("-", "_"): str(value)}


def test_a_low_strength_keeps_more_of_the_picture_than_a_high_one(q_with: Callable[..., StableDiffusion]) -> None:
    def distances(strength: float) -> Tensor:
        q = q_with("--diffusion-steps", 20, "--diffusion-strength", strength)
        latents = q.pipeline.vae.encode(PICTURES * 2 - 1).latent_dist.mode()
        redrawn = q.pipeline.vae.decode(latents).sample / 2 + 0.5  # random weights know no better copy of a picture
        return (redraw(q) - redrawn.clamp(0, 1)).square().mean((1, 2, 3))

    low, middle, high = (distances(strength) for strength in (0.05, 0.4, 1.0))
    assert (low < middle).all() and (middle < high).all(), (low, middle, high)


def test_amp_loads_weights_of_that_precision_and_still_returns_float32(
    q: StableDiffusion, q_with: Callable[..., StableDiffusion]
) -> None:
    half = q_with("--amp", "--amp-dtype", "bfloat16", "--channels-last")
    assert {weight.dtype for weight in half.parameters()} == {torch.bfloat16}
    with torch.autocast("cpu", torch.bfloat16):
        output, full = redraw(half), redraw(q)
    assert output.dtype == torch.float32 and output.isfinite().all()
    assert torch.equal(full, redraw(q)), "autocast must not reach networks that were loaded in float32"


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_value_that_is_not_finite_is_no_pixel(q: StableDiffusion, value: float) -> None:
    def overflow(layer: object, inputs: object, output: Tensor) -> Tensor:
        output[1, 2, 3, 4] = value
        return output

    good, hook = redraw(q), q.vae.decoder.conv_out.register_forward_hook(overflow)
    output = redraw(q)
    hook.remove()
    assert output.isfinite().logical_not().nonzero().tolist() == [[1, 2, 3, 4]]
    assert output[1, 2, 3, 4].isnan() and torch.equal(output[[0, 2]], good[[0, 2]])


def test_a_model_is_known_by_what_is_loaded_of_it_and_not_by_its_path(
    q: StableDiffusion, model: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(model, tmp_path / "moved")
    (moved / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"another precision")
    assert create("--diffusion-model", moved, "--diffusion-steps", 5).settings == q.settings

    config = moved / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"beta_end": 0.02', '"beta_end": 0.03'))
    other = create("--diffusion-model", moved, "--diffusion-steps", 5).settings
    assert {key for key in other if other[key] != q.settings[key]} == {"diffusion_model"}


@pytest.mark.parametrize("key, counts", [("scheduler", True), ("_diffusers_version", False), ("safety_checker", False)])
def test_the_class_of_a_part_counts_and_who_saved_it_does_not(
    model: Path, tmp_path: Path, key: str, counts: bool
) -> None:
    moved = shutil.copytree(model, tmp_path / "moved")
    index = json.loads((moved / "model_index.json").read_text())
    (moved / "model_index.json").write_text(json.dumps({**index, key: ["diffusers", "DDIMScheduler"]}))
    assert (model_digest(moved) != model_digest(model)) == counts


def refusal(kind: type[UserError], *words: object) -> str:
    with pytest.raises(kind) as error_info:
        create(*words)
    message = str(error_info.value)
    assert "\n" not in message and len(message) < 500
    return message


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *(("--diffusion-strength", value) for value in (0, -0.1, 1.01, 0.01, "nan")),
        *(("--diffusion-steps", value) for value in (0, -5, 1)),
        *(("--diffusion-guidance", value) for value in (-1, "nan", "inf")),
    ],
)
def test_flags_out_of_range_are_refused_before_anything_is_loaded(flag: str, value: object) -> None:
    message = refusal(UsageError, "--diffusion-model", "nowhere", flag, value)
    assert flag in message and str(value) in message


def test_more_steps_than_the_model_knows_are_refused(model: Path) -> None:
    assert "at most 1000" in refusal(UsageError, "--diffusion-model", model, "--diffusion-steps", 1001)


def test_a_missing_model_flag_is_refused_with_an_example() -> None:
    assert "needs --diffusion-model" in refusal(UsageError)


@pytest.mark.parametrize("package", ["diffusers", "transformers"])
def test_a_missing_package_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in ("diffusers", "transformers"):  # whatever is installed here, only `package` is missing
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)
    message = refusal(UsageError, "--diffusion-model", "nowhere")
    assert "pip install -r requirements-diffusion.txt" in message and package in message


def damage(folder: Path, what: str) -> None:
    """Break a copy of the model in one of the ways that happen."""
    unet = folder / "unet"
    if what == "empty":
        shutil.rmtree(folder)
        folder.mkdir()
    elif what == "cut":
        weights = unet / "diffusion_pytorch_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif what == "pickle":
        (unet / "diffusion_pytorch_model.safetensors").rename(unet / "diffusion_pytorch_model.bin")
    elif what == "other shapes":
        (unet / "config.json").write_text((unet / "config.json").read_text().replace("16", "32"))
    elif what == "no part":
        shutil.rmtree(folder / "vae")
    elif what == "other kind":
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, "unet": ["diffusers", "NoSuchNetwork"]}))


@pytest.mark.parametrize("what", ["empty", "cut", "pickle", "other shapes", "no part", "other kind"])
def test_a_folder_that_is_no_usable_model_is_refused(model: Path, tmp_path: Path, what: str) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    damage(folder, what)
    message = refusal(DataError, "--diffusion-model", folder)
    assert message.startswith(f"--diffusion-model {folder}: ")


@pytest.mark.parametrize("name", ["nowhere/at/all", __file__])
def test_a_name_that_is_neither_folder_nor_hub_id_is_refused(model: Path, name: str) -> None:
    assert name in refusal(DataError, "--diffusion-model", name)


@pytest.mark.parametrize("change", [{"in_channels": 9}, {"cross_attention_dim": 32}], ids=["inpainting", "sdxl"])
def test_a_u_net_that_wants_other_inputs_is_refused(model: Path, tmp_path: Path, change: dict[str, int]) -> None:
    from diffusers import UNet2DConditionModel

    folder = shutil.copytree(model, tmp_path / "model")
    UNet2DConditionModel(**{**UNET, **change}).save_pretrained(folder / "unet")
    assert "do not fit each other" in refusal(DataError, "--diffusion-model", folder)
