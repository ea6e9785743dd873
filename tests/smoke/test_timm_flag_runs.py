"""timm's flags in whole runs of train.py, by one view and by two."""

import csv
from pathlib import Path

import pytest
import torch
import yaml

import generate
import train
from dad.errors import UsageError

RESNET = "--model test_resnet --model-kwargs"
DUMPS = Path(__file__).parents[1] / "unit" / "args"


def train_rows(flags: list[str], words: str, tmp_path: Path) -> list[dict[str, str]]:
    assert train.main([*flags, *words.split()]) == 0
    return list(csv.DictReader((tmp_path / "run" / "summary.csv").open()))


@pytest.mark.parametrize("objective", ["ce", "kd", "dad"])
def test_flags_of_model_and_device_work_with_one_view_and_with_two(
    objective: str, train_flags: list[str], generate_flags: list[str], tmp_path: Path
) -> None:
    generate.main(generate_flags)
    words = (
        f"--objective {objective} --dad-dir {tmp_path / 'dad'} --model-dtype bfloat16 --synchronize-step --no-ddp-bb "
        "--gp avg --fast-norm --drop-connect 0.1 --in-chans 3 --input-size 3 32 32 --device-modules math "
        "--save-images --log-interval 1 --val-interval 2 --epochs 4 --mixup 0.2"
    )
    rows = train_rows(train_flags, words, tmp_path)
    assert [row["epoch"] for row in rows] == ["1", "3"]
    assert len(list((tmp_path / "run").glob("train-batch-*.jpg"))) == 6
    weights = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.bfloat16}


def test_augmix_trains_with_split_batch_norm(train_flags: list[str], tmp_path: Path) -> None:
    words = f"{RESNET} --objective ce --aug-splits 3 --jsd-loss --split-bn --aa augmix-m3-w2 --resplit --reprob 0.5"
    rows = train_rows(train_flags, words, tmp_path)
    keys = torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)["state_dict"]
    assert len(rows) == 2 and any("aux_bn.1" in key for key in keys)


def test_sizes_that_change_from_batch_to_batch_train(train_flags: list[str], tmp_path: Path) -> None:
    words = (
        f"{RESNET} --objective ce --train-img-sizes 32 64 --train-batch-sizes 6 4 --train-size-probs 0.5 0.5 "
        "--variable-batch-loss-scale linear --train-batches-per-epoch 3"
    )
    assert len(train_rows(train_flags, words, tmp_path)) == 2


def test_a_data_set_of_timm_trains(train_flags: list[str], world: Path, tmp_path: Path) -> None:
    words = "--objective ce --dataset torch/image_folder --num-classes 6 --class-map"
    rows = train_rows(train_flags, words.removesuffix(" --class-map"), tmp_path)
    assert len(rows) == 2


@pytest.mark.parametrize("dump", ["timm_args.yaml", "timm_args_0.4.yaml"])
def test_an_args_yaml_of_timm_trains_with_the_data_folder_changed(
    dump: str, train_flags: list[str], tmp_path: Path
) -> None:
    flags = ["--config", str(DUMPS / dump), *train_flags, "--teacher", "", "--cooldown-epochs", "0"]
    assert len(train_rows(flags, "", tmp_path)) == 2
    assert yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())["objective"] == "ce"


def test_a_switch_of_a_yaml_is_off_in_the_run_when_the_command_line_says_so(
    train_flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text("{model_ema: true, no_aug: true, channels_last: true}")
    words = f"--config {tmp_path / 'recipe.yaml'} --objective ce --no-model-ema --aug --no-channels-last --epochs 1"
    train_rows(train_flags, words, tmp_path)
    written = yaml.safe_load((tmp_path / "run" / "args.yaml").read_text())
    assert not (written["model_ema"] or written["no_aug"] or written["channels_last"])
    assert "state_dict_ema" not in torch.load(tmp_path / "run" / "last.pth.tar", weights_only=False)


@pytest.mark.parametrize(
    "words, message",
    [
        ("--in-chans 1", "--in-chans: 1 channels, but every image, attack and discretiser here is RGB"),
        ("--input-size 1 32 32", "--input-size: 1 channels"),
        ("--tta 3", "--tta 3: no loader serves an image twice"),
        ("--val-interval 0", "--val-interval 0: it must be at least 1"),
        ("--val-interval 2 --sched plateau", "--val-interval 2: --sched plateau needs a score after every epoch"),
        ("--amp --model-dtype bfloat16", "--model-dtype bfloat16: --amp needs float32 weights"),
        ("--model-dtype int8", "--model-dtype int8: known are float32, bfloat16, float16"),
        ("--device-modules no_such_module", "--device-modules no_such_module: cannot be imported"),
        ("--bn-momentum 0.1", "--bn-momentum 0.1, --model-kwargs {'img_size': 32}: test_vit2 does not take this"),
        ("--drop-block 0.1", "--drop-block 0.1, --model-kwargs {'img_size': 32}: test_vit2 does not take this"),
        ("--objective kdiga --model-dtype bfloat16", "--model-dtype: --objective kdiga differentiates in float32"),
        ("--objective dad_dat --model-dtype bfloat16", "--model-dtype: --objective dad_dat differentiates in float32"),
        ("--objective dat --split-bn", "--aug-splits, --split-bn: --objective dat adds images that are in no split"),
        ("--objective kd --train-img-sizes 32 64", "--train-img-sizes: the teacher of --objective kd sees"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(words: str, message: str, train_flags: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        train.main([*train_flags, "--objective", "ce", *words.split()])
    assert str(error.value).startswith(message) and "\n" not in str(error.value)
