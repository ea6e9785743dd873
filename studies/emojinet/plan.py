"""What is run: tables of students, teachers, DAD sets and methods, and the commands that follow from them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import yaml

from dad.errors import UsageError

ROOT = Path(__file__).parents[2]
RECIPES = Path(__file__).parent / "recipes"
STUDENTS = ("vit", "resnet")  # each a file of RECIPES
TEACHER_SEED = 1000  # of the plain teacher, so that it shares its draws with no student
SHORT = {"--epochs": 1, "--warmup-epochs": 0}  # --quick
# Length of the attack's one step, L2 over the image. For the same change of a pixel, the paper's 0.1 at 224 px is 0.029
# at 64 px, but there Q's second pass alone does what the attack does (results/look.json). At 0.3 the teacher notices.
EPSILON = 0.3


@dataclass(frozen=True)
class Method:
    """A row of the study.

    Attributes:
        name: what the tables call it.
        objective: of train.py.
        teacher: a key of `TEACHERS`, or none.
        dad_set: a key of `DAD_SETS`, or none.
        seconds: of an epoch, by student, measured on one core; plans are made with it, results are not.
        most_seeds: by student, for a dear method.
    """

    name: str
    objective: str
    teacher: str = ""
    dad_set: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    most_seeds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DadSetPlan:
    """A DAD set: whose gradient made it, and the flags that differ from hparams/emojinet_generate.yaml."""

    teacher: str
    flags: Mapping[str, str] = field(default_factory=dict)


TEACHERS = {"clip": "clip/local-dir:emojinet/weights/clip", "plain": "resnet18@{out}/teacher_plain/last.pth.tar"}
DAD_SETS = {
    "clip": DadSetPlan("clip"),
    "plain": DadSetPlan("plain"),
    "samples": DadSetPlan("clip", {"--attack": "none"}),
    "second_pass": DadSetPlan("clip", {"--attack-eps": "0", "--attack-step-size": "0"}),  # Q(Q(x))
}
# Q makes up nearly all of a step of dat, whose 17-fold cost the ViT's epochs would multiply.
_THREE = {"vit": 3, "resnet": 3}
_RESNET_ALONE = {"vit": 0, "resnet": 3}
METHODS = (
    Method("ce", "ce", seconds={"vit": 6, "resnet": 7}),
    Method("kd", "kd", "clip", seconds={"vit": 12, "resnet": 9}),
    Method("kd_plain", "kd", "plain", seconds={"vit": 10, "resnet": 9}),
    Method("dist", "dist", "clip", seconds={"vit": 12, "resnet": 10}),
    Method("ard", "ard", "clip", "clip", seconds={"vit": 17, "resnet": 17}),
    Method("rslad", "rslad", "clip", "clip", seconds={"vit": 17, "resnet": 16}),
    Method("kdiga", "kdiga", "clip", seconds={"vit": 37, "resnet": 37}, most_seeds=_THREE),
    Method("dad", "dad", "clip", "clip", seconds={"vit": 23, "resnet": 18}),
    Method("dad_plain", "dad", "plain", "plain", seconds={"vit": 21, "resnet": 16}),
    Method("dad_samples", "dad", "clip", "samples", seconds={"vit": 23, "resnet": 17}),
    Method("dad_second_pass", "dad", "clip", "second_pass", seconds={"vit": 23, "resnet": 17}),
    Method("dad_data_only", "dad_data_only", "", "clip", seconds={"vit": 12, "resnet": 13}),
    Method("dat", "dat", seconds={"resnet": 120}, most_seeds=_RESNET_ALONE),
    Method("dad_dat", "dad_dat", "clip", "clip", seconds={"resnet": 127}, most_seeds=_RESNET_ALONE),
)


@dataclass(frozen=True)
class Job:
    """Commands that make one thing, one after the other.

    Attributes:
        name: of its folder and log.
        stage: jobs of a stage need only jobs of earlier ones.
        commands: words after the interpreter.
        result: the file that they write.
        run: what a record says of it; None for data, teachers and DAD sets.
        minutes: expected, on one core.
        needs: jobs of earlier stages whose results it reads.
    """

    name: str
    stage: int
    commands: tuple[tuple[str, ...], ...]
    result: Path
    minutes: float
    run: tuple[Method, str, int, int] | None = None  # method, student, seed, epochs
    needs: tuple["Job", ...] = ()

    def digest(self) -> str:
        """Return what tells whether a finished job is this very one: a digest of its commands and their recipes, and
        of the jobs that it needs."""
        recipes = {str(path): _resolved(path) for words in self.commands for path in _configs(words)}
        content = json.dumps([self.commands, recipes, [job.digest() for job in self.needs]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def plan_jobs(out: Path, seeds: int, only: Sequence[str] = (), quick: bool = False) -> list[Job]:
    """Return every job in order: data, teacher and DAD sets that the methods need, then the runs, seed by seed, so that
    a study that is stopped has whole seeds.

    Args:
        out: folder of all that the study makes.
        seeds: of each method, fewer where the method says so.
        only: names of methods; all, if empty.
        quick: one epoch each, to see that everything works.

    Raises:
        UsageError: a method is not known.
    """
    known = [method.name for method in METHODS]
    if unknown := [name for name in only if name not in known]:
        raise UsageError(f"--only {unknown[0]}: no such method; known are {', '.join(known)}")
    methods = [method for method in METHODS if not only or method.name in only]
    shared = {job.name: job for job in _shared_jobs(out, methods, quick)}
    runs = [
        _train(out, method, student, seed, quick, shared)
        for seed in range(seeds)
        for student in STUDENTS
        for method in methods
        if seed < method.most_seeds.get(student, seeds)
    ]
    return [*shared.values(), *runs]


def _shared_jobs(out: Path, methods: Sequence[Method], quick: bool) -> list[Job]:
    """Return what `methods` need, each once for all seeds: data, plain teacher, DAD sets."""
    jobs = {"data": _render(out)}
    if any(method.teacher == "plain" for method in methods):
        jobs["plain"] = _plain_teacher(out, jobs["data"], quick)
    used = {method.dad_set for method in methods}
    sets = [_generate(out, name, jobs) for name in DAD_SETS if name in used]
    return [*jobs.values(), *sets]


def _render(out: Path) -> Job:
    command = ("-m", "emojinet.render", "--out", str(_data(out)))
    return Job("data", 0, (command,), _data(out) / "render.json", 0.6)


def _plain_teacher(out: Path, data: Job, quick: bool) -> Job:
    """A teacher that has seen Twemoji alone: quickstart's student, trained as there."""
    folder = out / "teacher_plain"
    flags: dict[str, object] = {
        "--data-dir": _data(out), "--output": out, "--experiment": folder.name, "--seed": TEACHER_SEED,
        "--workers": 0,
    }  # fmt: skip
    minutes = 2.5
    if quick:
        flags |= SHORT
        minutes = 0.5
    words = _words("train.py", "hparams/emojinet_ce.yaml", flags)
    return Job(folder.name, 1, ((*words, "--resume", "auto"),), folder / "last.pth.tar", minutes, needs=(data,))


def _generate(out: Path, name: str, jobs: Mapping[str, Job]) -> Job:
    dad_set = DAD_SETS[name]
    folder = out / f"dad_{name}"
    flags = {
        "--data-dir": _data(out), "--dad-dir": folder, "--teacher": TEACHERS[dad_set.teacher].format(out=out),
        "--attack-eps": EPSILON, "--attack-step-size": EPSILON, "--workers": 1, **dad_set.flags,
    }  # fmt: skip
    words = _words("generate.py", "hparams/emojinet_generate.yaml", flags)
    needs = tuple(jobs[key] for key in ("data", dad_set.teacher) if key in jobs)
    return Job(folder.name, 2, (words,), folder / "manifest.json", 2.5, needs=needs)


def _train(out: Path, method: Method, student: str, seed: int, quick: bool, shared: Mapping[str, Job]) -> Job:
    recipe = RECIPES / f"{student}.yaml"
    name = f"{student}_{method.name}_{seed}"
    folder = out / "runs" / name
    flags: dict[str, object] = {
        "--objective": method.objective, "--seed": seed, "--data-dir": _data(out), "--output": folder.parent,
        "--experiment": name, "--attack-eps": EPSILON, "--attack-step-size": EPSILON,
    }  # fmt: skip
    if method.teacher:
        flags["--teacher"] = TEACHERS[method.teacher].format(out=out)
    if method.dad_set:
        flags["--dad-dir"] = out / f"dad_{method.dad_set}"
    epochs = int(str(_resolved(recipe)["epochs"]))
    if quick:
        flags |= SHORT
        epochs = SHORT["--epochs"]
    train = _words("train.py", str(recipe.relative_to(ROOT)), flags)
    last = folder / "last.pth.tar"
    result = folder / "results.json"
    checks = {"--data-dir": _data(out), "--checkpoint": last, "--results-file": result}
    validate = _words("validate.py", str((RECIPES / "validate.yaml").relative_to(ROOT)), checks)
    names = ("data", f"teacher_{method.teacher}", f"dad_{method.dad_set}")
    return Job(
        name, 3, ((*train, "--resume", "auto"), validate), result,
        (epochs * method.seconds[student] + _OVERHEAD) / 60, (method, student, seed, epochs),
        tuple(shared[name] for name in names if name in shared),
    )  # fmt: skip


_OVERHEAD = 28  # seconds: two interpreters start, one model is scored on seven sets


def _data(out: Path) -> Path:
    return out / "data"


def _words(script: str, config: str, flags: Mapping[str, object]) -> tuple[str, ...]:
    return (script, "--config", config, *(str(word) for pair in flags.items() for word in pair))


def _configs(words: Sequence[str]) -> list[Path]:
    return [ROOT / after for word, after in pairwise(words) if word == "--config"]


def _resolved(path: Path) -> dict[str, object]:
    """Return a recipe with its bases; train.py itself checks what it says."""
    content: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = content.pop("base", None)  # one at most in the study and in what it builds on
    if base is None:
        return content
    return _resolved(path.parent / str(base)) | content
