"""Look after a DAD set: `python -m dad.shards verify|repair|hydrate|export|stats DIR`."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import torch
import yaml

from dad.discretizers.vqgan import load_vqgan
from dad.errors import DataError, UsageError, run_script
from dad.files import to_json, write_atomically
from dad.shards.hydrate import hydrate
from dad.shards.reader import DadSet
from dad.shards.stats import collect_stats, format_stats
from dad.shards.upkeep import export, find_damage, take_back

_GENERATE = Path(__file__).parents[2] / "generate.py"


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands."""
    args = create_parser().parse_args(argv)
    code: int = args.run(args) or 0
    return code


def create_parser() -> ArgumentParser:
    """Return the parser of the five commands."""
    parser = ArgumentParser(prog="python -m dad.shards", description="Look after a DAD set that generate.py made.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: object, text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("root", type=Path, metavar="DIR", help="folder of the DAD set")
        command.set_defaults(run=run)
        return command

    add("verify", _verify, "read every shard and compare with the hashes that were written")
    command = add("repair", _repair, "make damaged shards anew, by the generate.py command that made the set")
    command.add_argument("--mark-only", action="store_true", help="only take them back; generate.py can do the rest")
    command = add("hydrate", _hydrate, "decode a set's codes to images, into a new set")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new set")
    command.add_argument("--vqgan-config", metavar="NAME", help="default: what generate.py was given")
    command.add_argument("--vqgan-checkpoint", metavar="FILE", help="default: what generate.py was given")
    command.add_argument("--image-format", default="png", choices=["jpeg", "png", "webp"], help="default: png")
    command.add_argument("--image-quality", default=95, type=int, metavar="Q", help="of jpeg; default: 95")
    command.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", metavar="NAME")
    command.add_argument("-b", "--batch-size", default=32, type=int, metavar="N", help="default: 32")
    command = add("export", _export, "write the images as plain files, DIR/<class>/<image>")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    command = add("stats", _stats, "show keep rate, codes changed and the teacher's probabilities by class")
    command.add_argument("--rows", type=int, metavar="N", help="only the N classes with the lowest keep rates")
    command.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there too")
    return parser


def _verify(args: Namespace) -> int:
    damage = find_damage(args.root)
    _report(args.root, damage)
    if damage:
        print(f"mend it: python -m dad.shards repair {args.root}")
    return DataError.exit_code if damage else 0


def _repair(args: Namespace) -> int:
    damage = find_damage(args.root)
    _report(args.root, damage)
    if not damage:
        return 0
    config = args.root / "args.yaml"
    if not config.is_file() and not args.mark_only:
        raise DataError(f"{config}: no such file, so the command is not known; use --mark-only and rerun generate.py")
    take_back(args.root, damage)
    command = [
        sys.executable,
        str(_GENERATE),
        "--config",
        str(config),
        "--dad-dir",
        str(args.root),
        "--shard-range",
        "",
    ]
    if args.mark_only:
        print("taken back; make them anew: rerun the same generate.py command")
        return 0
    print(" ".join(command), flush=True)
    return subprocess.run(command, check=False).returncode


def _hydrate(args: Namespace) -> None:
    given = _generate_flags(args.root)
    config = str(args.vqgan_config or given.get("vqgan_config") or "")
    checkpoint = str(args.vqgan_checkpoint or given.get("vqgan_checkpoint") or "")
    if not checkpoint or not config:
        raise UsageError("--vqgan-config and --vqgan-checkpoint are needed: the set does not say where its VQGAN lies")
    device = torch.device(args.device)
    vqgan = load_vqgan(config, checkpoint).to(device)
    ledger = hydrate(
        args.root, args.out, lambda codes: vqgan.decode(codes.to(device)), vqgan.settings,
        args.image_format, args.image_quality, args.batch_size,
    )  # fmt: skip
    print(f"{args.out}: {ledger.kept} images decoded, of {ledger.sources} sources")


def _export(args: Namespace) -> None:
    print(f"{args.out}: {export(DadSet.open(args.root), args.out)} images")


def _stats(args: Namespace) -> None:
    stats = collect_stats(args.root)
    if args.json:
        write_atomically(args.json, to_json(stats, indent=1))
    print(format_stats(stats, args.rows))


def _report(root: Path, damage: dict[int, str]) -> None:
    for index, reason in damage.items():
        print(f"shard {index:05d}: {reason}")
    print(f"{root}: {len(damage)} damaged shards" if damage else f"{root}: every shard is as it was written")


def _generate_flags(root: Path) -> dict[str, object]:
    config = root / "args.yaml"
    return yaml.safe_load(config.read_text(encoding="utf-8")) if config.is_file() else {}


if __name__ == "__main__":
    sys.exit(run_script(main))
