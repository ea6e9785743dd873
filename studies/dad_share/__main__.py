"""Train EmojiNet's students by `dad` on a share of each batch's DAD images; print what that costs and what it spares.

python -m studies.dad_share run --workers 2
python -m studies.dad_share costs
python -m studies.dad_share table
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from dad.errors import run_script
from dad.markdown import format_rows
from studies.emojinet.__main__ import RESULTS as CLAIMS_RESULTS
from studies.emojinet.cells import difference_cell, plus_minus
from studies.emojinet.methods import CLAIMS, METHODS
from studies.emojinet.plan import plan_jobs
from studies.emojinet.records import TITLES, Records, load_records
from studies.emojinet.runner import Runner
from studies.emojinet.statistics import estimate, paired_difference
from studies.emojinet.study import read_costs

RESULTS = Path(__file__).parent / "results"
SHARES = (0.25, 0.5)
_PLAIN, _NONE, _ALL = "ce", "kd", "dad"  # the study of the paper's claims has those with no DAD image and with all
_COLUMNS = ("imagenet", "in_distribution", "imagenet-r", "natural", "imagenet-c", "imagenet-style")


def name_of(share: float) -> str:
    """Return the name of the runs with a share of the DAD images: `kd` and `dad` without any and with all of them."""
    return {0.0: _NONE, 1.0: _ALL}.get(share, f"dad_share{share:g}")


_METHODS = {method.name: method for method in METHODS}
BETWEEN = tuple(
    replace(_METHODS[_ALL], name=name_of(share), flags={"--dad-share": f"{share:g}"}, seeds=5, turn=1, cost=2.0)
    for share in SHARES
)


def main(argv: list[str] | None = None) -> int:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(prog="python -m studies.dad_share", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and score what is not there yet")
    run.add_argument("--seeds", type=int, help="of each share at most (default: as many as planned)")
    run.add_argument("--workers", type=int, default=2, help="processes at a time, of one thread each (default: 2)")
    run.add_argument("--quick", action="store_true", help="one epoch each, to see that everything works")
    costs = commands.add_parser("costs", help="time a step over one of ce, on cores that do nothing else")
    costs.add_argument("--repeats", type=int, default=15, help="steps of each, in turn with ce (default: 15)")
    for command in (run, costs):
        command.add_argument(
            "--out", type=Path, default=Path("output/study"), help="as studies.emojinet has it, for its data and sets"
        )
    table = commands.add_parser("table", help="print means over seeds, and differences to all DAD images")
    for command in (run, costs, table):
        command.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: the committed ones")
    args = parser.parse_args(argv)
    if args.command == "run":
        if args.quick:
            args.out = args.results = args.out / "quick-share"
        runner = Runner(args.out, args.workers, args.results, "", lambda line: print(line, flush=True))
        runner.run(plan_jobs(args.out, args.seeds, quick=args.quick, tables=replace(CLAIMS, methods=BETWEEN)))
    elif args.command == "costs":
        from studies.emojinet.costs import measure_costs  # torch is slow to import

        methods = (*(_METHODS[name] for name in (_PLAIN, _NONE, _ALL)), *BETWEEN)
        tables = replace(CLAIMS, methods=methods)
        print(measure_costs(args.out, args.results / "costs.json", args.repeats, tables=tables))
        return 0
    print(format_table(load(args.results)))
    return 0


def load(results: Path) -> Records:
    """Return the records of all shares: those of `kd` and `dad` are the other study's, with the same seeds."""
    own = load_records(results / "runs.json")
    seeds = {record.seed for record in own}
    ends = [
        record
        for record in load_records(CLAIMS_RESULTS / "runs.json")
        if record.method in (_NONE, _ALL) and record.seed in seeds
    ]
    return Records([*own, *ends], read_costs(results / "costs.json"))


def format_table(records: Records) -> str:
    """Return for each student a row a share: what a step costs over plain training, means over seeds with their 95 %
    intervals, and the difference of the average of all sets to what all DAD images give, by seeds."""
    parts = []
    for student in records.students():
        rows = [["share", "seeds", "x ce", *(TITLES[name] for name in _COLUMNS), TITLES["all"], "Avg, to all of them"]]
        for share in (0.0, *SHARES, 1.0):
            name = name_of(share)
            values = {column: records.values(student, name, column) for column in (*_COLUMNS, "all", "cost")}
            means = {key: estimate(list(found.values())) if found else None for key, found in values.items()}
            whole = paired_difference(values["all"], records.values(student, _ALL, "all"))
            rows.append([
                f"{share:g}", str(len(values["all"])), plus_minus(means["cost"], "{:.2f}"),
                *(plus_minus(means[column], "{:.1f}") for column in (*_COLUMNS, "all")),
                "" if share == 1 else difference_cell(whole),
            ])  # fmt: skip
        parts += [f"### {student}", format_rows(rows)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(run_script(main))
