"""The student: what flags make of it, what a checkpoint brings back, and what is said when the two do not fit."""

import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.layers import is_fast_norm

import train
from dad.checkpoints import read_checkpoint
from dad.errors import DataError, UsageError
from dad.images.classes import ClassList
from dad.models import create_student, load_student
from dad.teachers import create_teacher

Flags = Callable[..., Namespace]
SMALL = ("--model", "test_vit2", "--model-kwargs", "img_size=32", "--img-size", 32)
MEAN, STD = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
LOOK = ("--mean", *MEAN, "--std", *STD)


@pytest.fixture
def checkpoint(train_flags: list[str], tmp_path: Path) -> str:
    """A checkpoint of train.py with a moving average, for images of an unusual normalisation."""
    words = [str(word) for word in ("--objective", "ce", "--epochs", 1, *LOOK, "--crop-pct", 0.5, "--model-ema")]
    train.main([*train_flags, *words])
    return str(tmp_path / "run" / "last.pth.tar")


def load(checkpoint: str, **changes: Any) -> Any:
    settings = {"model_name": "resnet50", "num_classes": 6, "use_ema": False, "pretrained": False, "model_kwargs": {}}
    return load_student(**{**settings, "checkpoint": checkpoint, **changes})


def test_mean_and_std_of_the_flags_are_the_models_own(flags: Flags) -> None:
    student, config = create_student(flags(*SMALL, *LOOK), 6)
    for place in (config, student.pretrained_cfg):
        assert place["mean"] == MEAN and place["std"] == STD and place["input_size"] == (3, 32, 32)
    student, config = create_student(flags(*SMALL), 6)
    assert config["mean"] == student.pretrained_cfg["mean"] == (0.5, 0.5, 0.5)


def test_the_head_has_the_classes_of_the_list_and_starts_as_asked(flags: Flags) -> None:
    torch.manual_seed(0)
    plain: Any = create_student(flags(*SMALL), 6)[0].get_classifier()
    torch.manual_seed(0)
    words = ("--head-init-scale", 0.5, "--head-init-bias", -3)
    scaled: Any = create_student(flags(*SMALL, *words), 6)[0].get_classifier()
    assert plain.out_features == 6 and torch.equal(scaled.weight, 0.5 * plain.weight)
    assert scaled.bias.tolist() == [-3.0] * 6


def test_an_initial_checkpoint_is_loaded(flags: Flags, tmp_path: Path) -> None:
    student, _ = create_student(flags(*SMALL), 6)
    torch.save(student.state_dict(), tmp_path / "weights.pth")
    again, _ = create_student(flags(*SMALL, "--initial-checkpoint", tmp_path / "weights.pth"), 6)
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
    create_student(flags(*SMALL, *words), 6)
    assert is_fast_norm() == fast


@pytest.mark.parametrize("words, size", [(("--input-size", 3, 32, 64), (3, 32, 64)), ((), (3, 48, 48))])
def test_input_size_comes_before_img_size(words: tuple[Any, ...], size: tuple[int, ...], flags: Flags) -> None:
    config = create_student(flags("--model", "test_resnet", "--img-size", 48, *words), 6)[1]
    assert config["input_size"] == size


@pytest.mark.parametrize("use_ema, key", [(False, "state_dict"), (True, "state_dict_ema")])
def test_a_checkpoint_brings_back_weights_and_the_look_of_images(checkpoint: str, use_ema: bool, key: str) -> None:
    model, content = load(checkpoint, use_ema=use_ema), read_checkpoint(checkpoint)
    weights = {name.removeprefix("module."): value for name, value in content[key].items()}
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    config = model.pretrained_cfg
    assert (config["mean"], config["std"], config["crop_pct"]) == (MEAN, STD, 0.5)
    assert config["input_size"] == (3, 32, 32) and config["architecture"] == "test_vit2" and not model.training


def test_the_average_is_not_the_last_weights(checkpoint: str) -> None:
    content = read_checkpoint(checkpoint)
    last, average = content["state_dict"], content["state_dict_ema"]
    assert set(last) == set(average) and not all(torch.equal(last[key], average[key]) for key in last)


def test_bare_weights_need_the_name_of_their_model(flags: Flags, tmp_path: Path) -> None:
    student, _ = create_student(flags(*SMALL), 6)
    torch.save({"model": student.state_dict()}, tmp_path / "weights.pth")
    model = load(str(tmp_path / "weights.pth"), model_name="test_vit2", model_kwargs={"img_size": 32})
    assert torch.equal(model.state_dict()["head.weight"], student.state_dict()["head.weight"])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_classes": 7}, r"does not fit VisionTransformer with 7 classes \(2 tensors .*--class-map"),
        ({"model_kwargs": {"img_size": 64}}, r"does not fit VisionTransformer .* e\.g\. pos_embed"),
    ],
)
def test_a_checkpoint_of_another_shape_is_refused(checkpoint: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(checkpoint, **changes)


def test_a_missing_average_is_said(checkpoint: str, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=False)
    del content["state_dict_ema"]
    torch.save(content, tmp_path / "plain.pth.tar")
    with pytest.raises(DataError, match=r"plain\.pth\.tar has no EMA weights; leave out --use-ema"):
        load(str(tmp_path / "plain.pth.tar"), use_ema=True)


@pytest.mark.parametrize(
    "words, error, message",
    [
        (("--model", "test_vit3000"), UsageError, r"--model test_vit3000: timm has no such model \(near: test_"),
        (("--model", "test_vit2", "--model-kwargs", "width=3"), UsageError, r"--model-kwargs \{'width': 3\}: test_vit"),
        (("--num-classes", 9), UsageError, r"--num-classes 9, but the class list has 6"),
        (("--initial-checkpoint", "none.pth"), DataError, r"--initial-checkpoint none\.pth: no such file"),
    ],
)
def test_flags_that_make_no_model_are_refused(
    words: tuple[Any, ...], error: type[Exception], message: str, flags: Flags
) -> None:
    with pytest.raises(error, match=message):
        create_student(flags(*SMALL, *words), 6)


class Payload:
    """A pickle that runs code when it is read carelessly."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('the payload ran')",)


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param(b"hello world\n", "damaged, or not a checkpoint", id="text"),
        pytest.param(b"", "damaged, or not a checkpoint", id="empty"),
        pytest.param(b"PK\x03\x04 half a zip", "damaged, or not a checkpoint", id="half"),
        pytest.param(pickle.dumps(Payload(), protocol=2), "damaged, or not a checkpoint", id="code"),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "bad.pth").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_checkpoint(str(tmp_path / "bad.pth"))


def test_a_missing_or_odd_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"checkpoint none\.pth: no such file"):
        read_checkpoint("none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="expected a dictionary, found list"):
        read_checkpoint(str(tmp_path / "list.pth"))


def test_a_teacher_from_a_checkpoint_of_train_keeps_the_look_of_its_images(
    train_flags: list[str], tmp_path: Path, flags: Flags
) -> None:
    words = ("--objective", "ce", "--epochs", 1, "--model", "test_resnet", "--model-kwargs", *LOOK)
    train.main([*train_flags, *map(str, words)])
    args = flags("--teacher", f"test_resnet@{tmp_path / 'run' / 'last.pth.tar'}")
    teacher = create_teacher(args, ClassList(tuple("abcdef"), tuple("abcdef")), torch.device("cpu"))
    assert (teacher.data_config["mean"], teacher.data_config["std"]) == (MEAN, STD)
    assert teacher.data_config["input_size"] == (3, 32, 32)
