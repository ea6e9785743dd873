"""What a training step of each objective costs, relative to `ce` in the same run (the paper's Table 7, measured).

    python -m benchmarks.train_step --preset small --out results.json

All weights and pictures are random (seeded). What the columns mean: benchmarks/README.md.
"""

import gc
import json
import logging
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import save_file

from benchmarks.generation_world import PRESETS, Preset, create_networks, save_style_weights
from benchmarks.measures import FlopCounter, PeakMemory, Stopwatch, machine, processor_seconds_of, seconds_of
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.errors import run_script
from dad.files import Settings
from dad.images.classes import ClassList
from dad.images.sources import list_sources
from dad.markdown import format_rows
from dad.objectives import load_objective
from dad.plugins import list_plugins
from dad.runtime import Runtime, setup_runtime
from dad.shards import DadWriter, Sample, encode_image
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.engine import PlacedTask, train_epoch
from dad.training.loaders import create_train_loader
from dad.training.meter import TermMeter
from dad.training.optim import Schedule, create_optimizer
from dad.training.updater import Updater
from dad.training.views import Demands

STUDENTS = {"paper": "vit_base_patch16_224", "small": "resnet18", "tiny": "test_resnet"}
CLASSES = ClassList(tuple(f"c{number:03d}" for number in range(4)), tuple(f"thing {number}" for number in range(4)))
PLACES = [(epoch, update) for epoch in (0, 299) for update in (0, 1)]  # each with images of another size, for debiased
# The two loops are compared with as many images a step too: what a loop adds to a step does not grow with them.
_LOOP_IMAGES = 32
_FRAME = 8 / 7  # side of the pictures on disk over that of the crops, as 256 to 224


class Subject:
    """An objective that can be asked for one training step, over and over, on the same batch; `subject` is its name,
    and maybe flags of train.py behind it."""

    def __init__(self, subject: str, flags: list[str], preset: Preset, teacher: Teacher, runtime: Runtime):
        name, *own = subject.split()
        objective = load_objective(name)
        self.args, _ = parse_args(create_train_parser(), [*flags, "--objective", name, *own])
        torch.manual_seed(self.args.seed)
        student = timm.create_model(
            self.args.model, num_classes=objective.outputs(1000, teacher), **_size(self.args.model, preset)
        )
        student.to(runtime.device)
        given = teacher if objective.needs_teacher else None
        self.task: Any = objective(self.args, student, given, runtime.device)
        self.task.train()
        self.updater = Updater(self.args, self.task, create_optimizer(self.args, self.task, 1e-4), runtime)
        self.runtime = runtime
        self.views = len(objective.views)
        self.places = PLACES if objective.begin_batch is not PlacedTask.begin_batch else PLACES[:1]
        self.asks = "forward" if objective.needs_classes else "embed"
        self.images = images_of(objective.batch_multiple, preset.batch_size)
        shape = (self.views * self.images, 3, preset.img_size, preset.img_size)
        labels = torch.randint(1000, (self.images,))
        present = torch.ones(self.views, self.images, device=runtime.device) if self.views > 1 else None
        self.batch = TrainBatch(torch.randn(shape).to(runtime.device), labels.to(runtime.device), present)

    def step(self) -> None:
        """Do what the training loop does with a batch, at every place in training that makes a difference."""
        for place in self.places:
            self.task.begin_batch(*place)
            with self.updater.context(0, 1):
                with self.runtime.autocast():
                    batch = self.batch
                    loss = self.task(batch.input, batch.target, batch.present, batch.recorded)["loss"]
                self.updater.backward(loss, 0, 1)

    def operations(self) -> float:
        """Return the floating-point operations of one more step, an image."""
        with FlopCounter() as counter:
            self.step()
        return counter.total / self.images / len(self.places)

    def split(self) -> dict[str, float]:
        """Return the seconds of one more step in the teacher's forward passes and in the optimiser."""
        clock = Stopwatch(self.runtime.device)
        teacher = getattr(self.task, "teacher", None)
        with ExitStack() as watches:
            watches.enter_context(clock.watch("optimiser", self.updater.optimizer, "step"))
            if teacher is not None:
                watches.enter_context(clock.watch("teacher", teacher.model, self.asks))
            self.step()
        return {stage: clock.seconds[stage] / len(self.places) for stage in ("teacher", "optimiser")}


def main(argv: list[str] | None = None) -> int:
    """Measure every objective and print the tables."""
    args = _parse(argv)
    preset = PRESETS[args.preset]
    runtime = setup_runtime(args)
    if args.batch_size:
        preset = replace(preset, batch_size=args.batch_size)
    with tempfile.TemporaryDirectory() as name, only_warnings():
        folder = Path(name)
        _, networks = create_networks(preset, runtime.device)
        normalisation = {key: getattr(networks.teacher, key).flatten().tolist() for key in ("mean", "std")}
        side = (3, preset.img_size, preset.img_size)
        teacher = Teacher(networks.teacher.model, {**normalisation, "input_size": side}, {}).to(runtime.device)
        weights = {key: value.contiguous() for key, value in networks.vqgan.state_dict().items()}
        save_file(weights, folder / "vqgan.safetensors")
        (folder / "vqgan.json").write_text(json.dumps(asdict(networks.vqgan.config)))
        make_pictures(folder, preset)
        flags = [
            "--model", args.model or STUDENTS[args.preset], "--opt", "adamw", "--batch-size", str(preset.batch_size),
            "--vqgan-config", str(folder / "vqgan.json"), "--vqgan-checkpoint", str(folder / "vqgan.safetensors"),
            "--style-weights", *save_style_weights(folder),
            "--data-dir", str(folder), "--dad-dir", str(folder / "dad"), "--device", str(runtime.device),
            "--teacher", "-", "--workers", "0", "--img-size", str(preset.img_size), "--smoothing", "0",
        ]  # fmt: skip
        results: dict[str, Any] = {"machine": machine(runtime.device), "settings": vars(args) | vars(preset)}
        results["data"] = {views: time_loading(flags, preset, views, runtime) for views in (1, 2)}
        results["objectives"] = compare(args, flags, preset, teacher, runtime)
        sizes = sorted({preset.batch_size, max(preset.batch_size, _LOOP_IMAGES)})
        results["loops"] = [compare_loops(flags, preset, teacher, runtime, args.repeats, size) for size in sizes]
    report(results)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
    return 0


@contextmanager
def only_warnings() -> Iterator[None]:
    """Keep our own log from coming between the measurements; whoever runs this in-process has its lines afterwards."""
    before = (logger := logging.getLogger("dad")).level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def compare(
    args: Namespace, flags: list[str], preset: Preset, teacher: Teacher, runtime: Runtime
) -> dict[str, dict[str, float]]:
    """Time every objective in turn with `ce`, so that what disturbs the machine disturbs both."""
    measured = {}
    base = Subject("ce", flags, preset, teacher, runtime)
    for name in args.objectives or list_plugins("objectives"):
        gc.collect()
        with PeakMemory(runtime.device) as memory:
            subject = Subject(name, flags, preset, teacher, runtime)
            subject.step()  # not timed: the optimiser makes its moments, the device chooses its algorithms
        base.step()
        steps = len(subject.places)
        pairs = [(seconds_of(base.step), seconds_of(subject.step) / steps) for _ in range(args.repeats)]
        split = subject.split()
        seconds = median(own for _, own in pairs)
        # of each pair, not of the medians: what slows one slows both
        ratio = median(own / ce for ce, own in pairs) * base.images / subject.images
        without = ratio * (1 - split["teacher"] / seconds)
        rest = seconds - split["teacher"] - split["optimiser"]
        measured[name] = {
            "seconds": seconds, "ratio": ratio, "ratio_without_teacher": without, **split, "student": rest,
            "memory": memory.bytes or 0, "views": subject.views, "by_count": subject.operations() / base.operations(),
        }  # fmt: skip
    return measured


def compare_loops(
    flags: list[str], preset: Preset, teacher: Teacher, runtime: Runtime, repeats: int, images: int
) -> dict[str, float]:
    """Time an epoch of `ce` by our loop and by a bare one, on the same task and loader, in turn, with so many images a
    step; on a CPU, by this process's own time, which others on the machine disturb less."""
    time_of = seconds_of if runtime.device.type == "cuda" else processor_seconds_of
    flags = [*flags, "--batch-size", str(images)]
    subject = Subject("ce", flags, preset, teacher, runtime)
    loader = create_loader_of(flags, preset, 1, runtime)
    schedule = Schedule(None, subject.updater.optimizer)

    def ours() -> None:
        for _ in train_epoch(0, subject.task, loader, subject.updater, schedule, runtime, TermMeter()):
            pass

    def bare() -> None:
        optimizer = subject.updater.optimizer
        for batch in loader:
            with runtime.autocast():
                loss = subject.task(batch.input, batch.target)["loss"]
            torch.autograd.backward(loss)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    bare()
    ours()
    seconds: dict[Callable[[], None], list[float]] = {bare: [], ours: []}
    for repeat in range(2 * max(repeats, 5)):  # in turn first: what runs second finds another machine
        for loop in (bare, ours) if repeat % 2 else (ours, bare):
            seconds[loop].append(time_of(loop))
    ratios = [own / one for one, own in zip(seconds[bare], seconds[ours], strict=True)]
    return {"bare_seconds": median(seconds[bare]), "ratio": median(ratios), "images": images}


def create_loader_of(flags: list[str], preset: Preset, views: int, runtime: Runtime) -> Any:
    """Build the training loader over the temporary pictures, read in line by one process."""
    args, _ = parse_args(create_train_parser(), flags)
    side = (3, preset.img_size, preset.img_size)
    data_config = {"input_size": side, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    demands = Demands(("clean", "dad")[:views])
    return create_train_loader(args, data_config, demands, CLASSES, runtime)


def time_loading(flags: list[str], preset: Preset, views: int, runtime: Runtime) -> float:
    """Return the seconds that one worker needs for a batch of so many views."""
    loader = create_loader_of(flags, preset, views, runtime)
    list(loader)
    return seconds_of(lambda: list(loader)) / len(loader)


def make_pictures(folder: Path, preset: Preset) -> None:
    """Write four classes of pictures, two batches or more in all, and a DAD set of them."""
    rng = np.random.default_rng(0)
    side = round(preset.img_size * _FRAME)
    per_class = -(-2 * max(preset.batch_size, _LOOP_IMAGES) // len(CLASSES))
    for name in CLASSES.folders:
        (folder / "train" / name).mkdir(parents=True)
        for number in range(per_class):
            # blocks of 8 pixels: a JPEG of pure noise is larger and slower to decode than a photograph
            coarse = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3), dtype=np.uint8)
            picture = coarse.repeat(8, axis=0).repeat(8, axis=1)[:side, :side]
            (folder / "train" / name / f"{number}.jpg").write_bytes(encode_image(picture, "jpg", 90))
    sources = list_sources(folder / "train", CLASSES)
    settings: Settings = {"class_list": CLASSES.digest, "img_size": preset.img_size, "crop_pct": 1.0}
    writer = DadWriter(folder / "dad", settings, sources, len(sources))
    image = encode_image(rng.integers(0, 256, (preset.img_size, preset.img_size, 3), dtype=np.uint8), "jpg", 95)
    writer.commit(0, [Sample(source.key, source.label, {"jpg": image}, {}) for source in sources], {}, {})
    writer.finish()


def report(results: dict[str, Any]) -> None:
    """Print what was measured."""
    titles = ["objective", "s/step", "x ce", "by count", "x ce, no teacher", "data", "teacher", "student", "optimiser"]
    rows = [[*titles, "GB beyond ce"]]
    least = min(row["memory"] for row in results["objectives"].values())
    for name, row in results["objectives"].items():
        data = results["data"][row["views"]]
        numbers = [data, row["teacher"], row["student"], row["optimiser"]]
        ratios = [f"{row[key]:.2f}" for key in ("ratio", "by_count", "ratio_without_teacher")]
        rows.append([name, f"{row['seconds']:.3f}", *ratios, *(f"{number:.3f}" for number in numbers),
                     f"{(row['memory'] - least) / 1e9:.2f}"])  # fmt: skip
    print(f"Machine: {', '.join(f'{key} {value}' for key, value in results['machine'].items())}\n")
    print(format_rows(rows))
    print()
    for loop in results["loops"]:
        say = f"Our loop with ce takes {loop['ratio']:.3f} times a bare loop on the same task and loader,"
        print(f"{say} {loop['images']} images a step.")


def images_of(multiple: int, at_least: int) -> int:
    """Return the images of a step, of which there have to be a multiple; of the parts of a batch none is one image."""
    return at_least if multiple == 1 else max(-(-at_least // multiple), 2) * multiple


def _size(model: str, preset: Preset) -> dict[str, Any]:
    return {"img_size": preset.img_size} if "vit" in model else {}


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.train_step", description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=PRESETS, help="size of networks and pictures")
    parser.add_argument("--model", metavar="NAME", help="the student; default: the preset's")
    of_objectives = "default: all; a name may have flags, as 'advprop --adv-steps 5'"
    parser.add_argument("--objectives", nargs="+", metavar="NAME", help=of_objectives)
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the preset's")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="steps of each; the median counts")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--amp-dtype", default="float16", choices=["float16", "bfloat16"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="JSON file for all numbers")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
