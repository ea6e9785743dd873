"""Say what a table of the paper still lacks, and start it: `python -m dad.tables 3 --data-dir /data/imagenet --submit`.

    python -m dad.tables 3                                              # rows, recipes, states, and the next commands
    python -m dad.tables 1,2 --hours-at 3000                            # with hours, at 3,000 images a second
    python -m dad.tables 3 --submit --with "sbatch slurm/train.sbatch"  # by a batch system; again, to go on
    python -m dad.tables emojinet --submit -- --workers 0               # flags behind -- go to every training

Commands are those of the recipes' headers. A run counts if its settings are the recipe's, and scores if they are of its
weights.
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from dad.args.repeatable import Repeatable
from dad.args.switches import Switch
from dad.args.tools import ToolParser
from dad.errors import DataError, UsageError, run_script
from dad.tables.listing import Pace, format_ending, format_steps, format_tables
from dad.tables.recipes import Wishes
from dad.tables.rows import choose, read_headers, resolve_tables
from dad.tables.steps import Plan
from dad.tables.submit import Queue, submit


def main(argv: list[str] | None = None) -> int:
    """List or start what the tables on the command line lack."""
    args, flags = resolve_args(argv)
    pairs = [place.partition("=") for place in args.place]
    wishes = Wishes(
        Path(args.recipes), args.data_dir, args.output, tuple(shlex.split(args.launcher)),
        {name: path for name, _, path in pairs}, tuple(flags),
    )  # fmt: skip
    headers = read_headers(wishes.folder)
    tables = choose(resolve_tables(args.tables, headers), args.recipe)
    plan = Plan(tables, wishes)
    flags_of_all = [flag for step in plan.steps.values() for flag in step.command.flags]
    for name, path in wishes.places.items():
        if not any(path in (flag, flag.partition("@")[2]) for flag in flags_of_all):
            raise UsageError(f"--place {name}={path}: no command of these tables names {name}")
    queue = Queue(Path(args.output or "output") / "submitted")
    pace = Pace(args.hours_at, args.images) if args.hours_at else None
    lacking, code = plan.lacking(), 0
    if args.submit:
        missing = dict.fromkeys(file for step, _ in lacking.values() for file in step.missing)
        if missing:
            raise DataError(f"nothing is started, not there: {', '.join(missing)}; or leave their rows out by --recipe")
        code = submit(plan, lacking, queue, again=args.again)
        lacking = plan.lacking()
    parts = [format_tables(tables, plan, lacking, pace), "" if args.submit else format_steps(lacking, queue)]
    print("\n\n".join(part for part in [*parts, format_ending(tables, plan, lacking)] if part))
    return code


def resolve_args(argv: list[str] | None) -> tuple[Namespace, list[str]]:
    """Return the flags, and those of every training; refuse a command line that is wrong, whatever the files hold."""
    own, flags = _split(sys.argv[1:] if argv is None else argv)
    args = _create_parser().parse_args(own)
    _require_sense(args)
    return args, flags


def _require_sense(args: Namespace) -> None:
    for place in args.place:
        name, equals, path = place.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--place {name}: expected NAME=FILE, NAME as in the commands that are printed")
    if args.hours_at is not None and not 0 < args.hours_at < float("inf"):
        raise UsageError(f"--hours-at {args.hours_at}: images a second, more than 0")
    if args.images is not None and args.images < 1:
        raise UsageError(f"--images {args.images}: it must be 1 or more")
    if args.images is not None and args.hours_at is None:
        raise UsageError(f"--images {args.images}: only --hours-at counts with them; add that")
    if args.again and not args.submit:
        raise UsageError("--again: it says what --submit does; add that")


def _create_parser() -> ToolParser:
    parser = ToolParser(
        prog="python -m dad.tables", words="TABLES", description="Say what a table of the paper lacks, and start it."
    )
    add = parser.add_argument
    add("tables", metavar="TABLES", help="numbers as in 3,5, or all, or emojinet")
    add("--submit", default=False, action=Switch, help="start what is lacking, one after the other")
    add("--with", dest="launcher", default="", metavar="LAUNCHER",
        help="words to start a script with in place of the headers' ./distributed_train.sh 8, as \"sbatch "
        "slurm/train.sbatch\"; like these two it has to heed DAD_SCRIPT, which names the script")  # fmt: skip
    add("--again", default=False, action=Switch, help="start what was handed to a batch system before, too")
    add("--recipe", nargs="+", default=[], metavar="NAME", help="these recipes alone (default: the first of each row)")
    add("--hours-at", type=float, metavar="IMG_PER_S",
        help="say hours: epochs x images / the images a second that train.py prints, of all processes")  # fmt: skip
    add("--images", type=int, metavar="N", help="in an epoch, for --hours-at (default: ImageNet's, or EmojiNet's)")
    add("--data-dir", default="", metavar="DIR",
        help="in place of /data/imagenet; DAD sets are beside it: DIR-dad, DIR-dad-clip_rn101, ...")  # fmt: skip
    add("--output", default="", metavar="DIR", help="parent of the runs' folders (default: output/train)")
    add("--place", nargs="+", default=[], action=Repeatable, metavar="NAME=FILE",
        help="where a file of the commands is: vq-f8.ckpt=/weights/vq-f8.ckpt")  # fmt: skip
    add("--recipes", default="hparams", metavar="DIR", help="folder of the recipes")
    return parser


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Return the words of this command, and those behind `--`."""
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


if __name__ == "__main__":
    sys.exit(run_script(main))
