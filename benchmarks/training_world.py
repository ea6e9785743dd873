"""What training steps are measured on: objectives on one batch, with students, teacher, Q and pictures made up."""

import json
import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from benchmarks.generation_world import PRESETS, Preset, create_networks, save_style_weights
from benchmarks.measures import FlopCounter, Stopwatch
from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.files import Settings
from dad.images.classes import ClassList
from dad.images.sources import list_sources
from dad.objectives import load_objective
from dad.runtime import Runtime
from dad.shards import DadWriter, Sample, encode_image
from dad.teachers import Teacher
from dad.training.batches import TrainBatch
from dad.training.engine import PlacedTask
from dad.training.loaders import create_train_loader
from dad.training.optim import create_optimizer
from dad.training.train_loader import TrainLoader
from dad.training.updater import Updater
from dad.training.views import Demands

STUDENTS = {"paper": "vit_base_patch16_224", "small": "resnet18", "tiny": "test_resnet"}
CLASSES = ClassList(tuple(f"c{number:03d}" for number in range(4)), tuple(f"thing {number}" for number in range(4)))
_CLASSES = 1000  # of a student
LOOP_IMAGES = 32  # a step of a loop at least: what a loop adds to a step does not grow with them
_PLACES = [(epoch, update) for epoch in (0, 299) for update in (0, 1)]  # each with images of another size, for debiased
_FRAME = 8 / 7  # side of the pictures on disk over that of the crops, as 256 to 224


@dataclass(frozen=True)
class World:
    """Where objectives are measured: flags of train.py, which name what is in a temporary folder, the sizes, a teacher
    and the place in the machine."""

    flags: list[str]
    preset: Preset
    teacher: Teacher
    runtime: Runtime


def create_world(args: Namespace, folder: Path, runtime: Runtime) -> World:
    """Make teacher, Q, style transfer and pictures, all of random values, and what flags say of them.

    Args:
        args: of `create_parser`.
        folder: empty; pictures and weights are written there.
    """
    preset = PRESETS[args.preset]
    preset = replace(preset, batch_size=args.batch_size or preset.batch_size)
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
    return World(flags, preset, teacher, runtime)


class Subject:
    """An objective that can be asked for one training step, over and over, on the same batch."""

    def __init__(
        self, args: Namespace, student: nn.Module, teacher: Teacher | None, side: int, classes: int, runtime: Runtime
    ):
        """Build the objective that the flags name; the batch has images of `side` pixels and of `classes` classes."""
        objective = load_objective(args.objective)
        self.args, self.side, self.classes, self.runtime = args, side, classes, runtime
        self.task: Any = objective(args, student.to(runtime.device), teacher, runtime.device)
        self.task.train()
        self.updater = Updater(args, self.task, create_optimizer(args, self.task, 1e-4), runtime)
        self.views = len(objective.views)
        self.places = _PLACES if objective.begin_batch is not PlacedTask.begin_batch else _PLACES[:1]
        self.asks = "forward" if objective.needs_classes else "embed"
        self.images = images_of(objective.batch_multiple, args.batch_size)
        self.batch = self.draw_batch(self.images)

    def draw_batch(self, images: int) -> TrainBatch:
        """Return a batch of random values, on the device."""
        device = self.runtime.device
        input = torch.randn(self.views * images, 3, self.side, self.side, device=device)
        present = torch.ones(self.views, images, device=device) if self.views > 1 else None
        return TrainBatch(input, torch.randint(self.classes, (images,), device=device), present)

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


def create_subject(subject: str, world: World) -> Subject:
    """Build what `subject` says: an objective's name, and maybe flags of train.py behind it."""
    name, *own = subject.split()
    objective = load_objective(name)
    args, _ = parse_args(create_train_parser(), [*world.flags, "--objective", name, *own])
    torch.manual_seed(args.seed)
    outputs = objective.outputs(_CLASSES, world.teacher)
    student = timm.create_model(args.model, num_classes=outputs, **_size(args.model, world.preset))
    teacher = world.teacher if objective.needs_teacher else None
    return Subject(args, student, teacher, world.preset.img_size, _CLASSES, world.runtime)


@contextmanager
def only_warnings() -> Iterator[None]:
    """Keep our own log from coming between the measurements; whoever runs this in-process has its lines afterwards."""
    before = (logger := logging.getLogger("dad")).level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def create_loader_of(world: World, views: int, batch_size: int | None = None) -> TrainLoader:
    """Build the training loader over the world's pictures, read in line by one process."""
    size = ["--batch-size", str(batch_size or world.preset.batch_size)]
    args, _ = parse_args(create_train_parser(), [*world.flags, *size])
    side = (3, world.preset.img_size, world.preset.img_size)
    data_config = {"input_size": side, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    demands = Demands(("clean", "dad")[:views])
    return create_train_loader(args, data_config, demands, CLASSES, world.runtime)


def make_pictures(folder: Path, preset: Preset) -> None:
    """Write four classes of pictures, two batches or more in all, and a DAD set of them."""
    rng = np.random.default_rng(0)
    side = round(preset.img_size * _FRAME)
    per_class = -(-2 * max(preset.batch_size, LOOP_IMAGES) // len(CLASSES))
    for name in CLASSES.folders:
        (folder / "train" / name).mkdir(parents=True)
        for number in range(per_class):
            (folder / "train" / name / f"{number}.jpg").write_bytes(encode_image(_blocks(rng, side), "jpg", 90))
    sources = list_sources(folder / "train", CLASSES)
    settings: Settings = {"class_list": CLASSES.digest, "img_size": preset.img_size, "crop_pct": 1.0}
    writer = DadWriter(folder / "dad", settings, sources, len(sources))
    images = [encode_image(_blocks(rng, preset.img_size), "jpg", 95) for _ in sources]
    pairs = zip(sources, images, strict=True)
    writer.commit(0, [Sample(source.key, source.label, {"jpg": image}, {}) for source, image in pairs], {}, {})
    writer.finish()


def _blocks(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Return blocks of 8 pixels, uint8 [side, side, 3]: a JPEG of pure noise is larger and slower to decode than a
    photograph."""
    coarse = rng.integers(0, 256, (side // 8 + 1, side // 8 + 1, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)[:side, :side]


def images_of(multiple: int, at_least: int) -> int:
    """Return the images of a step, of which there have to be a multiple; of the parts of a batch none is one image."""
    return at_least if multiple == 1 else max(-(-at_least // multiple), 2) * multiple


def _size(model: str, preset: Preset) -> dict[str, Any]:
    return {"img_size": preset.img_size} if "vit" in model else {}


def create_parser(prog: str, doc: str) -> ArgumentParser:
    """Return a parser with the flags that all benchmarks of training share."""
    parser = ArgumentParser(prog=prog, description=doc.splitlines()[0])
    parser.add_argument("--preset", default="small", choices=PRESETS, help="size of networks and pictures")
    parser.add_argument("--model", metavar="NAME", help="the student; default: the preset's")
    parser.add_argument("--batch-size", type=int, metavar="N", help="default: the preset's")
    parser.add_argument("--repeats", type=int, default=7, metavar="N", help="steps of each; the median counts")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="mixed precision")
    parser.add_argument("--amp-dtype", default="float16", choices=["float16", "bfloat16"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="JSON file for all numbers")
    return parser
