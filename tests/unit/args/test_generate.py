"""Values that generate.py cannot work with, refused by the flag that has them."""

import pytest

from dad.args import create_generate_parser
from dad.args.generate import require_generation, resolve_keep
from dad.args.hparams import parse_args
from dad.errors import UsageError

NEEDED = [
    "--data-dir", "data", "--dad-dir", "dad", "--teacher", "clip/ViT-L-14/openai", "--vqgan-checkpoint", "vq-f8.ckpt",
]  # fmt: skip


AMONG = ("data", "data/.", "data/train", "data/train/dad", "data/val/dad", "dad/../data")


def check(*words: str) -> None:
    require_generation(parse_args(create_generate_parser(), [*NEEDED, *words])[0])


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--shard-range", "3:"],
        ["--shard-range", ":"],
        ["--attack-eps", "0"],
        ["--workers", "0"],
        ["--batch-size", "auto"],
        ["--attack-precision", "tf32", "--attack", "none"],
        ["--dad-dir", "data/dad"],
    ],
)
def test_what_can_work_is_taken(words: list[str]) -> None:
    check(*words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--teacher", ""], "--teacher is needed"),
        (["--batch-size", "0"], "--batch-size 0: it must be at least 1"),
        (["--preview", "-1"], "--preview -1: it must be at least 0"),
        (["--attack-eps", "-0.5"], "--attack-eps -0.5: it must be at least 0"),
        (["--random-start-prob", "1.1"], "--random-start-prob 1.1: it must be from 0 to 1"),
        *((["--dad-dir", place], f"--dad-dir {place}: it lies among the images of --data-dir data") for place in AMONG),
        (["--crop-pct", "0"], "--crop-pct 0: it must be above 0"),
        (["--image-quality", "101"], "--image-quality 101: it must be from 1 to 100"),
        (["--read-timeout", "0"], "--read-timeout 0: it must be above 0"),
        *((["--shard-range", text], f"--shard-range {text}: expected A:B") for text in ("4", "a:b", "1:2:3", "-1:2")),
    ],
)
def test_what_cannot_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(f"{words[0]}={words[1]}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--attack-precision", "tf32", "--device", "cpu"], "--attack-precision tf32: --device cpu has none; use"),
        (["--unlabelled", "--keep", "teacher-correct"], "--keep teacher-correct: of --unlabelled images nobody knows"),
        (["--keep", "teacher-unchanged"], "--keep teacher-unchanged: it is for --unlabelled images"),
        (["--train-split", ".", "--dad-dir", "data/dad"], "--dad-dir data/dad: it lies among the images"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(*words)


def test_what_is_kept_goes_by_whether_there_are_labels() -> None:
    kept = [resolve_keep(parse_args(create_generate_parser(), words)[0]) for words in ([], ["--unlabeled"])]
    assert kept == ["teacher-correct", "teacher-unchanged"]
