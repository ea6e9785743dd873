"""In which precision the attack's gradients are taken: said, that of the set which is there, or that of everything
else."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import yaml

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.generation.precision import resolve_attack_precision


def resolve(root: Path, *words: str) -> Namespace:
    args, text = resolve_attack_precision(*parse_args(create_generate_parser(), ["--dad-dir", str(root), *words]))
    assert yaml.safe_load(text)["attack_precision"] == args.attack_precision  # what a repair will be told
    return args


def write_set(root: Path, **settings: object) -> None:
    about = {"format_version": 2, "listing": "0" * 16, "sources": 4, "shard_size": 2, **settings}
    (root / "settings.json").write_text(json.dumps(about))


AMP = ["--amp", "--amp-dtype"]


@pytest.mark.parametrize(
    ("words", "precision"),
    [
        ([], "fp32"), ([*AMP, "bfloat16"], "bf16"), ([*AMP, "float16"], "fp16"),
        ([*AMP, "float16", "--attack-precision", "fp32"], "fp32"), (["--attack-precision", "bf16"], "bf16"),
        ([*AMP, "float16", "--attack", "none"], "auto"),
    ],
)  # fmt: skip
def test_a_new_set_takes_what_is_said_or_that_of_everything_else(
    tmp_path: Path, words: list[str], precision: str
) -> None:
    assert resolve(tmp_path, *words).attack_precision == precision


def test_a_set_that_is_there_keeps_its_own_and_an_old_one_is_of_float32(tmp_path: Path) -> None:
    write_set(tmp_path, attack_norm="l2")
    assert resolve(tmp_path, *AMP, "bfloat16").attack_precision == "fp32"
    write_set(tmp_path, attack_norm="l2", attack_precision="fp16")
    assert resolve(tmp_path, *AMP, "bfloat16").attack_precision == "fp16"
    assert resolve(tmp_path, *AMP, "bfloat16", "--attack-precision", "bf16").attack_precision == "bf16"  # and refused


def test_the_settings_of_a_set_without_attack_say_nothing(tmp_path: Path) -> None:
    write_set(tmp_path, attack="none")
    assert resolve(tmp_path, *AMP, "bfloat16").attack_precision == "bf16"
