"""Train EmojiNet's `dad` for 8 epochs on 1, 2, 4 and 8 virtual epochs; print what asking less often costs.

python -m studies.soft_targets run --seeds 0 1 2
python -m studies.soft_targets table
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import dad.soft_targets.__main__
import train
import validate
from dad.errors import run_script
from dad.files import to_json, write_atomically
from dad.markdown import format_rows
from dad.report.results import load_results
from studies.emojinet.statistics import estimate

RECIPE = "studies/soft_targets/recipe.yaml"
EPOCHS = 8  # the recipe's
VIEWS = (1, 2, 4, 8)
RESULTS = Path(__file__).parent / "results.json"
_SETS = {"imagenet": "val", "imagenet-r": "R"}

Record = dict[str, Any]  # seed, views, top-1 by set


def main(argv: list[str] | None = None) -> int:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(prog="python -m studies.soft_targets", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="build, train and score what is not there yet")
    run.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="SEED", help="default: 0 1 2")
    run.add_argument("--out", type=Path, default=Path("output/soft-targets-study"), metavar="DIR")
    run.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="of train.py, for all runs")
    table = commands.add_parser("table", help="print means over seeds and their 95 %% intervals")
    for command in (run, table):
        command.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    args = parser.parse_args(argv)
    if args.command == "run":
        run_study(args.seeds, args.out, args.results, args.flags)
    print(format_table(load(args.results)))
    return 0


def run_study(seeds: list[int], out: Path, results: Path, flags: list[str]) -> None:
    """Do what is not in `results` yet; what is, stays, also if another process adds to it."""
    known = {(record["seed"], record["views"]) for record in load(results)}
    for seed in seeds:
        given = ["--config", RECIPE, "--seed", str(seed), *flags]
        soft = out / f"soft-{seed}"
        for views in VIEWS:
            if (seed, views) in known:
                continue
            dad.soft_targets.__main__.main(["build", *given, "--soft-targets", str(soft)])
            words = [*given, "--output", str(out), "--experiment", f"seed{seed}-views{views}", "--overwrite"]
            words += ["--soft-targets", str(soft), "--teacher-views", str(views)]
            train.main(words)
            scores = score(out / f"seed{seed}-views{views}" / "last.pth.tar", out)
            own = {"seed": seed, "views": views, "top1": scores}
            write_atomically(results, to_json([*load(results), own], indent=1))


def score(checkpoint: Path, out: Path) -> dict[str, float]:
    """Return the top-1 accuracy of a checkpoint on each set, in percent."""
    file = out / f"{checkpoint.parent.name}.json"
    validate.main(
        ["--config", "hparams/emojinet_validate.yaml", "--checkpoint", str(checkpoint), "--teacher", "",
         "--variants", ",".join(_SETS), "--results-file", str(file)]
    )  # fmt: skip
    variants = load_results([str(file)])[0]["variants"]
    return {title: round(variants[name]["top1"], 2) for name, title in _SETS.items()}


def load(results: Path) -> list[Record]:
    """Return the records of runs that were made."""
    content: list[Record] = json.loads(results.read_text()) if results.is_file() else []
    return content


def format_table(records: list[Record]) -> str:
    """Return a row for each number of virtual epochs: how often the teacher is asked about an image, and top-1 with its
    95 % interval over the seeds."""
    rows = [["virtual epochs", "teacher asked", "seeds", *_SETS.values()]]
    for views in VIEWS:
        own = [record for record in records if record["views"] == views]
        if not own:
            continue
        scores = [estimate([record["top1"][title] for record in own]) for title in _SETS.values()]
        rows.append(
            [f"{views} of {EPOCHS}", f"{views} x", str(len(own)),
             *(f"{one.mean:.1f} ± {one.half_width:.1f}" for one in scores)]
        )  # fmt: skip
    return format_rows(rows)


if __name__ == "__main__":
    sys.exit(run_script(main))
