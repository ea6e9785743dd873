"""Models to score: their weights, the size of their images, and what their scores belong to."""

import shutil
from pathlib import Path

import pytest
import timm
import torch
from known_answers import SIX
from safetensors.torch import save_file
from scored_models import create, resolve, save
from timm.layers import convert_splitbn_model
from timm.models import save_for_hf
from tiny_onnx import write_grey_level

from dad.errors import DataError, UserError
from dad.evaluation.candidates import find_checkpoints
from dad.images.classes import ClassList

TINY = ("--model", "test_resnet")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint that was trained at 96 pixels."""
    return save(tmp_path / "run" / "last.pth.tar", "test_resnet", "--img-size", "96")


def test_a_checkpoint_knows_its_architecture_and_images(checkpoint: Path) -> None:
    (candidate,) = create("--checkpoint", checkpoint)
    identity = candidate.identity
    assert (candidate.name, identity["model"], identity["weights"]) == ("run", "test_resnet", "state_dict")
    assert candidate.data_config["input_size"] == (3, 96, 96) and not candidate.model.training
    assert identity["settings"]["input_size"] == [3, 96, 96] and identity["settings"]["num_classes"] == 6
    assert identity["checkpoint"] == str(checkpoint) and len(identity["checkpoint_hash"]) == 16


def test_a_network_is_built_as_it_was_trained(tmp_path: Path) -> None:
    path = save(tmp_path / "last.pth.tar", "test_efficientnet", "--gp", "max", "--bn-eps", "0.1")
    model = create("--checkpoint", path)[0].model
    assert model.global_pool.pool_type == "max" and model.bn1.eps == 0.1
    assert create("--checkpoint", path, "--gp", "avg")[0].model.global_pool.pool_type == "avg"


def test_what_decided_its_training_besides_flags_goes_with_a_model_and_is_not_its_identity(checkpoint: Path) -> None:
    assert create("--checkpoint", checkpoint)[0].trained_with == {}
    content = torch.load(checkpoint, weights_only=False)
    content["args"].trained_with = {"style_transfer": "colours"}
    torch.save(content, checkpoint)
    (candidate,) = create("--checkpoint", checkpoint)
    assert candidate.trained_with == {"style_transfer": "colours"} and "colours" not in str(candidate.identity)
    assert candidate.training["seed"] == 42 and candidate.training["recipe"] not in str(candidate.identity)


def test_averaged_weights_are_another_candidate(checkpoint: Path) -> None:
    plain, averaged = create("--checkpoint", checkpoint)[0], create("--checkpoint", checkpoint, "--use-ema")[0]
    assert averaged.identity == {**plain.identity, "weights": "ema"}
    key = "fc.weight"
    torch.testing.assert_close(averaged.model.state_dict()[key], 2 * plain.model.state_dict()[key])


def test_other_weights_have_another_hash(checkpoint: Path) -> None:
    before = create("--checkpoint", checkpoint)[0].identity
    save(checkpoint, "test_resnet", "--img-size", "96")
    after = create("--checkpoint", checkpoint)[0].identity
    assert after["checkpoint_hash"] != before["checkpoint_hash"]
    assert {**after, "checkpoint_hash": ""} == {**before, "checkpoint_hash": ""}


def test_published_weights_have_a_hash_of_their_tensors(tmp_path: Path) -> None:
    hashes = []
    for scale in (1.0, 1.0, 2.0):
        torch.manual_seed(0)
        model = timm.create_model("test_resnet", num_classes=6)
        model.fc.weight.data.mul_(scale)
        save_for_hf(model, tmp_path, safe_serialization=True)
        hashes.append(create("--model", f"local-dir:{tmp_path}", "--pretrained")[0].identity["checkpoint_hash"])
    assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 16


@pytest.mark.parametrize(
    "words",
    [("--crop-pct", 1.0), ("--crop-mode", "squash"), ("--img-size", 128), ("--interpolation", "nearest"),
     ("--gp", "max"),
     ("--mean", 0, 0, 0), ("--crop-border-pixels", 4), ("--test-pool",), ("--fast-norm",), ("--reparam",),
     ("--model-kwargs", "act_layer=gelu")],
    ids=lambda words: words[0],
)  # fmt: skip
def test_what_changes_the_answers_changes_the_settings(checkpoint: Path, words: tuple[object, ...]) -> None:
    plain, other = (create("--checkpoint", checkpoint, *more)[0].identity["settings"] for more in ((), words))
    timm.layers.set_fast_norm(False)
    assert plain != other


def test_published_weights_are_known_by_their_content(tmp_path: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        save_for_hf(timm.create_model("test_resnet", num_classes=6), tmp_path, safe_serialization=True)
        found.append(create("--model", f"local-dir:{tmp_path}", "--pretrained")[0].identity["checkpoint_hash"])
    assert len(found[0]) == 16 and found[0] == found[1] != found[2]


def test_precision_and_classes_belong_to_the_settings(checkpoint: Path) -> None:
    runtimes = ({}, {"autocast_dtype": torch.bfloat16}, {"dtype": torch.float16})
    found = [create("--checkpoint", checkpoint, **runtime)[0].identity["settings"]["precision"] for runtime in runtimes]
    assert found == ["float32", "bfloat16", "float16"]
    lists = (SIX, ClassList(tuple("ghijkl"), tuple("ghijkl")))
    own, other = (create("--checkpoint", checkpoint, classes=classes)[0].identity["settings"] for classes in lists)
    assert own["classes"] != other["classes"]


def test_settings_are_what_json_gives_back(checkpoint: Path) -> None:
    settings = create("--checkpoint", checkpoint, "--model-kwargs", "act_layer=gelu")[0].identity["settings"]
    assert not any(isinstance(value, (tuple, dict)) for value in settings.values())


def test_loading_does_not_change_what_it_depends_on(checkpoint: Path) -> None:
    assert create("--checkpoint", checkpoint)[0].identity == create("--checkpoint", checkpoint)[0].identity


@pytest.mark.parametrize(("words", "size"), [((), 288), (("--use-train-size",), 224), (("--img-size", "64"), 64)])
def test_weights_of_timms_are_scored_at_the_size_that_timm_recommends(
    tmp_path: Path, words: tuple[str, ...], size: int
) -> None:
    (candidate,) = create("--checkpoint", save(tmp_path / "x.pth", "resnet18"), "--model", "resnet18", *words)
    assert candidate.data_config["input_size"] == (3, size, size)


def test_weights_of_ours_are_scored_at_the_size_that_they_were_trained_for(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth.tar", "resnet18", "--opt", "sgd")
    for words in ((), ("--use-train-size",)):
        (candidate,) = create("--checkpoint", path, *words)
        assert candidate.data_config["input_size"] == (3, 224, 224) and candidate.data_config["crop_pct"] == 0.95


def test_a_network_for_images_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", "test_vit")
    words = ("--checkpoint", path, "--model", "test_vit", "--model-kwargs", "dynamic_img_size=False")
    with pytest.raises(UserError, match="test_vit takes images of 160x160 pixels, not 96x96: give --img-size 160, or"):
        create(*words, "--img-size", 96)
    assert create(*words)[0].data_config["input_size"] == (3, 160, 160)


def test_a_size_that_is_no_multiple_of_a_patch_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", "test_vit")
    with pytest.raises(UserError, match=r"nothing comes of images of 30x30 pixels \(.*divisible by patch size"):
        create("--checkpoint", path, "--model", "test_vit", "--img-size", 30)


def test_a_model_from_elsewhere_is_refused_with_a_new_head(tmp_path: Path) -> None:
    save_for_hf(timm.create_model("test_resnet", num_classes=9), tmp_path, safe_serialization=True)
    with pytest.raises(UserError, match="--pretrained: its weights are for 9 classes, the class list has 6"):
        create("--model", f"local-dir:{tmp_path}", "--pretrained")


def test_weights_of_a_larger_network_are_refused(tmp_path: Path) -> None:
    larger = timm.create_model("test_resnet", num_classes=6, layers=(2, 1, 1, 1))
    torch.save(larger.state_dict(), tmp_path / "x.pth")
    with pytest.raises(DataError, match=r"x.pth is of a larger network .* e.g. layer1.1.conv1.weight\); check --model"):
        create("--checkpoint", tmp_path / "x.pth", *TINY)
    split = convert_splitbn_model(timm.create_model("test_resnet", num_classes=6), 2)
    torch.save(split.state_dict(), tmp_path / "x.pth")
    assert len(create("--checkpoint", tmp_path / "x.pth", *TINY)) == 1


@pytest.mark.parametrize("trained", ["fedcba", "abcdef"])
@pytest.mark.parametrize("here", ["fedcba", "abcdef"])
def test_classes_in_another_order_than_in_training_are_refused(tmp_path: Path, trained: str, here: str) -> None:
    (tmp_path / "classes.txt").write_text("\n".join(trained))
    flags = ("--class-map", str(tmp_path / "classes.txt")) if trained == "fedcba" else ("--opt", "sgd")
    path = save(tmp_path / "x.pth.tar", "test_resnet", *flags)
    if trained == here:
        assert create("--checkpoint", path, classes=ClassList(tuple(here), tuple(here)))
    else:
        with pytest.raises(UserError, match=r"x.pth.tar was trained with .*: give that list with --class-map"):
            create("--checkpoint", path, classes=ClassList(tuple(here), tuple(here)))


def test_larger_images_may_be_pooled(checkpoint: Path) -> None:
    (candidate,) = create("--checkpoint", checkpoint, "--test-pool", "--img-size", 192)
    assert candidate.data_config["crop_pct"] == 1.0
    assert candidate.model(torch.rand(1, 3, 192, 192)).shape == (1, 6)


def test_a_folder_is_every_checkpoint_in_it(checkpoint: Path, tmp_path: Path) -> None:
    save(tmp_path / "run" / "best.pth")
    save_file(torch.load(tmp_path / "run" / "best.pth"), tmp_path / "run" / "exported.safetensors")
    (tmp_path / "run" / "summary.csv").touch()
    candidates = create("--checkpoint", checkpoint.parent, *TINY)
    assert [one.name for one in candidates] == ["run/best.pth", "run/exported.safetensors", "run/last.pth.tar"]
    weights = [one.model.state_dict()["fc.weight"] for one in candidates]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_copies_in_a_folder_are_scored_once(checkpoint: Path) -> None:
    run = checkpoint.parent
    shutil.copy(checkpoint, run / "model_best.pth.tar")
    (run / "checkpoint-3.pth.tar").hardlink_to(checkpoint)
    save(run / "recovery-0-1.pth.tar", "test_resnet", "--img-size", "96")
    found = [Path(file).name for file in find_checkpoints(resolve("--checkpoint", run))]
    assert found == ["checkpoint-3.pth.tar", "recovery-0-1.pth.tar"]
    named = resolve("--checkpoint", checkpoint, run / "model_best.pth.tar")
    assert len(find_checkpoints(named)) == 2


def test_a_checkpoint_that_is_named_twice_is_scored_once(checkpoint: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "other" / "last.pth.tar", "test_resnet", "--img-size", "96")
    args = resolve("--checkpoint", checkpoint, other, checkpoint.parent)
    assert find_checkpoints(args) == [str(checkpoint), str(other)]


def test_checkpoints_of_several_experiments_are_rows_of_their_names(checkpoint: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "other" / "last.pth.tar", "test_resnet", "--img-size", "96")
    assert [one.name for one in create("--checkpoint", checkpoint, other)] == ["run", "other"]


@pytest.mark.parametrize(("name", "named"), [("empty", "no checkpoint in this folder"), ("none.pth", "no such file")])
def test_a_place_without_a_checkpoint_is_refused(tmp_path: Path, name: str, named: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"--checkpoint .*{name}: {named}"):
        find_checkpoints(resolve("--checkpoint", tmp_path / name))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model test_resnet --pretrained", "weights are for 1,000 classes, the class list has 6; .* --checkpoint"),
        ("--model resnet18.none --pretrained", "--model resnet18.none: timm has no such weights"),
        ("--model resnet0 --pretrained", "--model resnet0: timm has no such model"),
        ("--model test_resnet --pretrained --num-classes 1000", "--num-classes 1000, but the class list has 6"),
        ("--checkpoint {}/nine.pth.tar", "does not fit ResNet with 6 classes"),
        ("--checkpoint {}/damaged.safetensors --model test_resnet", "damaged.safetensors: damaged"),
        ("--checkpoint {}/plain.pth --model test_resnet --use-ema", "has no EMA weights"),
    ],
)
def test_weights_that_cannot_be_scored_are_refused_in_one_line(tmp_path: Path, words: str, message: str) -> None:
    save(tmp_path / "nine.pth.tar", "test_resnet", "--img-size", "96", num_classes=9)
    save(tmp_path / "plain.pth")
    (tmp_path / "damaged.safetensors").write_bytes(b"<html>")
    with pytest.raises(UserError, match=message) as caught:
        create(*words.format(tmp_path).split())
    assert "\n" not in str(caught.value)


def test_an_onnx_file_is_scored_by_what_it_says_of_itself(tmp_path: Path) -> None:
    about = {"trained_with": {"style_transfer": "colours"}}
    file = write_grey_level(tmp_path / "out" / "model_int8.onnx", precision="int8", about=about)
    (candidate,) = create("--onnx", file)
    identity = candidate.identity
    assert (candidate.name, identity["model"]) == ("out/model_int8.onnx", "test_resnet")
    assert (identity["weights"], identity["settings"]["precision"], candidate.params()) == ("ema (ONNX)", "int8", 0.01)
    assert candidate.data_config["input_size"] == (3, 8, 8)
    assert candidate.trained_with == {"style_transfer": "colours"}
    assert create("--onnx", file, "--crop-pct", "0.5")[0].identity["settings"]["crop_pct"] == 0.5


def test_an_onnx_file_of_other_classes_or_for_other_images_is_refused(tmp_path: Path) -> None:
    file = write_grey_level(tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"^--onnx .* another class list \(class 0 is 'a' there and 'b' here"):
        create("--onnx", file, classes=ClassList(tuple("bacdef"), tuple("bacdef")))
    with pytest.raises(UserError, match=r"^--onnx .* takes images of 8 pixels, not 16: export it for that size"):
        create("--onnx", file, "--img-size", "16")
