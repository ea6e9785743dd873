"""timm's own data sets: which flags go together, and what cannot be opened."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from dad.errors import DataError, UsageError
from dad.images.timm_datasets import create_timm_dataset, resolve_numbered_classes, resolve_timm_dataset


@pytest.mark.parametrize(
    ("words", "is_theirs"),
    [
        ([], False),
        (["--dataset", "folder"], False),
        (["--dataset", "wds/x"], True),
        (["--dataset", "torch/CIFAR10"], True),
    ],
)
def test_a_kind_and_a_name_are_one_of_timms(words: list[str], is_theirs: bool, flags: Callable[..., Namespace]) -> None:
    assert resolve_timm_dataset(flags(*words)) is is_theirs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "wds"], "--dataset wds: known are torch/<name>"),
        (["--dataset", "cifar10"], "--dataset cifar10: known are"),
        (["--input-key", "jpg"], "--input-key: folders and tars have no use for it"),
        (["--dataset", "wds/x", "--input-img-mode", "L"], "--input-img-mode L: every image"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(
    words: list[str], message: str, flags: Callable[..., Namespace]
) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_timm_dataset(flags(*words))


def test_classes_are_those_of_the_list_or_numbers(tmp_path: Path, flags: Callable[..., Namespace]) -> None:
    (tmp_path / "classes.txt").write_text("ant\nbee\n")
    listed = resolve_numbered_classes(flags("--dataset", "wds/x", "--class-map", tmp_path / "classes.txt"))
    assert listed.folders == ("ant", "bee")
    assert resolve_numbered_classes(flags("--dataset", "wds/x", "--num-classes", 3)).folders == ("0", "1", "2")
    with pytest.raises(UsageError, match="--dataset wds/x: its number of classes is needed"):
        resolve_numbered_classes(flags("--dataset", "wds/x"))


def test_a_set_that_timm_cannot_open_is_told_in_one_line(tmp_path: Path, flags: Callable[..., Namespace]) -> None:
    args = flags("--dataset", "torch/no_such_set", "--data-dir", tmp_path)
    with pytest.raises(DataError, match="--dataset torch/no_such_set: timm cannot open it") as caught:
        create_timm_dataset(args, "train", None)
    assert "\n" not in str(caught.value)
