"""Look after a DAD set: `python -m dad.shards verify|repair|hydrate|export|pack|stats DIR`."""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import shlex
import subprocess
import sys
from argparse import SUPPRESS, Namespace
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path

import torch

from dad.args import create_generate_parser
from dad.args.checks import require_numbers
from dad.args.generate import add_discretizer_args
from dad.args.hparams import parse_args
from dad.args.tools import ToolParser
from dad.discretizers import CodedDiscretizer, create_discretizer, is_coded
from dad.errors import DataError, UsageError, run_script
from dad.files import to_json, write_atomically
from dad.generation.rerun import resolve_command, stored_flags
from dad.runtime import find_device
from dad.shards.export import export
from dad.shards.hydrate import coded_by, hydrate
from dad.shards.lock import ShardLock
from dad.shards.reader import DadSet
from dad.shards.repair import Plan, apply, clear_away, plan_repair, take_back
from dad.shards.stats import collect_stats, format_stats
from dad.shards.verify import Findings, verify
from dad.soft_targets.pack import pack

_GENERATE = Path(__file__).parents[2] / "generate.py"  # of a clone; the installed library comes without it


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands."""
    args = resolve_args(argv)
    if "device" in args:
        args.device = find_device(args.device)
    code: int = args.run(args) or 0
    return code


def resolve_args(argv: list[str] | None) -> Namespace:
    """Return the flags; refuse a command line that is wrong, whatever the files hold."""
    parser = create_parser()
    args: Namespace
    args, given = parser.parse_known_args(argv)
    args.given = given
    if args.given and args.run is not _repair:
        parser.error(f"unrecognized arguments: {' '.join(args.given)}")
    require_numbers(args)
    return args


def create_parser() -> ToolParser:
    """Return the parser of the commands."""
    program = "python -m dad.shards"
    parser = ToolParser(prog=program, description="Look after a DAD set that generate.py made.", words="COMMAND DIR")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog=program)

    def add(name: str, run: object, text: str, left_over: Collection[str] = ()) -> ToolParser:
        command = commands.add_parser(name, help=text, description=text, words="DIR", left_over=left_over)
        command.add_argument("root", type=Path, metavar="DIR", help="folder of the DAD set")
        command.set_defaults(run=run)
        return command

    add("verify", _verify, "read every file and compare with the hashes that were written")
    command = add(
        "repair", _repair,
        "make damaged files and shards anew, by the generate.py command that made the set; flags of generate.py after "
        "DIR replace those of its args.yaml, e.g. --data-dir where the images have moved",
        left_over=create_generate_parser()._option_string_actions,
    )  # fmt: skip
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.add_argument("-y", "--yes", action="store_true", help="run the command that is shown without asking")
    command.add_argument("--mark-only", action="store_true", help="only take them back; generate.py can do the rest")
    command.add_argument("--retry-unreadable", action="store_true", help="also read unreadable images again")
    command = add("hydrate", _hydrate, "decode a set's codes to images, into a new set")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the new set")
    command.add_argument("--image-format", default="png", choices=["jpeg", "png", "webp"], help="default: png")
    command.add_argument("--image-quality", default=95, type=int, metavar="Q", help="of jpeg; default: 95")
    command.add_argument("--device", default="", metavar="NAME", help="default: cuda where there is one")
    command.add_argument("-b", "--batch-size", default=32, type=int, metavar="N", help="default: 32")
    add_discretizer_args(command)
    for action in command._actions:
        if action.dest in ("discretizer", "vqgan_config", "vqgan_checkpoint"):
            action.default = SUPPRESS  # what generate.py was given
    command = add("export", _export, "write the images as plain files, DIR/<class>/<image>")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    command = add("pack", _pack, "put the set, soft targets about it and the class list into one folder to train from")
    command.add_argument("--soft-targets", type=Path, required=True, metavar="DIR", help="made with --dad-dir DIR")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    command = add("stats", _stats, "show keep rate, codes changed and the teacher's probabilities by class")
    command.add_argument("--rows", type=int, metavar="N", help="only the N classes with the lowest keep rates")
    command.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there too")
    return parser


def _verify(args: Namespace) -> int:
    findings = verify(args.root)
    _report(args.root, findings)
    if findings.damage:
        print(f"mend it: python -m dad.shards repair {args.root}")
    return 0 if findings.is_intact else DataError.exit_code


def _repair(args: Namespace) -> int:
    findings = verify(args.root)
    _report(args.root, findings)
    if findings.is_intact and not args.retry_unreadable:
        return 0
    plan = plan_repair(args.root, findings)
    words = _words_of_generate(args, plan)
    print("\n".join(["what will be done:", *plan.describe()]))
    if words:
        print(shlex.join(["python", "generate.py", *words]), flush=True)
    if args.dry_run or not _is_agreed(args, words):
        return 0
    apply(args.root, plan, findings.count)
    if args.mark_only:
        take_back(args.root, plan, findings.count)
        print("taken back; make them anew: rerun the same generate.py command")
        return 0
    if words:
        code = subprocess.run([sys.executable, str(_GENERATE), *words], check=False).returncode
        if code:
            print(f"{args.root}: not repaired, generate.py ended with {code}; nothing that was intact was removed")
            return code
    findings = verify(args.root)
    _report(args.root, findings)
    if findings.is_intact:
        clear_away(args.root)
    return 0 if findings.is_intact else DataError.exit_code


def _words_of_generate(args: Namespace, plan: Plan) -> list[str]:
    """Return the flags of the generate.py command that a repair runs; none if it needs none."""
    if args.mark_only or not (plan.needs_generation or args.retry_unreadable):
        return []
    config = args.root / "args.yaml"
    if not config.is_file():
        raise DataError(
            f"{config}: no such file, so the command is not known; nothing was changed; use --mark-only and rerun "
            "generate.py (or hydrate, if that made the set)"
        )
    if not _GENERATE.is_file():
        raise DataError(f"{_GENERATE}: no such file; use --mark-only, then rerun generate.py in a clone of the project")
    given = [*args.given]
    if plan.redo:
        given.append(f"--redo-shards={','.join(map(str, plan.redo))}")
    if args.retry_unreadable:
        given.append("--retry-unreadable")
    return resolve_command(config, create_generate_parser(), args.root, given)


def _is_agreed(args: Namespace, words: list[str]) -> bool:
    """Ask whether a command is to be run, most of which stands in a file that may come from anywhere."""
    if args.yes or not words:
        return True
    if not sys.stdin.isatty():
        raise UsageError("repair runs the command above, by the args.yaml of the set; look at it, and say --yes")
    return input("run it? [y/N] ").strip().lower() in ("y", "yes")


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
    flags = vars(parse_args(parser, [])[0]) | {"discretizer": coded_by(args.root)} | stored_flags(config, parser)
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


def _export(args: Namespace) -> None:
    print(f"{args.out}: {export(DadSet.open(args.root), args.out)} images")


def _pack(args: Namespace) -> None:
    size = pack(args.root, args.soft_targets, args.out)
    print(f"{args.out}: {size / 1e9:.2f} GB, every file as it was written; README.txt there says how to train from it")


def _stats(args: Namespace) -> None:
    stats = collect_stats(args.root)
    if args.json:
        is_beside = args.json.absolute().parent == args.root.absolute()  # where a run that begins sweeps up leftovers
        with ShardLock(args.root, range(0)) if is_beside else nullcontext():
            write_atomically(args.json, to_json(stats, indent=1))
    print(format_stats(stats, args.rows))


def _report(root: Path, findings: Findings) -> None:
    for damage in findings.damage:
        print(f"{damage.name}: {damage.reason}")
    if findings.damage:
        print(f"{root}: {len(findings.damage)} damaged files or shards")
    if findings.unfinished:
        print(f"{root}: unfinished ({findings.unfinished}); rerun the same generate.py command")
    if findings.is_intact:
        print(f"{root}: every file is as it was written")


if __name__ == "__main__":
    sys.exit(run_script(main))
