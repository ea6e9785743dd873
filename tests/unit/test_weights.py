"""Which tensors of a file are a network's: every name of them, what is harmless, and weights of another network."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from dad.checkpoints import AVERAGED, PLAIN, choose_weights, find_misfit
from dad.errors import DataError, UserError
from dad.images.classes import ClassList
from dad.models import create_student, load_student
from dad.teachers import create_teacher

ONE, TWO = {"w": torch.ones(1)}, {"w": 2 * torch.ones(1)}
Flags = Callable[..., Namespace]


@pytest.mark.parametrize(
    ("content", "names", "found"),
    [
        (ONE, PLAIN, ONE),
        ({"state_dict": ONE, "state_dict_ema": TWO}, PLAIN, ONE),
        ({"state_dict": ONE, "state_dict_ema": TWO}, AVERAGED, TWO),
        ({"model": ONE, "model_ema": TWO}, AVERAGED, TWO),
        ({"model": ONE, "model_ema": TWO}, PLAIN, ONE),
        ({"model": {"module._orig_mod.w": ONE["w"]}}, PLAIN, ONE),
        ({"model": ONE, "state_dict_ema": None}, (*AVERAGED, *PLAIN), ONE),
        ({"model_ema": TWO}, PLAIN, None),
        ({"epoch": 3}, PLAIN, None),
    ],
)
def test_weights_are_found_under_every_name_that_timm_reads(
    content: dict[str, Any], names: tuple[str, ...], found: dict[str, Tensor] | None
) -> None:
    assert choose_weights(content, names) == found


def small_resnet(classes: int = 6) -> nn.Module:
    model: nn.Module = timm.create_model("test_resnet", num_classes=classes)
    return model


@pytest.mark.parametrize(
    "key",
    ["bn9.num_batches_tracked", "layers.0.blocks.1.attn.relative_position_index", "layers.0.blocks.1.attn_mask",
     "embeddings.position_ids", "total_params", "layer1.0.bn1.aux_bn.0.weight"],
)  # fmt: skip
def test_what_a_network_computes_for_itself_may_be_left_over(key: str) -> None:
    model = small_resnet()
    assert not find_misfit(model, {**model.state_dict(), key: torch.zeros(1)})


@pytest.mark.parametrize("key", ["bn1.num_batches_tracked"])
def test_and_may_be_missing(key: str) -> None:
    model = small_resnet()
    state = model.state_dict()
    del state[key]
    assert not find_misfit(model, state)


@pytest.mark.parametrize("key", ["layer9.weight", "mask_token", "head_dist.bias", "layer1.0.gamma", "bn9.running_mean"])
def test_every_other_tensor_that_is_left_over_is_named(key: str) -> None:
    model = small_resnet()
    assert find_misfit(model, {**model.state_dict(), key: torch.zeros(1)}).left == (key,)


@pytest.mark.parametrize("key", ["bn1.running_mean", "layer1.0.bn1.bias", "conv1.0.weight"])
def test_every_other_tensor_that_is_missing_is_named(key: str) -> None:
    state = small_resnet().state_dict()
    del state[key]
    assert find_misfit(small_resnet(), state).missing == (key,)


def load(path: Path, name: str = "resnet50", **changes: Any) -> Any:
    settings = {"num_classes": 6, "use_ema": False, "pretrained": False, "model_kwargs": {}}
    return load_student(name, checkpoint=str(path), **{**settings, **changes})


def test_a_parameter_of_another_network_is_refused(tmp_path: Path) -> None:
    weights = {**small_resnet().state_dict(), "layer1.0.gamma": torch.ones(3)}
    torch.save({"state_dict": weights, "arch": "test_resnet"}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"larger network .* e\.g\. layer1\.0\.gamma\).*the file says it is of test_re"):
        load(tmp_path / "x.pth")


def test_averages_under_timms_older_name_are_scored(tmp_path: Path) -> None:
    plain, averaged = small_resnet().state_dict(), small_resnet().state_dict()
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


@pytest.mark.parametrize("names", [("model", "model_ema"), ("model_ema", "epoch")])
def test_a_teacher_takes_its_weights_and_else_their_average(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = small_resnet(), small_resnet()
    weights = dict(zip(names, (first.state_dict(), second.state_dict() if names[1] == "model_ema" else 3), strict=True))
    torch.save(weights, tmp_path / "x.pth")
    six = ClassList(tuple("abcdef"), tuple("abcdef"))
    teacher = create_teacher(Namespace(teacher=f"test_resnet@{tmp_path / 'x.pth'}"), six, torch.device("cpu"))
    assert torch.equal(teacher.model.fc.weight, first.fc.weight)


WAYS = ("--initial-checkpoint", "--pretrained-path")
SMALL = ("--model", "test_resnet")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state}])
def test_a_student_starts_from_a_file(flags: Flags, tmp_path: Path, way: str, wrap: Callable[[Any], Any]) -> None:
    torch.save(wrap(small_resnet().state_dict()), tmp_path / "x.pth")
    student, _ = create_student(flags(*SMALL, way, tmp_path / "x.pth"), 6)
    expected = torch.load(tmp_path / "x.pth")
    expected = expected.get("model", expected)
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in expected.items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("there", "said"), [(9, "its head is of 9 classes"), (0, "it has no head")])
def test_weights_of_other_classes_are_a_body_with_a_new_head(
    flags: Flags, tmp_path: Path, way: str, there: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "dad")
    body = small_resnet(there).state_dict()
    torch.save(body, tmp_path / "x.pth")
    student: Any = create_student(flags(*SMALL, way, tmp_path / "x.pth"), 6)[0]
    assert torch.equal(student.conv1[0].weight, body["conv1.0.weight"]) and student.fc.out_features == 6
    assert f"{way} {tmp_path / 'x.pth'}: {said}, so the head for 6 begins anew" in caplog.text
    assert "state_dict" not in {key for key, value in student.pretrained_cfg.items() if value}


@pytest.mark.parametrize("there", [9, 0])
def test_the_new_head_is_the_one_that_timm_begins_with(flags: Flags, tmp_path: Path, there: int) -> None:
    torch.save(small_resnet(there).state_dict(), tmp_path / "x.pth")
    torch.manual_seed(1)
    student: Any = create_student(flags(*SMALL, "--pretrained-path", tmp_path / "x.pth"), 6)[0]
    torch.manual_seed(1)
    overlay = {"file": str(tmp_path / "x.pth"), "num_classes": there}
    theirs = timm.create_model("test_resnet", pretrained=True, pretrained_cfg_overlay=overlay, num_classes=6)
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in theirs.state_dict().items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", [6, 9])
@pytest.mark.parametrize("spoil", [{"layer1.0.gamma": torch.ones(3)}, {"conv1.0.weight": None}])
def test_a_body_of_another_network_is_refused(
    flags: Flags, tmp_path: Path, way: str, there: int, spoil: dict[str, Any]
) -> None:
    state = {**small_resnet(there).state_dict(), **spoil}
    torch.save({key: value for key, value in state.items() if value is not None}, tmp_path / "x.pth")
    with pytest.raises(DataError, match=f"{way} {tmp_path / 'x.pth'}: not .* of this model .*{next(iter(spoil))}"):
        create_student(flags(*SMALL, way, tmp_path / "x.pth"), 6)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"version https://git-lfs.github.com/spec/v1\noid 1\n"])
def test_what_is_no_file_of_weights_is_refused_by_both(flags: Flags, tmp_path: Path, way: str, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UserError, match=f"{way} {tmp_path / 'x.pth'}") as caught:
        create_student(flags(*SMALL, way, tmp_path / "x.pth"), 6)
    assert "\n" not in str(caught.value)
