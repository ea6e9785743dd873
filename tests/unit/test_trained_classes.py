"""The class list in a checkpoint, and every list that it meets."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import load_checkpoint

from dad.errors import UsageError
from dad.images.classes import NO_CLASSES, ClassList, load_class_list
from dad.trained_classes import (
    FILE_NAME,
    class_file,
    class_state,
    first_difference,
    makes_embedding,
    require_label_names,
    require_trained_classes,
    resolve_new_head,
    trained_classes,
)

ABC = ClassList(tuple("abc"), ("ant", "bee", "cat"))


def listed(folders: str) -> ClassList:
    return ClassList(tuple(folders), tuple(folders))


def save(path: Path, **content: Any) -> str:
    torch.save({"state_dict": {}, **content}, path)
    return str(path)


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    """A checkpoint that was trained with `ABC`."""
    return save(tmp_path / "last.pth.tar", dad={"classes": class_state(ABC)})


def test_a_checkpoint_gives_back_its_list(checkpoint: str) -> None:
    assert trained_classes(checkpoint) == ABC


@pytest.mark.parametrize("content", [{}, {"dad": {"batch": None}}, {"dad": "x"}, {"args": Namespace(class_map="")}])
def test_other_weights_have_none(tmp_path: Path, content: dict[str, Any]) -> None:
    assert trained_classes(save(tmp_path / "x.pth.tar", **content)) is None


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(b"<html>")
    assert trained_classes(str(tmp_path / "x.pth")) is None and trained_classes(str(tmp_path / "gone.pth")) is None


@pytest.mark.parametrize(
    ("there", "here", "words"),
    [
        ("abc", "abc", ""),
        ("abc", "acb", "class 1 is 'b' there and 'c' here"),
        ("abc", "abd", "class 2 is 'c' there and 'd' here"),
        ("abc", "xab", "class 0 is 'a' there and 'x' here"),
        ("abc", "ac", "class 1 is 'b' there and 'c' here; 3 classes there, 2 here"),
        ("abc", "ab", "3 classes there, 2 here, the first that one lacks is 'c'"),
        ("ab", "abc", "2 classes there, 3 here, the first that one lacks is 'c'"),
        ("012", "abc", ""),
        ("012", "ab", "3 classes there, 2 here"),
        ("120", "012", ""),
    ],
)
def test_the_first_place_that_differs_is_named(there: str, here: str, words: str) -> None:
    assert first_difference(listed(there), listed(here)) == words


def test_another_list_is_refused_with_the_one_that_would_do(checkpoint: str) -> None:
    file = Path(checkpoint).parent / FILE_NAME
    file.write_bytes(class_file(ABC))
    with pytest.raises(UsageError, match=rf"^--resume .*last.pth.tar .*\(class 1 is 'b'.*--class-map {file}$"):
        require_trained_classes(checkpoint, listed("acb"), f"--resume {checkpoint}")
    require_trained_classes(
        checkpoint, load_class_list(str(file)), f"--resume {checkpoint}"
    )  # names are of prompts alone


def test_a_new_head_is_for_any_number_of_classes_but_the_old_one(checkpoint: str) -> None:
    require_trained_classes(checkpoint, listed("xy"), "--initial-checkpoint", new_head=True)
    with pytest.raises(UsageError, match="class 0 is 'a' there and 'x' here"):
        require_trained_classes(checkpoint, listed("xyz"), "--initial-checkpoint", new_head=True)


def test_labels_of_a_published_model_are_compared_where_they_are_the_folders() -> None:
    for labels in (["a", "b", "c"], ["ant", "bee", "cat"], None, "abc"):
        require_label_names({"label_names": labels}, ABC, "--model x")
    with pytest.raises(UsageError, match=r"^--model x: .*\(class 1 is 'c' there and 'b' here\)"):
        require_label_names({"label_names": ["a", "c", "b"]}, ABC, "--model x")


def test_timm_reads_a_checkpoint_with_a_list(tmp_path: Path) -> None:
    model = timm.create_model("test_resnet", num_classes=3)
    path = tmp_path / "x.pth.tar"
    torch.save({"state_dict": model.state_dict(), "dad": {"classes": class_state(ABC)}}, path)
    other = timm.create_model("test_resnet", num_classes=3)
    load_checkpoint(other, str(path), weights_only=True)
    assert torch.equal(model.state_dict()["fc.weight"], other.state_dict()["fc.weight"])


def test_weights_that_were_trained_without_classes_are_no_classifier(tmp_path: Path, checkpoint: str) -> None:
    path = save(tmp_path / "feature.pth.tar", dad={"classes": class_state(NO_CLASSES)})
    assert makes_embedding(path) and not makes_embedding(checkpoint)
    message = f"^checkpoint {path} makes an embedding .* --objective ce --head-only --initial-checkpoint {path}$"
    with pytest.raises(UsageError, match=message):
        require_trained_classes(path, ABC, f"checkpoint {path}")
    require_trained_classes(path, ABC, "--initial-checkpoint", new_head=True)
    require_trained_classes(path, NO_CLASSES, "--resume")


def test_a_head_of_the_other_kind_begins_anew_and_is_no_pretrained_one(tmp_path: Path, checkpoint: str) -> None:
    embedding = save(tmp_path / "feature.pth.tar", dad={"classes": class_state(NO_CLASSES)})

    def is_new(path: str, classes: ClassList, pretrained: str = "") -> bool:
        return resolve_new_head(Namespace(initial_checkpoint=path, pretrained_path=pretrained), classes)

    assert is_new(embedding, ABC) and is_new(checkpoint, NO_CLASSES)
    assert not is_new(checkpoint, ABC) and not is_new(embedding, NO_CLASSES) and not is_new("", ABC)
    with pytest.raises(UsageError, match=f"^--pretrained-path {embedding} makes an embedding"):
        is_new("", ABC, embedding)
