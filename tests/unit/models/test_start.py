"""The weights that a student starts from, for its classes and for others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from small_models import Flags, small_resnet

from dad.errors import DataError, UserError
from dad.models import create_student
from dad.models.start import count_classes, head_names

WAYS = ("--initial-checkpoint", "--pretrained-path")
SMALL = ("--model", "test_resnet")


@pytest.mark.parametrize(
    ("classifier", "names"),
    [("fc", ("fc",)), (("head", "head_dist"), ("head", "head_dist")), (None, ("head", "fc", "classifier", "head.fc"))],
)
def test_a_head_has_the_names_of_its_configuration_or_the_usual_ones(classifier: Any, names: tuple[str, ...]) -> None:
    assert head_names(classifier) == names


@pytest.mark.parametrize(
    ("key", "heads", "count"), [("out.weight", ("out",), 9), ("fc.weight", ("out",), 9), ("out.weight", ("fc",), 0)]
)
def test_classes_are_counted_in_a_head_of_the_named_or_usual_names(key: str, heads: tuple[str], count: int) -> None:
    assert count_classes({key: torch.zeros(9, 4)}, heads) == count


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"model": state}])
def test_a_student_starts_from_a_file(flags: Flags, tmp_path: Path, way: str, wrap: Callable[[Any], Any]) -> None:
    torch.save(wrap(small_resnet().state_dict()), tmp_path / "x.pth")
    student, _ = create_student(flags(*SMALL, way, tmp_path / "x.pth"), 6)
    expected = torch.load(tmp_path / "x.pth")
    expected = expected.get("model", expected)
    assert all(torch.equal(value, student.state_dict()[key]) for key, value in expected.items())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("there", "said"), [(9, "its head has 9 outputs"), (0, "it has no head")])
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


def test_a_head_of_another_kind_is_left_out_however_many_outputs_it_has(flags: Flags, tmp_path: Path) -> None:
    body = small_resnet(6).state_dict()
    torch.save(body, tmp_path / "x.pth")
    args = flags(*SMALL, "--initial-checkpoint", tmp_path / "x.pth")
    kept, anew = (create_student(args, 6, new_head)[0].state_dict() for new_head in (False, True))
    assert torch.equal(kept["fc.weight"], body["fc.weight"]) and not torch.equal(anew["fc.weight"], body["fc.weight"])
    assert all(torch.equal(anew[key], value) for key, value in body.items() if not key.startswith("fc."))
