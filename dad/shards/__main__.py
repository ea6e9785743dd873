"""Look after a DAD set: `python -m dad.shards verify|repair|hydrate|export|stats DIR`."""

import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch
import yaml

from dad.args import create_generate_parser
from dad.args.config import convert
from dad.args.generate import add_discretizer_args
from dad.args.hparams import parse_args
from dad.discretizers import CodedDiscretizer, create_discretizer, is_coded
from dad.errors import DataError, UsageError, run_script
from dad.files import to_json, write_atomically
from dad.shards.hydrate import coded_by, hydrate
from dad.shards.reader import DadSet
from dad.shards.stats import collect_stats, format_stats
from dad.shards.upkeep import export, find_damage, take_back

_GENERATE = Path(__file__).parents[2] / "generate.py"  # of a clone; the installed library comes without it


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
    command.add_argument("--image-format", default="png", choices=["jpeg", "png", "webp"], help="default: png")
    command.add_argument("--image-quality", default=95, type=int, metavar="Q", help="of jpeg; default: 95")
    command.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", metavar="NAME")
    command.add_argument("-b", "--batch-size", default=32, type=int, metavar="N", help="default: 32")
    add_discretizer_args(command)
    for action in command._actions:
        if action.dest in ("discretizer", "vqgan_config", "vqgan_checkpoint"):
            action.default = SUPPRESS  # what generate.py was given
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
    if not _GENERATE.is_file() and not args.mark_only:
        raise DataError(f"{_GENERATE}: no such file; use --mark-only, then rerun generate.py in a clone of the project")
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
    q = _create_discretizer(args)
    ledger = hydrate(
        args.root, args.out, lambda codes: q.decode(codes.to(args.device)), q.settings,
        args.image_format, args.image_quality, args.batch_size,
    )  # fmt: skip
    print(f"{args.out}: {ledger.kept} images decoded, of {ledger.sources} sources")


def _create_discretizer(args: Namespace) -> CodedDiscretizer:
    """Build the set's Q by the flags of generate.py that made the set, but for those that are given here."""
    parser = create_generate_parser()
    config = args.root / "args.yaml"
    flags = vars(parse_args(parser, [])[0]) | {"discretizer": coded_by(args.root)} | _stored_flags(config, parser)
    flags |= {flag: value for flag, value in vars(args).items() if flag in flags}
    try:
        q = create_discretizer(Namespace(**flags), torch.device(args.device))
    except UsageError as error:
        if config.is_file():
            raise
        raise UsageError(f"{config}: no such file, so give the flags of its discretiser: {error}") from error
    if not is_coded(q):
        raise UsageError(f"--discretizer {flags['discretizer']} has no codes; leave it out: the set names its own")
    return q


def _stored_flags(config: Path, parser: ArgumentParser) -> dict[str, Any]:
    """Return those of a set's args.yaml that generate.py knows; another version may have had others."""
    if not config.is_file():
        return {}
    actions = {action.dest: action for action in parser._actions}
    try:
        content: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
        return {flag: convert(actions[flag], value) for flag, value in content.items() if flag in actions}
    except (yaml.YAMLError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise DataError(f"{config}: not the flags of generate.py ({reason}); mend it, or remove it") from error


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


if __name__ == "__main__":
    sys.exit(run_script(main))
