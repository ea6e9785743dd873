"""What timm does not have is refused with what it has."""

import re
from pathlib import Path

import pytest

from dad.errors import UsageError
from dad.models import require_model
from dad.models.names import is_place, require_timm_model


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mobilenetv3_small", "near: mobilenetv3_small_050, mobilenetv3_small_075, mobilenetv3_small_100"),
        ("resnet81", "near: resnet18, resnet101"),
        ("resnet81.a1_in1k", r"near: resnet18\.a1_in1k"),
        ("timm/resnet50.a1_in1k", r"near: resnet50\.a1_in1k"),
        ("ResNet50", "near: resnet50,"),
        ("ViT-B/16", "near: vit_base_patch16_224"),
        ("zzzz", "near: none"),
        ("resnet50.a1_in", r"weights; for resnet50 it has: resnet50\.a1_in1k, .*resnet50\.tv_in1k"),
    ],
)
def test_an_unknown_model_is_answered_with_near_ones(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"--model {re.escape(name)}: timm has no such .*{message}"):
        require_model(name)


@pytest.mark.parametrize("name", ["resnet50", "resnet50.a1_in1k", "hf-hub:timm/resnet50.a1_in1k", "local-dir:there"])
def test_what_timm_has_is_accepted(name: str) -> None:
    require_timm_model(name, "--model")


def test_a_file_in_place_of_a_model_is_told_its_flag() -> None:
    with pytest.raises(UsageError, match=r"weights go to --initial-checkpoint of train\.py, --checkpoint of"):
        require_model("output/run/last.pth.tar")


def test_a_model_whose_name_is_a_folder_too_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50").mkdir()
    (tmp_path / "runs").mkdir()
    assert is_place("runs") and not is_place("resnet50") and not is_place("")
