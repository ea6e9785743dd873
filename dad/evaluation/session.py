"""Score one model after another on the same images, into one results file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dad.attacks import NORMS
from dad.evaluation.attacked import evaluate_attack, is_attacked, told, without_outdated
from dad.evaluation.candidates import Candidate
from dad.evaluation.loop import Forward, evaluate_sets
from dad.evaluation.pool import ImagePool, LoaderSettings, is_any_readable
from dad.evaluation.results import Entry, ResultsFile, is_scored
from dad.evaluation.scores import format_scores, with_relative_mce
from dad.evaluation.temperature import FITTED_ON
from dad.evaluation.threats import Threat
from dad.runtime import Runtime
from dad.variants import ImageSet


@dataclass(frozen=True)
class Task:
    """What every model of a session is scored on.

    Attributes:
        attacked: the images that each of `threats` attacks, by set.
        classes: the name of each class.
        log_freq: batches from one line to the next.
        average: how precision, recall and F1 are averaged over classes; None: they are not asked for.
        rescore: score and attack sets again that the results file has already.
    """

    image_sets: Sequence[ImageSet]
    attacked: Sequence[ImageSet]
    threats: Sequence[Threat]
    classes: Sequence[str]
    seed: int
    log_freq: int = 10
    average: str | None = None
    rescore: bool = False


class Session:
    """Scores models by a task; what `results` has already is not scored again."""

    def __init__(self, task: Task, loader: LoaderSettings, results: ResultsFile, runtime: Runtime):
        self.task, self.loader, self.results, self.runtime = task, loader, results, runtime
        self._pool: tuple[Mapping[str, Any], ImagePool] | None = None

    def score(self, candidate: Candidate, forward: Forward, entry: Entry) -> None:
        """Score a model, which is on its device, on every set and under every attack."""
        pool, task = self._pool_of(candidate), self.task
        wanted = self._wanted(entry)
        twins = candidate.twins
        known = _known_temperature(entry)
        for scored in evaluate_sets(forward, pool, wanted, task.classes, task.log_freq, task.average, twins, known):
            name, scores = task.image_sets[scored.which].variant.name, scored.scores
            self.results.keep(entry, name, scores, scored.decisions)
            entry["variants"] = with_relative_mce({**entry["variants"], name: scores})
            self.results.write()
            self.runtime.say(format_scores(name, scores, scored.data_seconds))
        for place in range(len(task.attacked)):
            self._attack(candidate, pool, place, entry)

    def _wanted(self, entry: Entry) -> list[int]:
        """Return the numbers of the sets that are not scored yet; the primary process decides for all."""
        wanted = []
        for which, image_set in enumerate(self.task.image_sets if self.runtime.is_primary else ()):
            name = image_set.variant.name
            if self.task.rescore or not is_scored(entry, name, image_set.contents, self.task.average):
                wanted.append(which)
            elif is_any_readable(entry["variants"][name].get("unreadable", ())):
                self.runtime.say(f"{name:<21} is scored again: images that could not be read can be now")
                wanted.append(which)
            else:
                self.runtime.say(f"{name:<21} is in {self.results.path} already")
        shared: list[int] = self.runtime.gather(wanted)[0]
        return shared

    def _attack(self, candidate: Candidate, pool: ImagePool, place: int, entry: Entry) -> None:
        attacked, which = self.task.attacked[place], len(self.task.image_sets) + place
        for threat in self.task.threats:
            done = not self.task.rescore and is_attacked(entry["attacks"], threat, attacked, self.task.seed)
            if self.runtime.gather(done)[0]:
                self.runtime.say(f"{told(threat, attacked):<21} is in {self.results.path} already")
                continue
            row = evaluate_attack(
                candidate.model, pool, which, threat, self.task.seed, self.task.log_freq, candidate.twins
            )
            entry["attacks"] = [*without_outdated(entry["attacks"], row), row]
            self.results.write()
            self.runtime.say(
                f"{told(threat, attacked):<21} Acc@1 {row['top1']:.3f} (clean {row['clean_top1']:.3f}; {threat.norm} "
                f"{NORMS[threat.norm].describe(threat.epsilon)}, {row['count']} images, {row['seconds']:.1f} s)"
            )

    def _pool_of(self, candidate: Candidate) -> ImagePool:
        """Return the workers that read as the model wants it: the last model's, if it wanted the same."""
        if self._pool is None or self._pool[0] != candidate.data_config:
            self._pool = None  # ends the workers of the last one
            sets = [*self.task.image_sets, *self.task.attacked]
            self._pool = candidate.data_config, ImagePool(sets, candidate.data_config, self.loader, self.runtime)
        return self._pool[1]


def _known_temperature(entry: Entry) -> float | None:
    """Return the temperature of a model that an earlier run fitted, with the same weights and settings."""
    scaled = entry["variants"].get(FITTED_ON, {}).get("calibration", {}).get("scaled", {})
    temperature: float | None = scaled.get("temperature")
    return temperature
