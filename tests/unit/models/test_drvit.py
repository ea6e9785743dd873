"""Discrete ViT: both forms, and the weights that bring its encoder."""

import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from small_models import Flags, load
from taming.modules.diffusionmodules.model import Encoder
from timm.optim import create_optimizer_v2
from tiny_drvit import SIZES, WORDS, make_drvit, make_vqgan, save_vqgan
from torch import Tensor

from dad.checkpoints import find_misfit
from dad.errors import DataError, UsageError
from dad.models import create_student
from dad.models.drvit import own_names
from dad.models.names import near_models

NAME = "drvit_small_patch16_224"


@pytest.fixture
def vqgan(tmp_path: Path) -> str:
    return save_vqgan(tmp_path)


def student(flags: Flags, *words: Any) -> Any:
    return create_student(flags("--model", NAME, "--img-size", 32, *words), 6)[0]


def easyrobust_names(model: Any) -> dict[str, Tensor]:
    """Weights under the names that easyrobust has published them by."""
    names = {"patch_embed.vqgan.encoder": "vq_encoder", "patch_embed.vqgan.quant_conv": "vq_quant_conv"}
    names |= {"patch_embed.vqgan.quantize": "quantize", "fc_norm": "norm"}
    start = {key: next((own for own in names if key.startswith(f"{own}.")), "") for key in model.state_dict()}
    return {
        names.get(start[key], "") + key.removeprefix(start[key]): value for key, value in model.state_dict().items()
    }


def test_timm_knows_them_and_so_do_near_names() -> None:
    config = timm.get_pretrained_cfg(NAME)
    assert (config.mean, config.std, config.num_classes) == ((0.5,) * 3, (0.5,) * 3, 1000)
    assert near_models("drvit_smal_patch16_224")[0] == NAME and timm.is_model("drvit_base_patch16_224")


@pytest.mark.parametrize(("size", "pixels"), [("small", 128), ("base", 512)])
def test_the_published_tensors_of_easyrobust_fit(size: str, pixels: int) -> None:
    """By names and shapes that are written here anew: timm 0.5's ViT, taming's encoder, and a codebook."""
    with torch.device("meta"):
        theirs = timm.create_model(f"vit_{size}_patch16_224").state_dict()
        encoder = Encoder(
            ch=128, out_ch=3, ch_mult=(1, 1, 2, 2, 4), num_res_blocks=2, attn_resolutions=(16,), in_channels=3,
            resolution=256, z_channels=256, double_z=False,
        )  # fmt: skip
        theirs |= {f"vq_encoder.{key}": value for key, value in encoder.state_dict().items()}
        shapes = {"vq_quant_conv.weight": (256, 256, 1, 1), "vq_quant_conv.bias": (256,)}
        shapes |= {"quantize.embedding.weight": (1024, 256), "patch_embed.proj.weight": (pixels, 3, 16, 16)}
        shapes |= {"patch_embed.proj.bias": (pixels,)}
        theirs |= {key: torch.empty(shape) for key, shape in shapes.items()}
        model = timm.create_model(f"drvit_{size}_patch16_224")
    assert not find_misfit(model, own_names(theirs))


def test_the_default_form_is_easyrobusts(vqgan: str) -> None:
    model, pixels = make_drvit(vqgan), torch.rand(2, 3, 32, 32)
    images = pixels * 2 - 1
    q = make_vqgan()
    codes = q.quantize.weight[q.encode(pixels)].flatten(1, 2)
    tokens = torch.cat([model.patch_embed.proj(images).flatten(2).transpose(1, 2), codes], dim=2)
    tokens = torch.cat([model.cls_token.expand(2, 1, -1), tokens], dim=1) + model.pos_embed
    means = model.blocks(tokens)[:, 1:].mean(dim=1)
    torch.testing.assert_close(model(images), model.head(model.fc_norm(means)))
    assert model.patch_embed.proj.out_channels == 48 - 8 and isinstance(model.norm, torch.nn.Identity)


def test_the_official_form_has_zeros_a_difference_and_its_class_token(vqgan: str) -> None:
    model, images = make_drvit(vqgan, form="official", embed_dim=64), torch.rand(2, 3, 32, 32)
    assert model(images).unique().tolist() == pytest.approx([-math.log(6)])  # a head of zeros
    tokens = model.patch_embed(images)
    plain = make_vqgan().quantize.weight
    assert not tokens[..., 40:].any() and model.patch_embed.proj.out_channels == 32
    codes = model.patch_embed.vqgan(images).flatten(1)
    assert torch.equal(tokens[..., 32:40], plain[codes])
    with torch.no_grad():
        model.patch_embed.code_delta.fill_(1)
    torch.testing.assert_close(model.patch_embed(images)[..., 32:40], plain[codes] + 0.01)
    features = model.forward_features(images)
    assert torch.equal(model.pool(features), features[:, 0])


def test_the_codes_difference_learns_at_a_hundredth_of_the_rate(vqgan: str) -> None:
    model, images = make_drvit(vqgan, form="official", embed_dim=64), torch.rand(8, 3, 32, 32)
    before = model.patch_embed(images)[..., 32:40].detach()
    optimizer = create_optimizer_v2(model, "adamw", lr=0.1, weight_decay=0.5)
    (1e3 * model.patch_embed(images)[..., 32:40]).sum().backward()
    optimizer.step()
    torch.testing.assert_close(model.patch_embed(images)[..., 32:40], before - 0.1 / 100)


def test_only_what_is_trained_is_in_the_optimiser(vqgan: str) -> None:
    model = make_drvit(vqgan)
    frozen = {id(weight) for weight in model.patch_embed.vqgan.parameters()}
    for decay in (0.0, 0.1):
        groups = create_optimizer_v2(model, "adamw", lr=0.1, weight_decay=decay).param_groups
        assert not frozen & {id(weight) for group in groups for weight in group["params"]}


def test_a_patch_without_a_code_is_no_number(vqgan: str) -> None:
    model = make_drvit(vqgan)
    model.patch_embed.vqgan.quant_conv.bias.data.fill_(torch.inf)
    assert model(torch.zeros(1, 3, 32, 32)).isnan().all()


def test_its_images_may_be_normalised_otherwise(vqgan: str, flags: Flags) -> None:
    words = ("--mean", 0.4, 0.5, 0.6, "--std", 0.2, 0.3, 0.4)
    model = student(flags, "--model-kwargs", f"vqgan={vqgan}", *WORDS, *words).patch_embed.vqgan
    pixels, mean, std = torch.rand(1, 3, 32, 32), torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.3, 0.4])
    assert torch.equal(model((pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1)), make_vqgan().encode(pixels))


@pytest.mark.parametrize(("form", "width"), [("easyrobust", 48), ("official", 64)])
def test_weights_go_out_and_in_without_the_vqgans_file(vqgan: str, tmp_path: Path, form: str, width: int) -> None:
    model, images = make_drvit(vqgan, form=form, embed_dim=width), torch.rand(2, 3, 32, 32)
    torch.save(model.state_dict(), tmp_path / "x.pth")
    Path(vqgan).unlink()
    again = load(tmp_path / "x.pth", NAME, model_kwargs={**SIZES, "embed_dim": width})
    assert torch.equal(again(images), model(images))


def test_weights_by_easyrobusts_names_are_read(vqgan: str, tmp_path: Path) -> None:
    model, images = make_drvit(vqgan), torch.rand(2, 3, 32, 32)
    theirs = {f"module.{key}": value for key, value in easyrobust_names(model).items()}
    assert "module.vq_encoder.conv_in.weight" in theirs and "module.norm.bias" in theirs
    torch.save({"state_dict": theirs, "arch": "drvit_small_patch16"}, tmp_path / "x.pth.tar")
    assert torch.equal(load(tmp_path / "x.pth.tar", NAME, model_kwargs=SIZES, name_decides=True)(images), model(images))


def test_a_students_first_weights_may_bring_the_encoder(vqgan: str, tmp_path: Path, flags: Flags) -> None:
    model = make_drvit(vqgan)
    torch.save(model.state_dict(), tmp_path / "own.pth")
    torch.save(easyrobust_names(model), tmp_path / "theirs.pth")
    for words in (("--initial-checkpoint", tmp_path / "own.pth"), ("--pretrained-path", tmp_path / "theirs.pth")):
        again = student(flags, "--model-kwargs", *WORDS, *words)
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items())


def test_another_vqgan_than_the_weights_is_refused(vqgan: str, tmp_path: Path, flags: Flags) -> None:
    torch.save(make_drvit(vqgan).state_dict(), tmp_path / "x.pth")
    other = save_vqgan(tmp_path, seed=1)
    with pytest.raises(DataError, match=rf"checkpoint .*x\.pth: .*another VQGAN.* than --model-kwargs vqgan={other}"):
        load(tmp_path / "x.pth", NAME, model_kwargs={**SIZES, "vqgan": other})
    load(tmp_path / "x.pth", NAME, model_kwargs={**SIZES, "vqgan": vqgan})
    with pytest.raises(DataError, match="another VQGAN"):
        student(flags, "--model-kwargs", f"vqgan={other}", *WORDS, "--initial-checkpoint", tmp_path / "x.pth")


def test_what_makes_no_discrete_vit_is_said(vqgan: str, tmp_path: Path, flags: Flags) -> None:
    def message(*words: Any) -> str:
        with pytest.raises((UsageError, DataError)) as caught:
            student(flags, *words)
        return str(caught.value)

    assert "drvit_small_patch16_224 sees images through a VQGAN" in message("--model-kwargs", "depth=1")
    assert "vqgan= nowhere: no such file" in message("--model-kwargs", "vqgan=nowhere")
    assert "form=odd: a Discrete ViT is of easyrobust or off" in message("--model-kwargs", f"vqgan={vqgan}", "form=odd")
    assert "its codes are of 16 pixels a side" in message("--model-kwargs", f"vqgan={vqgan}", "patch_size=8")
    assert "embed_dim 8, but the VQGAN's codes have 8" in message("--model-kwargs", f"vqgan={vqgan}", "embed_dim=8")
    torch.save(timm.create_model("test_vit2").state_dict(), tmp_path / "vit.pth")
    assert "vit.pth has no VQGAN's encoder among its w" in message("--initial-checkpoint", tmp_path / "vit.pth")
    assert "images of (40, 40) pixels: multiples of 16" in message("--model-kwargs", f"vqgan={vqgan}", "img_size=40")
    with pytest.raises(UsageError, match="nothing comes of images of 40x40 pixels"):
        create_student(flags("--model", NAME, "--img-size", 40, "--model-kwargs", f"vqgan={vqgan}", *WORDS[:-1]), 6)


def test_it_is_built_for_other_image_sizes(vqgan: str, flags: Flags) -> None:
    model, config = create_student(
        flags("--model", NAME, "--img-size", 64, "--model-kwargs", f"vqgan={vqgan}", *WORDS[:-1]), 6
    )
    assert config["input_size"] == (3, 64, 64) and model(torch.rand(1, 3, 64, 64)).shape == (1, 6)
