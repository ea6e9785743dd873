"""A network is built for the size of its images where it has to be, and what makes no logits is refused at once."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from small_models import Flags, load

from dad.errors import UsageError
from dad.models import create_student
from dad.models.sizes import fit_to_size, require_logits, takes_images

VITS = ["vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "levit_128s"]


@pytest.mark.parametrize("name", VITS)
def test_a_network_of_one_size_is_built_for_the_size_asked_for(name: str) -> None:
    assert fit_to_size(name, {}, (3, 64, 64)) == {"img_size": 64}
    assert fit_to_size(name, {}, (3, 64, 96))["img_size"] == (64, 96)
    assert fit_to_size(name, {}, (3, 224, 224)) == fit_to_size(name, {}, None) == {}


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("test_resnet", {}),
        ("vit_tiny_patch16_224", {"dynamic_img_size": True}),
        ("vit_tiny_patch16_224", {"img_size": 32}),
        ("local-dir:nowhere", {"depth": 1}),
    ],
)
def test_arguments_that_fit_stay(name: str, kwargs: dict[str, Any]) -> None:
    assert fit_to_size(name, kwargs, (3, 64, 64)) == kwargs


def test_img_size_reaches_the_student_and_whoever_loads_it(flags: Flags, tmp_path: Path) -> None:
    words = flags("--model", "vit_tiny_patch16_224", "--img-size", 48)
    torch.manual_seed(1)
    student, config = create_student(words, 6)
    torch.manual_seed(1)
    same = timm.create_model("vit_tiny_patch16_224", img_size=48, num_classes=6)
    assert config["input_size"] == (3, 48, 48) and student.pos_embed.shape == (1, 10, 192)
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in student.state_dict().items())
    content = {"arch": "vit_tiny_patch16_224", "state_dict": student.state_dict(), "args": words}
    torch.save(content, tmp_path / "last.pth.tar")
    assert load(tmp_path / "last.pth.tar").pos_embed.shape == (1, 10, 192)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["test_vit", "--model-kwargs", "features_only=True"], "--model test_vit: it makes a list of an image, not"),
        (["test_resnet", "--gp", ""], r"--model test_resnet: nothing comes of images of 32x32 pixels \(.*shapes"),
        (["inception_v3"], "--model inception_v3: nothing comes of images of 32x32 pixels .*give another --img-size"),
    ],
)
def test_what_makes_no_logits_is_refused_before_training(flags: Flags, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{message}"):
        create_student(flags("--img-size", 32, "--model", *words), 6)


def test_a_look_at_a_network_leaves_it_and_all_draws_as_they_were() -> None:
    model = timm.create_model("test_resnet", drop_rate=0.5)
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    require_logits(model, "test_resnet", (3, 64, 64))
    assert model.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(("name", "takes"), [("test_resnet", True), ("vit_tiny_patch16_224", False)])
def test_a_network_is_asked_which_sizes_it_takes_and_stays_as_it_was(name: str, takes: bool) -> None:
    model = timm.create_model(name).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert takes_images(model, (3, 112, 112)) == takes and takes_images(model, (3, 224, 224))
    assert model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
