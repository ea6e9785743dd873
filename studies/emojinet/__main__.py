"""Run the study, look at what limits it, print what it found.

python -m studies.emojinet look
python -m studies.emojinet select
python -m studies.emojinet plan
python -m studies.emojinet run --workers 2
python -m studies.emojinet teacher
python -m studies.emojinet costs
python -m studies.emojinet table
python -m studies.emojinet power
python -m studies.emojinet devices
python -m studies.emojinet plot
python -m studies.emojinet page
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from dad.charts.svg import to_file
from dad.errors import UsageError, run_script
from dad.files import to_json, write_atomically
from studies.emojinet.attack_plot import attack_plot
from studies.emojinet.devices import compare_devices
from studies.emojinet.ladder import NO_LADDER
from studies.emojinet.methods import CLAIMS, ON_A_CARD, Tables
from studies.emojinet.page import PAGE, write_page
from studies.emojinet.plan import Job, plan_jobs
from studies.emojinet.plan_file import plan_bytes, plan_content, require_plan, write_plan
from studies.emojinet.plot import difference_plot
from studies.emojinet.power import format_power, plan_power
from studies.emojinet.records import Records, load_records
from studies.emojinet.runner import Runner, read_records
from studies.emojinet.sets import load_selection, require_listings
from studies.emojinet.study import Study, load_study
from studies.emojinet.table import format_study
from studies.emojinet.teacher import score_teacher

RESULTS = (
    Path(__file__).parent / "results"
)  # of CPUs; those of another kind of device lie in a folder below, by its name


def main(argv: list[str] | None = None) -> int:
    """Do what the first word says."""
    args = _parse(argv)
    if args.command == "look":
        from studies.emojinet.look import look_at  # torch is slow to import and no other command needs it

        print(look_at(args.data, args.results))
    elif args.command == "table":
        print(format_study(load_study(args.results)))
    elif args.command == "power":
        print(format_power(plan_power(load_study(args.results).records)))
    elif args.command == "devices":
        print(
            compare_devices(*(Records(load_records(place / "runs.json")) for place in (RESULTS / args.kind, RESULTS)))
        )
    elif args.command == "plot":
        print(draw(load_study(args.results), args.out))
    elif args.command == "page":
        study = load_study(RESULTS / "runs.json")
        print("\n".join([write_page(PAGE, study, len(plan_runs())), draw(study, RESULTS)]))
    elif args.command == "teacher":
        print(score_teacher(args.data, args.out))
    elif args.command == "costs":
        from studies.emojinet.costs import measure_costs  # torch is slow to import

        print(measure_costs(args.run, args.out, args.repeats, list(filter(None, args.only.split(",")))))
    elif args.command == "plan":
        tables, results = place_of(args.device)
        content = plan_bytes(load_selection(), tables, kind_of(args.device))
        print(write_plan(results / "plan.json", content, read_records(results)))
    elif args.command == "select":
        print(select_scenes(args))
    else:
        run_study(args)
    return 0


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m studies.emojinet", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="train and score everything that is not there yet")
    run.add_argument("--seeds", type=int, help="of each method at most (default: as many as planned)")
    run.add_argument("--workers", type=int, default=2, help="processes at a time, of one thread each (default: 2)")
    run.add_argument(
        "--device",
        default="cpu",
        help="that trains, generates and scores (default: cpu); each kind has a plan and results of its own",
    )
    run.add_argument("--only", default="", metavar="METHOD,...", help="methods; default: all")
    run.add_argument("--quick", action="store_true", help="one epoch each, to see that everything works")
    run.add_argument(
        "--dry-run", action="store_true", help="list the jobs with the minutes that they are expected to take"
    )
    run.add_argument(
        "--out", type=Path, default=Path("output/study"), help="for data, sets and runs (default: output/study)"
    )
    select = commands.add_parser("select", help="train the ensemble that chooses the images of A, and let it choose")
    select.add_argument("--workers", type=int, default=2, help="processes at a time, of one thread each (default: 2)")
    select.add_argument("--out", type=Path, default=Path("output/study"), help="for data and judges")
    plan = commands.add_parser("plan", help="write down all that decides, and print its digest")
    plan.add_argument("--device", default="cpu", help="that runs will be on (default: cpu)")
    table = commands.add_parser("table", help="print means, differences and verdicts")
    table.add_argument("--results", type=Path, default=RESULTS / "runs.json", help="default: the committed ones")
    power = commands.add_parser("power", help="print how many seeds each claim takes, by the spread of those there are")
    power.add_argument("--results", type=Path, default=RESULTS / "runs.json", help="default: the committed ones")
    devices = commands.add_parser("devices", help="compare the runs on a kind of device with the same ones on CPUs")
    devices.add_argument("--kind", default="cuda", help="of device (default: cuda)")
    plot = commands.add_parser("plot", help="draw what each method adds to plain training, and the attack to Q")
    plot.add_argument("--results", type=Path, default=RESULTS / "runs.json", help="default: the committed ones")
    plot.add_argument("--out", type=Path, default=RESULTS, help="folder of the pictures (default: beside the results)")
    commands.add_parser("page", help="write the page of the committed results and its pictures anew")
    teacher = commands.add_parser("teacher", help="score the teacher, to tell which test sets can tell methods apart")
    teacher.add_argument("--data", type=Path, default=Path("output/study/data"), help="as the study rendered it")
    teacher.add_argument("--out", type=Path, default=RESULTS / "teacher.json", help="default: beside the results")
    costs = commands.add_parser(
        "costs", help="time a step of each method over one of ce, on cores that do nothing else"
    )
    costs.add_argument("--run", type=Path, default=Path("output/study"), help="the study's folder, for its data")
    costs.add_argument("--repeats", type=int, default=15, help="steps of each method, in turn with ce (default: 15)")
    costs.add_argument("--only", default="", metavar="METHOD,...", help="methods; default: all")
    costs.add_argument("--out", type=Path, default=RESULTS / "costs.json", help="default: beside the results")
    look = commands.add_parser("look", help="measure the teacher's softness, the attack's strength and Q")
    look.add_argument("--data", type=Path, default=Path("output/study/data"), help="rendered if it is not there")
    look.add_argument("--results", type=Path, default=RESULTS / "look.json", help="where the numbers are written")
    return parser.parse_args(argv)


def pictures_of(study: Study) -> dict[str, str]:
    """Return the pictures by their files' names; the attack's only where its ladder was run."""
    pictures = {"differences.svg": difference_plot(study.records), "epsilon.svg": attack_plot(study)}
    return {name: svg for name, svg in pictures.items() if svg}


def draw(study: Study, folder: Path) -> str:
    """Write the pictures and return their places."""
    pictures = pictures_of(study)
    for name, svg in pictures.items():
        write_atomically(folder / name, to_file(svg))
    lines = [f"written: {folder / name}" for name in pictures]
    return "\n".join(lines if len(lines) > 1 else [NO_LADDER, *lines])


def plan_runs() -> list[Job]:
    """Return the runs of the plan on CPUs."""
    return [job for job in plan_jobs(Path("out")) if job.run]


def run_study(args: argparse.Namespace) -> None:
    """Run what is planned for a kind of device."""
    tables, results = place_of(args.device)
    content = plan_content(load_selection(), tables, kind_of(args.device))
    run_planned(
        args, tables, results, to_json(content, indent=1),
        lambda out: require_listings(out / "data", out / "sets", content["sets"]),
    )  # fmt: skip


def run_planned(
    args: argparse.Namespace, tables: Tables, results: Path, plan: bytes, check: Callable[[Path], None]
) -> None:
    """Run what a plan file says, which has to be `plan`; records go to `results` as they come, those of a shortened
    study to --out.

    Args:
        check: called with the study's folder when data and test sets are there.
    """
    if args.workers < 1 or (args.seeds is not None and args.seeds < 1):
        raise UsageError("--seeds and --workers must be at least 1")
    digest = require_plan(results / "plan.json", plan)
    out: Path = args.out
    if args.quick:
        out = results = out / "quick"
    only = list(filter(None, args.only.split(",")))
    jobs = plan_jobs(out, args.seeds, only, args.quick, args.device, tables)
    runner = Runner(out, args.workers, results, digest, lambda line: print(line, flush=True))
    if args.dry_run:
        print(describe(jobs, runner, args.workers))
        return
    records = runner.run(jobs, lambda: check(out))
    print(f"{len(records)} runs, written to {results / 'runs.json'}")


def kind_of(device: str) -> str:
    """Return the kind of a device: `cuda` of `cuda:1`."""
    return device.partition(":")[0]


def place_of(device: str) -> tuple[Tables, Path]:
    """Return what is run on a device, and the folder of its results: those of two kinds do not mix."""
    kind = kind_of(device)
    return (CLAIMS, RESULTS) if kind == "cpu" else (ON_A_CARD, RESULTS / kind)


def select_scenes(args: argparse.Namespace) -> str:
    """Train what is not there of the ensemble, then choose."""
    from studies.emojinet.selection import judge_jobs, select  # torch is slow to import

    jobs = judge_jobs(args.out)
    Runner(args.out, args.workers, args.out, "", lambda line: print(line, flush=True)).carry_out(jobs)
    return select(jobs, args.out / "data")


def describe(jobs: list[Job], runner: Runner, workers: int) -> str:
    """Return a line for each job, and the minutes of those that are not done."""
    pending = runner.pending(jobs)
    lines = []
    for job in jobs:
        state = "" if job in pending else "done"
        lines.append(f"{state:<6}{job.minutes:5.1f} min  {job.name}")
    minutes = sum(job.minutes for job in pending) / workers
    lines.append(f"{len(pending)} of {len(jobs)} jobs to do: {minutes:.0f} min with {workers} workers")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_script(main))
