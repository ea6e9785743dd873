"""What a checkpoint brings back, and what is said where it does not fit."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from small_models import LOOK, MEAN, STD, VIT, Flags, load, small_resnet

import train
from dad.checkpoints import read_checkpoint
from dad.errors import DataError
from dad.models import create_student


@pytest.fixture
def checkpoint(train_flags: list[str], tmp_path: Path) -> str:
    """A checkpoint of train.py with a moving average, for images of an unusual normalisation."""
    words = [str(word) for word in ("--objective", "ce", "--epochs", 1, *LOOK, "--crop-pct", 0.5, "--model-ema")]
    train.main([*train_flags, *words])
    return str(tmp_path / "run" / "last.pth.tar")


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
    student, _ = create_student(flags(*VIT), 6)
    torch.save({"model": student.state_dict()}, tmp_path / "weights.pth")
    model = load(str(tmp_path / "weights.pth"), "test_vit2", model_kwargs={"img_size": 32})
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


def test_a_parameter_of_another_network_is_refused(tmp_path: Path) -> None:
    weights = {**small_resnet().state_dict(), "layer1.0.gamma": torch.ones(3)}
    torch.save({"state_dict": weights, "arch": "test_resnet"}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"larger network .* e\.g\. layer1\.0\.gamma\).*the file says it is of test_re"):
        load(tmp_path / "x.pth")


def test_averages_under_timms_older_name_are_scored(tmp_path: Path) -> None:
    plain = small_resnet().state_dict()
    averaged = small_resnet().state_dict()
    torch.save({"model": plain, "model_ema": averaged}, tmp_path / "x.pth")
    for use_ema, state in ((False, plain), (True, averaged)):
        model = load(tmp_path / "x.pth", "test_resnet", use_ema=use_ema)
        assert torch.equal(model.fc.weight, state["fc.weight"])


def test_averages_alone_have_to_be_asked_for(tmp_path: Path) -> None:
    torch.save({"model_ema": small_resnet().state_dict()}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"no weights under state_dict or model, averaged ones alone .*add --use-ema"):
        load(tmp_path / "x.pth", "test_resnet")


def test_a_network_without_a_head_cannot_be_scored(tmp_path: Path) -> None:
    torch.save({k: v for k, v in small_resnet().state_dict().items() if not k.startswith("fc.")}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"has no head \(fc\.weight, fc\.bias\), .*--initial-checkpoint"):
        load(tmp_path / "x.pth", "test_resnet")


def test_the_architecture_in_a_file_informs_and_the_users_word_decides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights = timm.create_model("test_vit2", num_classes=6).state_dict()
    torch.save({"state_dict": weights, "arch": "test_vit2"}, tmp_path / "x.pth")
    assert load(tmp_path / "x.pth").pretrained_cfg["architecture"] == "test_vit2" and not caplog.records
    with pytest.raises(DataError, match=r"does not fit .* the file says it is of test_vit2"):
        load(tmp_path / "x.pth", "test_vit", name_decides=True)
    assert "x.pth says that it is of test_vit2; it is read as test_vit" in caplog.text


def test_an_architecture_that_timm_does_not_have_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": small_resnet().state_dict(), "arch": "my_net"}, tmp_path / "x.pth")
    with pytest.raises(DataError, match="is of my_net, which timm does not have; name its model by --model"):
        load(tmp_path / "x.pth")
    assert load(tmp_path / "x.pth", "test_resnet", name_decides=True)
