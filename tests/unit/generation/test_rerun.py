"""The command that made a set, taken from its args.yaml."""

from pathlib import Path

import pytest

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError
from dad.generation.rerun import resolve_command


def command(folder: Path, text: str, *given: str) -> list[str]:
    (folder / "args.yaml").write_text(text)
    return resolve_command(folder / "args.yaml", create_generate_parser(), folder, given)


def test_the_command_gives_the_flags_of_the_set_again(tmp_path: Path) -> None:
    flags = ["--data-dir", str(tmp_path), "--teacher", "resnet50", "--amp", "--attack-eps", "0.2", "--img-size", "32"]
    args, text = parse_args(create_generate_parser(), flags)
    again, _ = parse_args(create_generate_parser(), command(tmp_path, text))
    assert vars(again) == {**vars(args), "dad_dir": str(tmp_path)}


def test_given_flags_count_more_and_the_set_is_always_this_one(tmp_path: Path) -> None:
    words = command(tmp_path, "seed: 1\ndad_dir: /elsewhere\nshard_range: '0:2'\n", "--seed", "2")
    args, _ = parse_args(create_generate_parser(), words)
    assert (args.seed, args.dad_dir, args.shard_range) == (2, str(tmp_path), "")


@pytest.mark.parametrize("line", ["torchcompile: evil", "dry_run: true", "tomorrows_flag: 1"])
def test_a_set_does_not_say_what_is_imported_or_left_out(tmp_path: Path, line: str) -> None:
    words = command(tmp_path, f"{line}\nseed: 1\nstats_before: sample\n")
    assert words == ["--seed=1", "--dad-dir", str(tmp_path), "--shard-range", ""]


def test_of_a_set_from_before_there_was_a_choice_all_statistics_are_made_again(tmp_path: Path) -> None:
    assert "--stats-before=all" in command(tmp_path, "seed: 1\n")


def test_all_that_is_gone_is_named_with_its_flag(tmp_path: Path) -> None:
    text = "data_dir: /gone/a\nvqgan_checkpoint: /gone/b\n"
    with pytest.raises(DataError, match=r"--data-dir /gone/a, --vqgan-checkpoint /gone/b.*--data-dir \.\.\. --vqgan"):
        command(tmp_path, text)
    assert "--data-dir" in command(tmp_path, text, "--data-dir", str(tmp_path), "--vqgan-checkpoint", str(tmp_path))
