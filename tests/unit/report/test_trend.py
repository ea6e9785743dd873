"""Published models and their lines."""

from collections.abc import Iterable

import pytest

from dad.report.trend import TREND_SETS, Line, Published, fit_line, inverse_logit, logit, published_models, trend_lines

# slope, intercept, R2 over all 1,265 models, as another program had fitted them
ALL = {
    "imagenet-a": (3.702, -6.761, 0.837),
    "imagenet-r": (1.394, -2.168, 0.732),
    "imagenet-real": (0.943, 0.467, 0.978),
    "imagenetv2": (0.916, -0.486, 0.993),
    "imagenet-sketch": (1.380, -2.722, 0.857),
}
# and of the plain ones, with what is expected at the ImageNet accuracies of the paper's ResNet-50 and ViT-B/16 + DAD
PLAIN = {
    "imagenet-a": (3.229, -6.208, 0.766, 7.8, 14.0),
    "imagenet-r": (0.974, -1.661, 0.891, 37.0, 41.7),
    "imagenet-real": (1.003, 0.389, 0.989, 82.5, 85.2),
    "imagenetv2": (0.909, -0.477, 0.995, 64.0, 68.1),
    "imagenet-sketch": (1.121, -2.413, 0.914, 24.7, 29.2),
}


def numbers(line: Line) -> tuple[float, float, float]:
    return round(line.slope, 3), round(line.intercept, 3), round(line.r2, 3)


def models(*names: str) -> Iterable[bool]:
    return (Published(name, 80.0, {}).is_plain for name in names)


def test_lines_of_all_models_are_those_of_another_program() -> None:
    assert len(published_models()) == 1265
    assert {name: numbers(fit_line(published_models(), name)) for name in ALL} == ALL


def test_lines_are_of_models_that_have_seen_imagenet_alone() -> None:
    found = {name: (*numbers(line), round(line.at(76.1), 1), round(line.at(79.6), 1))
             for name, line in trend_lines().items()}  # fmt: skip
    assert found == PLAIN and {line.count for line in trend_lines().values()} == {885}
    assert {(line.lowest, line.highest) for line in trend_lines().values()} == {(40.982, 87.414)}


def test_which_models_are_chosen_hardly_moves_a_line() -> None:
    own_pretraining = [
        model for model in published_models() if model.is_plain or "dist" in model.name.partition(".")[2]
    ]
    assert len(own_pretraining) > 950
    for name, line in trend_lines().items():
        other = fit_line(own_pretraining, name)
        assert all(abs(line.at(share) - other.at(share)) < 0.25 for share in (76.1, 79.6))


def test_a_name_tells_of_other_data_and_of_teachers() -> None:
    assert all(models("resnet50.a1_in1k", "vit_base_patch16_224.augreg_in1k", "swin_tiny_patch4_window7_224.ms_in1k"))
    others = ("vit_base_patch16_224.augreg_in21k_ft_in1k", "tf_efficientnet_b7.ns_jft_in1k", "regnety_160.swag_lc_in1k",
              "resnet50.fb_ssl_yfcc100m_ft_in1k", "deit_base_distilled_patch16_224.fb_in1k",
              "vit_base_patch16_clip_224.openai_ft_in1k", "convnext_base.clip_laiona_augreg_ft_in1k_384")  # fmt: skip
    assert not any(models(*others))


def test_every_model_is_there_once_with_every_set() -> None:
    assert len({model.name for model in published_models()}) == 1265
    assert all(set(model.variants) == set(TREND_SETS) for model in published_models())


def test_a_line_is_straight_on_the_scale_of_logits() -> None:
    line = Line(-1.0, 2.0, 1.0, 10, 40.0, 80.0)
    assert line.at(50) == pytest.approx(inverse_logit(-1)) and logit(line.at(70)) == pytest.approx(-1 + 2 * logit(70))
    assert [line.covers(share) for share in (39.9, 40, 80, 80.1)] == [False, True, True, False]
