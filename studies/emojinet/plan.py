"""What is run: the commands that follow from the tables of a study, in their order."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import yaml

from dad.errors import UsageError
from emojinet.worlds import SMALL
from studies.emojinet.methods import CLAIMS, ROOT, TEACHER_SEED, DadSetPlan, Method, Tables
from studies.emojinet.sets import MARKER, OWN_SETS

SHORT = {"--epochs": 1, "--warmup-epochs": 0}  # --quick
OVERHEAD = 40  # seconds on one core, of all in a run but its epochs: two interpreters start, one model is scored


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
        dad_set: name and attack of the DAD set, if it makes one.
        needs: jobs of earlier stages whose results it reads.
    """

    name: str
    stage: int
    commands: tuple[tuple[str, ...], ...]
    result: Path
    minutes: float
    run: tuple[Method, str, int, int] | None = None  # method, student, seed, epochs
    needs: tuple["Job", ...] = ()
    dad_set: tuple[str, DadSetPlan] | None = None

    def digest(self) -> str:
        """Return what tells whether a finished job is this very one: a digest of its commands and their recipes, and
        of the jobs that it needs."""
        recipes = {path.relative_to(ROOT).as_posix(): resolved(path) for path in self.recipes()}  # wherever ROOT lies
        content = json.dumps([self.commands, recipes, [job.digest() for job in self.needs]], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def recipes(self) -> list[Path]:
        """Return the recipes that its commands read."""
        return [path for words in self.commands for path in _configs(words)]


def plan_jobs(
    out: Path, seeds: int | None = None, only: Sequence[str] = (), quick: bool = False, device: str = "cpu",
    tables: Tables = CLAIMS,
) -> list[Job]:  # fmt: skip
    """Return every job in order: data, teacher and DAD sets that the methods need, then the runs, turn by turn and
    within a turn seed by seed, so that a study that is stopped has whole seeds of what decides most.

    Args:
        out: folder of all that the study makes.
        seeds: of each method, fewer where the method says so; None: as many as it says.
        only: names of methods; all, if empty.
        quick: one epoch each, to see that everything works.
        device: that trains, generates and scores.
        tables: what is compared, on what.

    Raises:
        UsageError: a method is not known.
    """
    known = [method.name for method in tables.methods]
    if unknown := [name for name in only if name not in known]:
        raise UsageError(f"--only {unknown[0]}: no such method; known are {', '.join(known)}")
    methods = [method for method in tables.methods if not only or method.name in only]
    shared = {job.name: job for job in _shared_jobs(out, methods, quick, device, tables)}
    runs = [
        _train(out, method, student, seed, quick, device, shared, tables)
        for turn in sorted({method.turn for method in methods})
        for seed in range(max(method.seeds for method in methods))
        for method in methods
        for student in method.students
        if method.turn == turn and seed < min(method.seeds, method.seeds if seeds is None else seeds)
    ]
    return [*shared.values(), *runs]


def run_key(run: tuple[Method, str, int, int]) -> tuple[str, str, int]:
    """Return what tells runs of a plan apart: student, method, seed."""
    method, student, seed, _ = run
    return student, method.name, seed


def _shared_jobs(out: Path, methods: Sequence[Method], quick: bool, device: str, tables: Tables) -> list[Job]:
    """Return what `methods` need, each once for all seeds: data, test sets, plain teacher, DAD sets."""
    jobs = {"data": render_job(out, tables)}
    if tables.own_sets:
        jobs["sets"] = _own_sets(out)
    if any(method.teacher == "plain" for method in methods):
        jobs["plain"] = _plain_teacher(out, jobs["data"], quick, device)
    if tables.makes_clip and any(method.teacher == "clip" for method in methods):
        jobs["clip"] = _clip_teacher(out, tables.makes_clip, quick, device)
    used = {method.dad_set for method in methods}
    sets = [_generate(out, name, device, jobs, tables) for name in tables.dad_sets if name in used]
    return [*jobs.values(), *sets]


def render_job(out: Path, tables: Tables = CLAIMS) -> Job:
    """Return the job that renders EmojiNet."""
    other = () if tables.world == SMALL else ("--world", tables.world.name)
    command = ("-m", "emojinet.render", "--out", str(_data(out)), *other)
    return Job("data", 0, (command,), _data(out) / "render.json", 1)


def _own_sets(out: Path) -> Job:
    command = ("-m", "studies.emojinet.sets", "--out", str(out / "sets"))
    return Job("sets", 0, (command,), out / "sets" / MARKER, 0.2)


def _plain_teacher(out: Path, data: Job, quick: bool, device: str) -> Job:
    """A teacher that has seen Twemoji alone: quickstart's student, trained as there."""
    folder = out / "teacher_plain"
    flags: dict[str, object] = {
        "--data-dir": _data(out), "--output": out, "--experiment": folder.name, "--seed": TEACHER_SEED,
        "--workers": 0, **_on(device),
    }  # fmt: skip
    minutes = 2.5
    if quick:
        flags |= SHORT
        minutes = 0.5
    words = _words("train.py", "hparams/emojinet_ce.yaml", flags)
    return Job(folder.name, 1, ((*words, "--resume", "auto"),), folder / "last.pth.tar", minutes, needs=(data,))


def _clip_teacher(out: Path, module: str, quick: bool, device: str) -> Job:
    folder = out / "teacher_clip"
    words = ("-m", module, "--out", str(folder), "--device", device, *(("--steps", "2") if quick else ()))
    return Job(folder.name, 1, (words,), folder / "open_clip_model.safetensors", 3)


def _generate(out: Path, name: str, device: str, jobs: Mapping[str, Job], tables: Tables) -> Job:
    dad_set = tables.dad_sets[name]
    folder = out / f"dad_{name}"
    flags = {
        "--data-dir": _data(out), "--dad-dir": folder, "--teacher": tables.teachers[dad_set.teacher].format(out=out),
        "--workers": tables.readers, **dad_set.flags, **_on(device),
    }  # fmt: skip
    words = _words("generate.py", tables.generate, flags)
    needs = tuple(jobs[key] for key in ("data", dad_set.teacher) if key in jobs)
    return Job(folder.name, 2, (words,), folder / "manifest.json", 4, needs=needs, dad_set=(name, dad_set))


def _train(
    out: Path, method: Method, student: str, seed: int, quick: bool, device: str, shared: Mapping[str, Job],
    tables: Tables,
) -> Job:  # fmt: skip
    recipe = tables.recipes / f"{student}.yaml"
    name = f"{student}_{method.name}_{seed}"
    folder = out / "runs" / name
    flags: dict[str, object] = {
        "--objective": method.objective, "--seed": seed, "--data-dir": _data(out), "--output": folder.parent,
        "--experiment": name, "--attack-eps": tables.epsilon, "--attack-step-size": tables.epsilon, **method.flags,
        **_on(device),
    }  # fmt: skip
    if method.teacher:
        flags["--teacher"] = tables.teachers[method.teacher].format(out=out)
    if method.dad_set:
        flags["--dad-dir"] = out / f"dad_{method.dad_set}"
    epochs = int(str(resolved(recipe)["epochs"]))
    if quick:
        flags |= SHORT
        epochs = SHORT["--epochs"]
    train = _words("train.py", str(recipe.relative_to(ROOT)), flags)
    last = folder / "last.pth.tar"
    result = folder / "results.json"
    checks = {"--data-dir": _data(out), "--checkpoint": last, "--results-file": result, **_on(device)}
    validate = _words("validate.py", str((tables.recipes / "validate.yaml").relative_to(ROOT)), checks)
    extra = ["--extra-set", *(f"{name}={out / 'sets' / name}" for name in OWN_SETS)] if tables.own_sets else []
    names = ("data", "sets", f"teacher_{method.teacher}", f"dad_{method.dad_set}")
    return Job(
        name, 3, ((*train, "--resume", "auto"), (*validate, *extra)), result,
        (epochs * method.cost * tables.students[student] + OVERHEAD) / 60, (method, student, seed, epochs),
        tuple(shared[name] for name in names if name in shared),
    )  # fmt: skip


def _data(out: Path) -> Path:
    return out / "data"


def _on(device: str) -> dict[str, object]:
    return {} if device == "cpu" else {"--device": device}


def _words(script: str, config: str, flags: Mapping[str, object]) -> tuple[str, ...]:
    return (script, "--config", config, *(str(word) for pair in flags.items() for word in pair))


def _configs(words: Sequence[str]) -> list[Path]:
    return [ROOT / after for word, after in pairwise(words) if word == "--config"]


def resolved(path: Path) -> dict[str, object]:
    """Return a recipe with its bases; train.py itself checks what it says."""
    content = dict(_parsed(path.read_text(encoding="utf-8")))
    base = content.pop("base", None)  # one at most in the study and in what it builds on
    if base is None:
        return content
    return resolved(path.parent / str(base)) | content


@cache
def _parsed(text: str) -> dict[str, object]:
    """Hundreds of jobs share few recipes, and YAML is slow to read."""
    content: dict[str, object] = yaml.safe_load(text)
    return content
