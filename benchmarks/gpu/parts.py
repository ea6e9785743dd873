"""What is measured on a card: one command a part, and about how long each takes."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

PRESETS = ("paper", "tiny")
STUDENTS = ("vit_base_patch16_224", "resnet50")


@dataclass(frozen=True)
class Part:
    """A part: a benchmark and its flags, besides `--device` and `--out`.

    Attributes:
        seconds: that it is expected to take on a modern card; nothing but the order of what still fits depends on it.
        needs_cuda: whether there is nothing to measure on a CPU.
    """

    name: str
    title: str
    module: str
    words: tuple[str, ...]
    seconds: int
    needs_cuda: bool = False

    def command(self, device: str) -> str:
        """Return the command that measures this part alone."""
        return shlex.join(["python", "-m", self.module, *self.words, "--device", device])


def plan(preset: str, dtype: str) -> list[Part]:
    """Return the parts in their order.

    Args:
        preset: one of `PRESETS`.
        dtype: `bfloat16`, or `float16` on cards without it.
    """
    small = preset == "tiny"
    amp = ("--amp", "--amp-dtype", dtype)
    size = ("--preset", preset)
    few = ("--repeats", "1" if small else "5")
    students = ("test_vit", "test_resnet") if small else STUDENTS
    some = ("--objectives", "ce", "dad") if small else ()
    generation = ("--batches", "1" if small else "2", "--repeats", "1" if small else "3")
    images = ("--images", "8", "--batch-size", "8") if small else ("--images", "256")
    parts = [
        Part("card", "The card", "benchmarks.gpu.card", (), 25),
        Part("generation", "Generation against the straightforward loop", "benchmarks.generation",
             (*size, *generation, "--amp-dtype", dtype), 90),
        Part("attack", "The attack's precision", "benchmarks.attack_precision", (*size, *images, *few), 60),
    ]  # fmt: skip
    for name, student in zip(("vit", "resnet"), students, strict=True):
        model = (*size, "--model", student, *few, *(() if small else amp))
        parts += [
            Part(f"steps_{name}", f"A training step of {student}, by objective", "benchmarks.train_step",
                 (*model, "--no-loops", *some), 100),
            Part(f"answers_{name}", f"Answers on disk, {student}", "benchmarks.soft_targets",
                 (*model, "--steps-only", *(("--objectives", "dad") if small else ())), 60),
        ]  # fmt: skip
    models = ("--models", *students)
    loop = (*size, *few, *(("--steps", "2", "--batch-size", "32") if small else ("--steps", "30", *amp)))
    return [
        *parts,
        Part("loop", "Our training loop against a bare one", "benchmarks.training_loop", loop, 45),
        Part("batches", "The largest batches", "benchmarks.gpu.batches", (*size, *amp, *models), 60, True),
    ]  # fmt: skip


def choose(parts: Sequence[Part], names: str) -> list[Part]:
    """Return the parts that a list of names, `a,b`, names; all for none.

    Raises:
        ValueError: one of them is not known; its argument is that name.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = {part.name for part in parts}
    for name in wanted:
        if name not in known:
            raise ValueError(name)
    return [part for part in parts if not wanted or part.name in wanted]
