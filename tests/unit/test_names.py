"""A name that nobody knows is answered with those that are near."""

import pytest

from dad.names import near_names, nearest_name

MODELS = (
    "resnet18", "resnet50", "resnet50d", "resnet101", "vit_base_patch16_224", "vit_large_patch16_224",
    "vit_base_r50_s16_224", "mobilenetv3_small_100", "mobilenetv3_small_075", "efficientnetv2_s", "nest_small",
    "deit_small_patch16_224",
)  # fmt: skip


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("ResNet-50", "resnet50"),
        ("resnet81", "resnet18"),
        ("mobilenetv3_small", "mobilenetv3_small_075"),
        ("mobilenet_v3_small", "mobilenetv3_small_075"),
        ("efficientnet_v2_s", "efficientnetv2_s"),
        ("vit_b_16", "vit_base_patch16_224"),
        ("ViT-B/16", "vit_base_patch16_224"),
        ("vit_l_16", "vit_large_patch16_224"),
        ("deit_small", "deit_small_patch16_224"),  # which difflib ranks below nest_small
        ("vit_bsae_patch16_224", "vit_base_patch16_224"),
    ],
)
def test_the_likeliest_name_comes_first(word: str, first: str) -> None:
    assert near_names(word, MODELS)[0] == first


def test_relatives_of_another_size_come_before_other_families() -> None:
    assert set(near_names("resnet81", MODELS)) == {"resnet18", "resnet50", "resnet101"}


@pytest.mark.parametrize("word", ["zzzz", "", "-"])
def test_nothing_is_near_to_nonsense(word: str) -> None:
    assert near_names(word, MODELS) == [] and nearest_name(word, MODELS) == ""


def test_no_more_names_are_given_than_asked_for() -> None:
    assert len(near_names("resnet", MODELS, count=2)) == 2
