"""What a table still lacks, as steps in the order in which they can be done."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dad.objectives import load_objective
from dad.tables.recipes import (
    Command,
    Recipe,
    Wishes,
    find_generations,
    load_training,
    missing_files,
    results_files,
    scoring,
)
from dad.tables.rows import Table
from dad.tables.states import State, state_of_dad_set, state_of_run, state_of_scores, state_of_soft_targets
from dad.training.checkpoint_saver import LAST
from dad.training.views import resolve_views


@dataclass(frozen=True, eq=False)
class Step:
    """Something to be made, by one command.

    Attributes:
        kind: `make`, `ask`, `train` or `score`.
        name: the recipe's, which together with the kind is its key.
        needs: keys of the steps that have to be done before.
        missing: what its command reads and is not there.
    """

    kind: str
    name: str
    command: Command
    look: Callable[[], State]
    needs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is called."""
        return f"{self.kind} {self.name}"


Lacking = Mapping[str, tuple[Step, State]]  # by the steps' keys, in the order in which they can be done


class Plan:
    """The steps of tables, each once, those that others need before these."""

    def __init__(self, tables: Iterable[Table], wishes: Wishes):
        self.wishes = wishes
        self.recipes: dict[str, Recipe] = {}  # that train
        self.steps: dict[str, Step] = {}
        self.goals: list[str] = []  # keys of what the rows are
        self._generations = find_generations(wishes)
        wanted: dict[str, tuple[list[str], list[str]]] = {}
        for table in tables:
            for row in table.rows:
                if row.recipes:
                    variants, attacks = wanted.setdefault(row.recipes[0], ([], []))
                    variants += [name for name in table.variants if name not in variants]
                    attacks += [name for name in table.attacks if name not in attacks]
        for name, (variants, attacks) in wanted.items():
            trained = self._add_training(name)
            self.goals.append(self._add_scores(self.recipes[name], variants, attacks) if variants else trained)

    def of_recipe(self, name: str) -> list[str]:
        """Return the keys of the steps that a recipe's scores stand on, in order, with that of the scores."""
        found: set[str] = set()
        left = [key for key in (f"train {name}", f"score {name}") if key in self.steps]
        while left:
            key = left.pop()
            found.add(key)
            left += self.steps[key].needs
        return [key for key in self.steps if key in found]

    def lacking(self) -> Lacking:
        """Return the steps that are to be done, with how far they are: what only finished ones need is not."""
        looked = {key: step.look() for key, step in self.steps.items()}
        wanted: set[str] = set()
        left = list(self.goals)
        while left:
            key = left.pop()
            if key not in wanted and not looked[key].is_done:
                wanted.add(key)
                left += self.steps[key].needs
        return {key: (step, looked[key]) for key, step in self.steps.items() if key in wanted}

    def _add_training(self, name: str) -> str:
        key = f"train {name}"
        if key in self.steps:
            return key
        recipe = self.recipes[name] = load_training(name, self.wishes)
        args = recipe.main.args
        needs = [self._add_training(recipe.taught_by)] if recipe.taught_by else []
        missing = list(missing_files(recipe))
        views = resolve_views(args.objective, load_objective(args.objective).views)
        needs_dad_set = any(view.needs_dad_set for view in views)
        if needs_dad_set and (generation := self._generations.get(Path(args.dad_dir))):
            needs.append(self._add_generation(generation))
        elif needs_dad_set and not state_of_dad_set(Path(args.dad_dir)).is_done:
            missing.append(f"the DAD set {args.dad_dir}, which no recipe makes")
        for ask in recipe.before:
            needs.append(self._add_ask(name, ask, tuple(needs)))
        look = _looking(state_of_run, recipe.run_folder, args)
        self.steps[key] = Step("train", name, recipe.main, look, tuple(needs), tuple(missing))
        return key

    def _add_generation(self, recipe: Recipe) -> str:
        key = f"make {recipe.name}"
        if key not in self.steps:
            needs = (self._add_training(recipe.taught_by),) if recipe.taught_by else ()
            look = _looking(state_of_dad_set, Path(recipe.main.args.dad_dir))
            self.steps[key] = Step("make", recipe.name, recipe.main, look, needs, tuple(missing_files(recipe)))
        return key

    def _add_ask(self, name: str, command: Command, needs: tuple[str, ...]) -> str:
        key = f"ask {name}"
        look = _looking(state_of_soft_targets, Path(command.args.soft_targets))
        self.steps[key] = Step("ask", name, command, look, needs)
        return key

    def _add_scores(self, recipe: Recipe, variants: list[str], attacks: list[str]) -> str:
        command = scoring(recipe, variants, attacks, self.wishes)
        weights = "ema" if recipe.main.args.model_ema else "state_dict"
        files = results_files(command)
        look = _looking(state_of_scores, recipe.run_folder / LAST, files, variants, attacks, weights)
        key = f"score {recipe.name}"
        self.steps[key] = Step("score", recipe.name, command, look, (f"train {recipe.name}",))
        return key


def _looking(look: Callable[..., State], *words: object) -> Callable[[], State]:
    return lambda: look(*words)
