"""What a checkpoint is taken for: the weights, images and classes that it was trained with, or one line."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dad.checkpoints import file_digest
from dad.errors import DataError, UsageError
from dad.export.trained import Trained, create_trained, require_same
from dad.images.classes import NO_CLASSES
from dad.trained_classes import class_state

Save = Callable[..., Path]
Resolve = Callable[..., Namespace]


def test_it_knows_images_classes_and_what_it_learned_from(save_checkpoint: Save, resolve: Resolve) -> None:
    path = save_checkpoint()
    trained = create_trained(resolve(path))
    config = trained.data_config
    assert (config["input_size"], config["mean"], config["crop_pct"]) == ((3, 32, 32), (0.1, 0.2, 0.3), 0.8)
    assert (config["interpolation"], trained.classes.names) == ("bilinear", tuple("ABCDEF"))
    assert trained.origins[0]["dad_set"]["fingerprint"] == "0123456789abcdef"
    assert trained.description.checkpoint_hash == file_digest(path) and not trained.network.training


def test_the_average_is_exported_where_training_was_scored_by_it(save_checkpoint: Save, resolve: Resolve) -> None:
    def head(*words: str, path: Path) -> tuple[str, float]:
        trained = create_trained(resolve(path, *words))
        return trained.description.weights, trained.network.state_dict()["fc.weight"][0, 0].item()

    path = save_checkpoint()
    weights = torch.load(path, weights_only=False)["state_dict"]["fc.weight"][0, 0].item()
    average = ("ema", pytest.approx(2 * weights))
    assert head(path=path) == average and head("--use-ema", path=path) == average
    assert head("--no-use-ema", path=path) == ("state_dict", weights)
    assert head(path=save_checkpoint("--model-ema", "--model-ema-force-cpu")) == ("state_dict", weights)
    with_none = save_checkpoint(state_dict_ema=None)
    assert head(path=with_none) == ("state_dict", weights)
    with pytest.raises(DataError, match="has no EMA weights"):
        head("--use-ema", path=with_none)


def test_a_checkpoint_without_args_is_refused_until_flags_say_it_all(save_checkpoint: Save, resolve: Resolve) -> None:
    path = save_checkpoint(args=None)
    with pytest.raises(
        UsageError, match=r"holds no args.*: give --img-size, --mean, --std, --interpolation and --crop"
    ):
        create_trained(resolve(path))
    look = ("--img-size", 48, "--mean", 0.5, "--std", 0.5, "--interpolation", "bicubic")
    with pytest.raises(UsageError, match=r"a guess would ship wrong answers: give --crop-pct$"):
        create_trained(resolve(path, *look))
    assert create_trained(resolve(path, *look, "--crop-pct", 1)).data_config["input_size"] == (3, 48, 48)


def test_bare_weights_need_a_model_and_a_class_list_too(
    save_checkpoint: Save, resolve: Resolve, tmp_path: Path
) -> None:
    state = torch.load(save_checkpoint(), weights_only=False)["state_dict"]
    save_file(state, tmp_path / "bare.safetensors")
    look = ("--img-size", 32, "--mean", 0.5, "--std", 0.5, "--interpolation", "bicubic", "--crop-pct", 1)
    with pytest.raises(UsageError, match=r"give --model$"):
        create_trained(resolve(tmp_path / "bare.safetensors", *look))
    with pytest.raises(UsageError, match="--class-map is needed"):
        create_trained(resolve(tmp_path / "bare.safetensors", *look, "--model", "test_resnet"))
    (tmp_path / "six.txt").write_text("\n".join("uvwxyz"))
    words = (*look, "--model", "test_resnet", "--class-map", tmp_path / "six.txt")
    trained = create_trained(resolve(tmp_path / "bare.safetensors", *words))
    assert trained.classes.folders == tuple("uvwxyz") and trained.description.weights == "state_dict"


def test_another_class_list_than_its_own_is_refused(save_checkpoint: Save, resolve: Resolve, tmp_path: Path) -> None:
    (tmp_path / "six.txt").write_text("\n".join("bacdef"))
    with pytest.raises(UsageError, match="class 0 is 'a' there and 'b' here"):
        create_trained(resolve(save_checkpoint(), "--class-map", tmp_path / "six.txt"))


@pytest.mark.parametrize("content", [b"", b"<html>", b"no checkpoint"])
def test_what_is_no_checkpoint_is_refused(content: bytes, resolve: Resolve, tmp_path: Path) -> None:
    (tmp_path / "odd.pth").write_bytes(content)
    with pytest.raises(DataError, match=r"^checkpoint .*odd\.pth: damaged, or not a checkpoint"):
        create_trained(resolve(tmp_path / "odd.pth"))


def test_an_earlier_checkpoint_does_not_pass_its_flags_off_as_facts(save_checkpoint: Save, resolve: Resolve) -> None:
    flags = ("--objective", "ce", "--teacher", "clip/x", "--dad-dir", "/data/dad")
    path = save_checkpoint(*flags, dad=None, name="old")
    (path.parent / "six.txt").write_text("\n".join("abcdef"))
    (origin,) = create_trained(resolve(path, "--class-map", path.parent / "six.txt")).origins
    assert origin == {"objective": "ce", "flags": {"teacher": "clip/x", "dad_dir": "/data/dad"}}


def test_an_export_of_something_else_is_named(load: Callable[..., Trained]) -> None:
    trained = load()
    require_same(trained, trained.description.to_strings(), Path("out"))
    with pytest.raises(DataError, match=r"^out is an export of something else \(weights: there ema, here state_dict\)"):
        require_same(load("--no-use-ema"), trained.description.to_strings(), Path("out"))


def test_an_embedding_is_no_network_to_ship(save_checkpoint: Save, resolve: Resolve) -> None:
    with pytest.raises(UsageError, match="makes an embedding and tells no classes apart: train a head on it"):
        create_trained(resolve(save_checkpoint(dad={"classes": class_state(NO_CLASSES)})))
