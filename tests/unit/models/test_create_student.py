"""The student that flags describe, and what is said of flags that make none."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import LOOK, MEAN, STD, VIT, Flags
from timm.layers import is_fast_norm

from dad.errors import DataError, UsageError
from dad.models import create_student


def test_mean_and_std_of_the_flags_are_the_models_own(flags: Flags) -> None:
    student, config = create_student(flags(*VIT, *LOOK), 6)
    for place in (config, student.pretrained_cfg):
        assert place["mean"] == MEAN and place["std"] == STD and place["input_size"] == (3, 32, 32)
    student, config = create_student(flags(*VIT), 6)
    assert config["mean"] == student.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)


def test_the_head_has_the_classes_of_the_list_and_starts_as_asked(flags: Flags) -> None:
    torch.manual_seed(0)
    plain: Any = create_student(flags(*VIT), 6)[0].get_classifier()
    torch.manual_seed(0)
    words = ("--head-init-scale", 0.5, "--head-init-bias", -3)
    scaled: Any = create_student(flags(*VIT, *words), 6)[0].get_classifier()
    assert plain.out_features == 6 and torch.equal(scaled.weight, 0.5 * plain.weight)
    assert scaled.bias.tolist() == [-3.0] * 6


def test_an_initial_checkpoint_is_loaded(flags: Flags, tmp_path: Path) -> None:
    student, _ = create_student(flags(*VIT), 6)
    torch.save(student.state_dict(), tmp_path / "weights.pth")
    again, _ = create_student(flags(*VIT, "--initial-checkpoint", tmp_path / "weights.pth"), 6)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in student.state_dict().items())


def test_flags_of_the_network_reach_it(flags: Flags) -> None:
    words = ("--bn-momentum", 0.3, "--bn-eps", 0.01, "--gp", "max", "--drop-connect", 0.2)
    student: Any = create_student(flags("--model", "test_efficientnet", *words), 6)[0]
    norms = [layer for layer in student.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert {(layer.momentum, layer.eps) for layer in norms} == {(0.3, 0.01)}
    assert student.global_pool.pool_type == "max"
    assert max(getattr(layer, "drop_prob", 0) for layer in student.modules()) > 0.1


def test_blocks_are_dropped_where_the_network_has_it(flags: Flags) -> None:
    student, _ = create_student(flags("--model", "test_resnet", "--drop-block", 0.1), 6)
    assert any(type(layer).__name__ == "DropBlock2d" for layer in student.modules())


@pytest.mark.parametrize("words, fast", [(("--fast-norm",), True), ((), False)])
def test_fast_norm_is_for_the_models_of_this_run(words: tuple[str, ...], fast: bool, flags: Flags) -> None:
    create_student(flags(*VIT, *words), 6)
    assert is_fast_norm() == fast


@pytest.mark.parametrize("words, size", [(("--input-size", 3, 32, 64), (3, 32, 64)), ((), (3, 48, 48))])
def test_input_size_comes_before_img_size(words: tuple[Any, ...], size: tuple[int, ...], flags: Flags) -> None:
    config = create_student(flags("--model", "test_resnet", "--img-size", 48, *words), 6)[1]
    assert config["input_size"] == size


@pytest.mark.parametrize(
    "words, error, message",
    [
        (("--model", "test_vit3000"), UsageError, r"--model test_vit3000: timm has no such model \(near: test_"),
        (("--model", "test_vit2", "--model-kwargs", "width=3"), UsageError, r"--model-kwargs \{'width': 3\}: test_vit"),
        (("--num-classes", 9), UsageError, r"--num-classes 9, but the class list has 6"),
        (("--model", "local-dir:none"), DataError, r"^--model local-dir:none: its configuration cannot be read \("),
        (("--model", "hf_hub:"), DataError, r"^--model hf_hub:: its configuration cannot be read \(Model name"),
        (("--model", "hf-hub:a/b"), DataError, r"^--model hf-hub:a/b: its configuration cannot be read \("),
        (("--initial-checkpoint", "none.pth"), DataError, r"--initial-checkpoint none\.pth: no such file"),
    ],
)
def test_flags_that_make_no_model_are_refused(
    words: tuple[Any, ...], error: type[Exception], message: str, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=message):
        create_student(flags(*VIT, *words), 6)
