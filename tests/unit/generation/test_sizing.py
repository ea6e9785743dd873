"""What a DAD set takes from its sources, once: a set that is there keeps its shards and batches."""

from argparse import Namespace
from pathlib import Path

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.args.sizing import sizes_for_generation
from dad.generation.sizing import resolve_sizes


def resolve(root: Path, images: int, *words: str) -> Namespace:
    flags = ["--dad-dir", str(root), "--size-to-data", *words]
    return resolve_sizes(*parse_args(create_generate_parser(), flags), images)[0]


def test_a_new_set_is_sized_by_its_sources(tmp_path: Path) -> None:
    args = resolve(tmp_path, 4_000)
    assert {"shard_size": args.shard_size, "batch_size": args.batch_size} == sizes_for_generation(4_000)
    assert resolve(tmp_path, 4_000, "--shard-size", "7").shard_size == 7


def test_a_set_that_is_there_keeps_its_sizes_whatever_the_folder_holds_now(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"shard_size": 77}')
    (tmp_path / "args.yaml").write_text("batch_size: 5\n")
    args = resolve(tmp_path, 100_000)
    assert (args.shard_size, args.batch_size) == (77, 5)
    (tmp_path / "args.yaml").unlink()  # killed before it was written: by the same listing, the rule says the same
    assert resolve(tmp_path, 100_000).batch_size == sizes_for_generation(100_000)["batch_size"]
