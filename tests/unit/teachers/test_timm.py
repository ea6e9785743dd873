"""Teachers from timm: pretrained ones, checkpoints of one's own, and every spec that is refused."""

from argparse import Namespace
from pathlib import Path

import pytest
import timm
import torch
from small_models import LOOK, MEAN, STD, Flags, small_resnet
from timm.models import save_for_hf

import train
from dad.errors import DataError, UsageError, UserError
from dad.files import read_json
from dad.images.classes import NO_CLASSES, ClassList
from dad.soft_targets.payload import EMBEDDING
from dad.teachers import Teacher, create_teacher, require_fitting
from dad.trained_classes import FILE_NAME, class_state

CLASSES = ClassList(tuple("abcd"), tuple("abcd"))


def create(spec: str, classes: ClassList = CLASSES) -> Teacher:
    return create_teacher(Namespace(teacher=spec), classes, torch.device("cpu"))


def make_model(num_classes: int = 4) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("test_vit2", num_classes=num_classes).eval()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"state_dict": make_model().state_dict(), "epoch": 3}, tmp_path / "last.pth.tar")
    return tmp_path / "last.pth.tar"


def test_a_checkpoint_of_ones_own_is_read(checkpoint: Path) -> None:
    teacher, images = create(f"test_vit2@{checkpoint}"), torch.randn(2, 3, 160, 160)
    assert torch.equal(teacher(images), make_model()(images))
    assert teacher.data_config["input_size"] == (3, 160, 160) and len(teacher.settings["teacher_weights"]) == 16


def test_pretrained_weights_are_loaded(tmp_path: Path) -> None:
    save_for_hf(make_model(), tmp_path / "hub")
    images = torch.randn(2, 3, 160, 160)
    assert torch.equal(create(f"local-dir:{tmp_path / 'hub'}")(images), make_model()(images))


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    save_for_hf(make_model(num_classes=7), tmp_path / "hub")
    with pytest.raises(UsageError, match=r"--teacher local-dir:.* has 7 classes but the class list has 4"):
        create(f"local-dir:{tmp_path / 'hub'}")


def test_a_checkpoint_of_another_number_of_classes_is_refused(checkpoint: Path) -> None:
    with pytest.raises(UserError, match=f"--teacher test_vit2@{checkpoint}"):
        create(f"test_vit2@{checkpoint}", ClassList(tuple("abc"), tuple("abc")))


def test_a_checkpoint_of_other_classes_is_refused(checkpoint: Path) -> None:
    own = {"classes": class_state(ClassList(tuple("abdc"), tuple("abdc")))}
    torch.save({"state_dict": make_model().state_dict(), "dad": own}, checkpoint)
    with pytest.raises(UsageError, match=rf"^--teacher test_vit2@{checkpoint} .*\(class 2 is 'd' there and 'c' here\)"):
        create(f"test_vit2@{checkpoint}", ClassList(tuple("abcd"), tuple("abcd")))


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("resnet_fifty", UsageError, r"--teacher resnet_fifty: timm has no such model \(near: .*resnet"),
        ("zzz", UsageError, "timm has no such model .near: none.; CLIP is clip/<model>/<tag>"),
        ("ViT-B-32/openai", UsageError, "CLIP is clip/<model>/<tag>"),
        ("test_vit2@missing.pth", DataError, "--teacher test_vit2@missing.pth: checkpoint missing.pth: no such file"),
        ("test_vit2.no_such_tag", UsageError, "--teacher test_vit2.no_such_tag"),
    ],
)
def test_a_wrong_spec_is_answered_with_what_would_work(spec: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        create(spec)


def test_a_damaged_checkpoint_is_refused_by_name(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(DataError, match=f"--teacher test_vit2@{checkpoint}"):
        create(f"test_vit2@{checkpoint}")


def test_a_teacher_is_frozen_for_good(checkpoint: Path) -> None:
    teacher = create(f"test_vit2@{checkpoint}").train()
    assert not any(module.training for module in teacher.modules())
    assert not any(weight.requires_grad for weight in teacher.parameters())


def test_student_and_teacher_must_see_images_of_one_size(checkpoint: Path) -> None:
    teacher = create(f"test_vit2@{checkpoint}")
    require_fitting(teacher, {"input_size": (3, 160, 160)})
    with pytest.raises(
        UsageError, match=r"student sees 32 px images but the teacher was made for 160 px; .*--img-size"
    ):
        require_fitting(teacher, {"input_size": (3, 32, 32)})


@pytest.mark.parametrize(
    ("names", "flags"),
    [
        (("model", "model_ema"), {}),
        (("model_ema", "epoch"), {}),
        (("state_dict_ema", "state_dict"), {"args": Namespace()}),  # by which timm's script scores
        (("state_dict", "state_dict_ema"), {"args": Namespace(model_ema_force_cpu=True)}),  # by which it does not
    ],
)
def test_a_teacher_takes_the_weights_that_its_training_was_scored_by(
    tmp_path: Path, names: tuple[str, str], flags: dict[str, Namespace]
) -> None:
    first = small_resnet()
    second = small_resnet()
    weights = dict(zip(names, (first.state_dict(), 3 if names[1] == "epoch" else second.state_dict()), strict=True))
    torch.save({**weights, **flags}, tmp_path / "x.pth")
    six = ClassList(tuple("abcdef"), tuple("abcdef"))
    teacher = create_teacher(Namespace(teacher=f"test_resnet@{tmp_path / 'x.pth'}"), six, torch.device("cpu"))
    assert torch.equal(teacher.model.fc.weight, first.fc.weight)


def test_a_teacher_from_a_checkpoint_of_train_keeps_the_look_of_its_images(
    train_flags: list[str], tmp_path: Path, flags: Flags
) -> None:
    words = ("--objective", "ce", "--epochs", 1, "--model", "test_resnet", "--model-kwargs", *LOOK)
    train.main([*train_flags, *map(str, words)])
    args = flags("--teacher", f"test_resnet@{tmp_path / 'run' / 'last.pth.tar'}")
    names = tuple(read_json(tmp_path / "run" / FILE_NAME))
    teacher = create_teacher(args, ClassList(names, names), torch.device("cpu"))
    assert (teacher.data_config["mean"], teacher.data_config["std"]) == (MEAN, STD)
    assert teacher.data_config["input_size"] == (3, 32, 32)


@pytest.mark.parametrize("classes", [4, 0])
def test_for_no_classes_a_model_embeds_whatever_classifier_it_has(tmp_path: Path, classes: int) -> None:
    torch.save({"state_dict": make_model(classes).state_dict()}, tmp_path / "last.pth.tar")
    save_for_hf(make_model(classes), tmp_path / "hub")
    model, images = make_model(classes), torch.randn(2, 3, 160, 160)
    features = model.forward_head(model.forward_features(images), pre_logits=True)  # type: ignore[operator]
    for spec in (f"test_vit2@{tmp_path / 'last.pth.tar'}", f"local-dir:{tmp_path / 'hub'}"):
        teacher = create(spec, NO_CLASSES)
        assert torch.equal(teacher.answer(images), torch.nn.functional.normalize(features, dim=1))
        assert teacher.answers == EMBEDDING and teacher.answer_width == features.shape[1] == 64


def test_a_model_without_features_is_refused_where_there_are_no_classes(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(timm.models.VisionTransformer, "head_hidden_size", raising=False)
    monkeypatch.delattr(timm.models.VisionTransformer, "forward_head")
    with pytest.raises(
        UsageError, match=r"^--teacher test_vit2@.*: timm has no features of it; take another, or a CLIP"
    ):
        create(f"test_vit2@{checkpoint}", NO_CLASSES)
