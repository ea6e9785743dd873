"""Train two students on the large world by plain training, KD and DAD; print what each adds.

python -m studies.emojinet_large plan --device cuda
python -m studies.emojinet_large run --device cuda --workers 6
python -m studies.emojinet_large teacher
python -m studies.emojinet_large table
"""

import argparse
import sys
from pathlib import Path

from dad.errors import run_script
from dad.files import to_json
from studies.emojinet.__main__ import kind_of, run_planned
from studies.emojinet.plan_file import comparison_content, write_plan
from studies.emojinet.runner import read_records
from studies.emojinet.teacher import score_teacher
from studies.emojinet_large.methods import RECIPES, TABLES
from studies.emojinet_large.table import format_table, load

RESULTS = Path(__file__).parent / "results"


def main(argv: list[str] | None = None) -> int:
    """Do what the first word says."""
    args = _parse(argv)
    if args.command == "plan":
        print(write_plan(args.results / "plan.json", plan_bytes(args.device), read_records(args.results)))
    elif args.command == "run":
        run_planned(args, TABLES, args.results, plan_bytes(args.device), lambda out: None)
    elif args.command == "teacher":
        teacher = TABLES.teachers["clip"].format(out=args.out)
        print(score_teacher(args.out / "data", args.results / "teacher.json", RECIPES, teacher, args.device))
    else:
        print(format_table(load(args.results)))
    return 0


def plan_bytes(device: str) -> bytes:
    """Return the plan file as it has to be for runs on a device, byte for byte."""
    return to_json({**comparison_content(TABLES, kind_of(device)), "world": TABLES.world.name}, indent=1)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m studies.emojinet_large", description=(__doc__ or "").splitlines()[0]
    )
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="write down all that decides, and print its digest")
    run = commands.add_parser("run", help="train and score what is not there yet")
    run.add_argument("--seeds", type=int, help="of each method at most (default: as many as planned)")
    run.add_argument("--workers", type=int, default=2, help="jobs at a time, of some processes each (default: 2)")
    run.add_argument("--only", default="", metavar="METHOD,...", help="methods; default: all")
    run.add_argument("--quick", action="store_true", help="one epoch each, to see that everything works")
    run.add_argument("--dry-run", action="store_true", help="list the jobs")
    teacher = commands.add_parser("teacher", help="score the teacher on the same test sets")
    for command in (plan, run, teacher):
        command.add_argument("--device", default="cuda", help="that trains, generates and scores (default: cuda)")
    for command in (run, teacher):
        command.add_argument(
            "--out",
            type=Path,
            default=Path("output/study-large"),
            help="for data, sets and runs (default: %(default)s)",
        )
    table = commands.add_parser("table", help="print means over seeds, and what each method adds")
    for command in (plan, run, teacher, table):
        command.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: the committed ones")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
