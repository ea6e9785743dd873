"""What a run will write, against what it then does write."""

from argparse import Namespace
from pathlib import Path

import pytest
from torch import nn

import generate
import train
from dad.args import create_ask_parser, create_generate_parser, create_train_parser
from dad.args.hparams import parse_args
from dad.doctor.writes import find_checkpoint_need, find_dad_set_need, find_soft_target_need, measure_image
from dad.images.classes import load_class_list
from dad.images.cutting import Cut
from dad.images.sources import SourceImage, list_sources
from dad.models import create_student


def of_train(*words: str) -> Namespace:
    return parse_args(create_train_parser(), words)[0]


def test_checkpoints_take_what_a_run_writes(train_flags: list[str], tmp_path: Path) -> None:
    words = [*train_flags, "--objective", "ce", "--model-ema", "--epochs", "2", "--checkpoint-hist", "2"]
    args = of_train(*words)
    need = find_checkpoint_need(args, create_student(args, 6)[0])
    assert train.main(words) == 0
    one = (tmp_path / "run" / "last.pth.tar").stat().st_size
    assert need.folder == tmp_path / "run" and need.what == "5 checkpoints and logs"
    assert 0.8 * one < (need.bytes - 200e6) / 5 < 1.1 * one


@pytest.mark.parametrize(
    ("words", "numbers", "count"),
    [
        (["--opt", "sgd", "--momentum", "0.9"], 2, 13),
        (["--opt", "adamw"], 3, 13),
        (["--opt", "adamw", "--model-ema"], 4, 13),
        (["--opt", "adamw", "--epochs", "3"], 3, 6),
        (["--opt", "adamw", "--epochs", "30", "--val-interval", "10"], 3, 6),
    ],
)
def test_a_checkpoint_holds_what_the_optimiser_keeps(words: list[str], numbers: int, count: int) -> None:
    need = find_checkpoint_need(of_train("--epochs", "300", *words), nn.Linear(1000, 1000, bias=False))
    assert need.what.startswith(f"{count} ") and need.bytes - 200e6 == pytest.approx(count * numbers * 4e6)


def sources_of(world: Path) -> list[SourceImage]:
    return list_sources(world / "data" / "train", load_class_list(str(world / "classes.txt")))


@pytest.mark.parametrize("store", ["codes,image", "codes", "image"])
def test_a_dad_set_takes_what_generation_writes(
    world: Path, generate_flags: list[str], tmp_path: Path, store: str
) -> None:
    words = [*generate_flags, "--preview", "0", "--gallery", "0", "--store", store]
    args, _ = parse_args(create_generate_parser(), words)
    need = find_dad_set_need(args, sources_of(world), Cut(32))
    assert generate.main(words) == 0
    tars = sum(path.stat().st_size for path in (tmp_path / "dad").rglob("*.tar"))
    files = sum(1 for path in (tmp_path / "dad").rglob("*"))
    assert 0.7 * tars < need.bytes < 1.1 * tars and files <= need.files
    assert find_dad_set_need(args, sources_of(world), Cut(32)).bytes < 0.3 * need.bytes  # the rest is there


def test_images_that_cannot_be_read_are_passed_over(world: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    broken = SourceImage("a", tmp_path / "a.png", 0)
    assert measure_image([broken], Cut(32), "jpg", 95) == measure_image([], Cut(32), "jpg", 95) == 0
    sources = sources_of(world)[:1]
    assert measure_image([*sources, broken], Cut(32), "jpg", 95) == measure_image(sources, Cut(32), "jpg", 95) > 0


def test_answers_take_a_record_each(tmp_path: Path) -> None:
    words = ["--objective", "dad", "--soft-targets", str(tmp_path), "--epochs", "30", "--warmup-epochs", "0"]
    args, _ = parse_args(create_ask_parser(), words)
    need = find_soft_target_need(args, 1_281_167, 2, 768)
    assert need.bytes == 30 * 2 * 1_281_167 * 1541 and need.files == 2 * 30 * 313 + 50
    few, _ = parse_args(create_ask_parser(), [*words, "--teacher-views", "10"])
    assert find_soft_target_need(few, 1_281_167, 2, 768).bytes == need.bytes // 3
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "0.bin").write_bytes(bytes(1000))
    assert find_soft_target_need(args, 1_281_167, 2, 768).bytes == need.bytes - 1000
