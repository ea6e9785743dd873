"""What a run takes from its data, once: a run that is taken up again takes nothing anew."""

import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

import train
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.args.sizing import TRAINED, sizes_for_training
from dad.errors import UsageError
from dad.training.sizing import resolve_sizes

SWITCH = "--size-to-data"


def resolve(data: Path, *words: object) -> Namespace:
    flags = ["--data-dir", str(data), SWITCH, *map(str, words)]
    args, text, said = resolve_sizes(*parse_args(create_train_parser(), flags))
    assert yaml.safe_load(text) == vars(args) and said.startswith("took ")
    return args


def taken(args: Namespace) -> dict[str, int]:
    return {name: getattr(args, name) for name in TRAINED}


def test_sizes_come_from_the_training_images_and_are_told(colours: Path) -> None:
    assert taken(resolve(colours, "--img-size", 32)) == {**sizes_for_training(8), "img_size": 32}
    parsed = parse_args(create_train_parser(), ["--data-dir", str(colours), SWITCH, "--img-size", "32"])
    assert resolve_sizes(*parsed)[2] == (
        "took --epochs 40, --warmup-epochs 4, --batch-size 8, for 8 training images (--size-to-data); any of these "
        "flags says otherwise"
    )


def test_processes_share_the_batch(colours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert resolve(colours).batch_size == 4


def test_the_side_is_that_of_the_dad_set(colours: Path, tmp_path: Path) -> None:
    (tmp_path / "dad").mkdir()
    (tmp_path / "dad" / "settings.json").write_text('{"img_size": 96}')
    assert resolve(colours, "--dad-dir", tmp_path / "dad").img_size == 96
    assert resolve(colours, "--dad-dir", tmp_path / "none").img_size == 64


def test_a_data_set_without_a_listing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--size-to-data: --dataset torch/cifar10 .*give --epochs, --warmup-epochs"):
        resolve(tmp_path, "--dataset", "torch/cifar10")


@pytest.fixture
def grown(world: Path, tmp_path: Path) -> Path:
    """A copy of the tiny world's images, of which so many more are made that the sizes would be others."""
    shutil.copytree(world / "data", tmp_path / "data")
    return tmp_path / "data"


def grow(data: Path) -> None:
    for path in list((data / "train").glob("*/*.png")):
        for number in range(24):
            shutil.copy(path, path.with_stem(f"{path.stem}_{number}"))


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False])
def test_a_run_that_is_taken_up_again_keeps_its_sizes_whatever_the_folder_holds_now(
    train_flags: list[str], grown: Path, tmp_path: Path, named: bool
) -> None:
    drop = ("--epochs", "--batch-size", "--warmup-epochs", *([] if named else ["--experiment"]))
    pairs = zip(train_flags[::2], train_flags[1::2], strict=True)
    flags = [word for pair in pairs if pair[0] not in drop for word in pair]
    flags += ["--data-dir", str(grown), "--objective", "ce", SWITCH]
    first, text = parse_args(create_train_parser(), [*flags, "--resume", "auto"])
    sizes = taken(resolve_sizes(first, text)[0])
    assert train.main([*flags, "--epochs", "1", "--warmup-epochs", "0"]) == 0
    (folder,) = (path.parent for path in tmp_path.glob("*/args.yaml"))
    written = yaml.safe_load((folder / "args.yaml").read_text())
    assert written["batch_size"] == sizes["batch_size"] == 8 and written["epochs"] == 1
    grow(grown)
    assert sizes_for_training(900)["batch_size"] != 8
    again = ["--resume", "auto"] if named else ["--resume", str(folder / "last.pth.tar")]
    assert taken(resolve_sizes(*parse_args(create_train_parser(), [*flags, *again]))[0]) == {
        name: written[name] for name in TRAINED
    }
    new = taken(resolve_sizes(*parse_args(create_train_parser(), [*flags, "--overwrite"]))[0])
    assert new["batch_size"] == 64 and new["epochs"] == 10


def test_auto_without_a_name_takes_the_sizes_of_the_newest_run_of_the_same_settings(
    colours: Path, tmp_path: Path
) -> None:
    flags = ["--output", str(tmp_path / "runs"), "--resume", "auto", "--lr", "1"]
    begun = vars(resolve(colours, *flags)) | {"epochs": 5, "resume": ""}
    folder = tmp_path / "runs" / "20260101-120000-resnet50-64"
    folder.mkdir(parents=True)
    (folder / "args.yaml").write_text("".join(yaml.safe_dump({name: begun[name]}) for name in sorted(begun)))
    (folder / "last.pth.tar").touch()
    lines = "".join(f"{line}\n" for line in _lines(begun))
    (folder / "args.yaml").write_text(lines)
    assert resolve(colours, *flags).epochs == 5
    assert resolve(colours, *flags[:-1], "2").epochs == 40  # another learning rate is another run


def _lines(flags: dict[str, object]) -> list[str]:
    from dad.args.sizing import line

    return [line(name, flags[name]) for name in sorted(flags)]
