"""A table's rows in print: which recipe makes each, what it costs, how far it is; and the commands that come next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dad.markdown import format_rows
from dad.tables.headers import eflop
from dad.tables.recipes import Recipe, results_files
from dad.tables.rows import EMOJINET, Row, Table
from dad.tables.states import State
from dad.tables.steps import Lacking, Plan, Step
from dad.tables.submit import Queue

MISSING = "–"
IMAGENET = 1_281_167  # training images
_ABOUT_HOURS = (
    "Hours are of training alone, and as if every recipe ran at that pace: EFLOP say how much more one costs than\n"
    "another. generate.py --dry-run says the hours of a DAD set.\n"
)
_NO_RECIPE = "no recipe (hparams/README.md says why)"


@dataclass(frozen=True)
class Pace:
    """How fast images are trained on.

    Attributes:
        rate: clean images a second, as train.py prints it, of all processes together.
        images: of an epoch; None: as many as there are, ImageNet's if they are not there.
    """

    rate: float
    images: int | None = None

    def hours(self, recipe: Recipe) -> float:
        """Return how long a recipe trains, without validation."""
        args = recipe.main.args
        images = self.images or _count_images(Path(args.data_dir) / (args.train_split or "train"), recipe.name)
        return float(args.epochs * images / self.rate / 3600)


def format_tables(tables: Sequence[Table], plan: Plan, lacking: Lacking, pace: Pace | None = None) -> str:
    """Return the tables as Markdown; steps have the numbers that `format_steps` gives them."""
    numbers = {key: number for number, key in enumerate(lacking, 1)}
    parts = []
    for table in tables:
        title = f"Table {table.number}: {table.title}" if table.number != EMOJINET else f"EmojiNet: {table.title}"
        rate = [f"Hours at {pace.rate:,g} img/s"] if pace else []
        rows = [[*table.headings, "Recipe", "EFLOP", *rate, "State", "Steps"]]
        rows += [_row(row, plan, lacking, numbers, pace) for row in table.rows]
        parts += [f"{title}\n", format_rows(rows), ""]
        others = sorted({name for row in table.rows for name in row.recipes[1:]})
        parts += [f"Also for these rows, by --recipe NAME: {', '.join(others)}\n"] if others else []
    return "\n".join([*parts, *([_ABOUT_HOURS] if pace else [])]).rstrip("\n")


def format_steps(lacking: Lacking, queue: Queue) -> str:
    """Return what is lacking, numbered in the order in which it can be done, each step with its command."""
    numbers = {key: number for number, key in enumerate(lacking, 1)}
    return "\n".join(_format_step(step, state, numbers, queue) for step, state in lacking.values()).rstrip("\n")


def _row(row: Row, plan: Plan, lacking: Lacking, numbers: Mapping[str, int], pace: Pace | None) -> list[str]:
    blank = [MISSING] if pace else []
    if not row.recipes:
        return [*row.labels, MISSING, MISSING, *blank, _NO_RECIPE, MISSING]
    name = row.recipes[0]
    recipe = plan.recipes[name]
    hours = [_in_short(pace.hours(recipe))] if pace else []
    own = [key for key in plan.of_recipe(name) if key in lacking]
    if f"train {name}" in own:
        text = lacking[f"train {name}"][1].text
    else:
        score = f"score {name}"
        text = lacking[score][1].text if score in own else "scored" if score in plan.steps else "trained"
        text = "trained, not scored" if text == "not scored" else text
    steps = ", ".join(str(numbers[key]) for key in own) or MISSING
    return [*row.labels, name, eflop(recipe.header) or MISSING, *hours, text, steps]


def _format_step(step: Step, state: State, numbers: Mapping[str, int], queue: Queue) -> str:
    waits = [str(numbers[need]) for need in step.needs if need in numbers]
    facts = [state.text, f"after {', '.join(waits)}" if waits else ""]
    facts += [f"handed over on {when}" if (when := queue.since(step)) else ""]
    facts += [f"missing: {', '.join(step.missing)}" if step.missing else ""]
    return f"{numbers[step.key]}. {step.key} ({'; '.join(fact for fact in facts if fact)})\n   {step.command}\n"


def format_ending(tables: Sequence[Table], plan: Plan, lacking: Lacking) -> str:
    """Return the command that prints the tables with what is scored; empty if nothing is."""
    names = dict.fromkeys(row.recipes[0] for table in tables for row in table.rows if row.recipes)
    scored = [plan.steps[f"score {name}"] for name in names if f"score {name}" in plan.steps]
    there = [step for step in scored if step.key not in lacking]
    if not there:
        return ""
    files = list(dict.fromkeys(_results_of(step) for step in there))
    printed = [table.number for table in tables if table.number != EMOJINET]
    paper = f" --paper {','.join(printed)}" if printed else ""
    return f"What is scored, in print:\n   python -m dad.report {' '.join(files)}{paper}"


def _in_short(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 1 else f"{hours:.2g}"


def _results_of(step: Step) -> str:
    return str(next((path for path in results_files(step.command) if path.is_file()), ""))


def _count_images(split: Path, name: str) -> int:
    """Return how many files the class folders of a split hold; of ImageNet, how many it is known to hold."""
    if not name.startswith(EMOJINET):
        return IMAGENET
    return sum(1 for path in split.glob("*/*") if path.is_file())
