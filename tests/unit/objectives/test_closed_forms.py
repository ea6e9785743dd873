"""Each objective of the paper against its equation, written out in numpy."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dad.objectives import load_objective
from dad.teachers import Teacher

BATCH, CLASSES, SMOOTHING = 4, 5, 0.1
Array = NDArray[np.float64]
PRESENT = {"all": [1.0] * 4, "some": [1.0, 0.0, 0.0, 1.0], "none": [0.0] * 4}


@dataclass
class Batch:
    """Logits of student and teacher for the clean images x and their DAD images, targets, and which images have one."""

    student: Array
    teacher: Array
    student_dad: Array
    teacher_dad: Array
    target: Array
    present: Array


def probabilities(logits: Array, temperature: float = 1.0) -> Array:
    exp = np.exp(logits / temperature)
    return exp / exp.sum(1, keepdims=True)


def ce(logits: Array, target: Array) -> Array:
    return -(target * np.log(probabilities(logits))).sum(1)


def kl(teacher: Array, student: Array, temperature: float) -> Array:
    p, q = probabilities(teacher, temperature), probabilities(student, temperature)
    return temperature**2 * (p * np.log(p / q)).sum(1)


def unrelated(teacher: Array, student: Array, temperature: float) -> float:
    """DIST's two relations, summed."""
    p, q = probabilities(teacher, temperature), probabilities(student, temperature)
    inter = 1 - np.mean([np.corrcoef(p[i], q[i])[0, 1] for i in range(BATCH)])
    intra = 1 - np.mean([np.corrcoef(p[:, k], q[:, k])[0, 1] for k in range(CLASSES)])
    return temperature**2 * float(inter + intra)


EQUATIONS: list[tuple[str, tuple[object, ...], Callable[[Batch], Any]]] = [
    ("ce", (), lambda b: ce(b.student, b.target)),
    ("kd", (), lambda b: ce(b.student, b.target) + 0.5 * kl(b.teacher, b.student, 4)),
    (
        "dad", (),
        lambda b: ce(b.student, b.target) + 0.5 * kl(b.teacher, b.student, 4)
        + 0.5 * b.present * kl(b.teacher_dad, b.student_dad, 4),
    ),
    (  # the first two of four DAD images
        "dad", ("--dad-share", 0.5),
        lambda b: ce(b.student, b.target) + 0.5 * kl(b.teacher, b.student, 4)
        + 0.5 * np.array([1, 1, 0, 0]) * b.present * kl(b.teacher_dad, b.student_dad, 4),
    ),
    (  # one at least, which then weighs less
        "dad", ("--dad-share", 0.01),
        lambda b: ce(b.student, b.target) + 0.5 * kl(b.teacher, b.student, 4)
        + 0.5 * np.array([0.04, 0, 0, 0]) * b.present * kl(b.teacher_dad, b.student_dad, 4),
    ),
    ("dist", (), lambda b: ce(b.student, b.target) + 2 * unrelated(b.teacher, b.student, 1)),
    ("dist", ("--dist-temperature", 4, "--distill-loss-weight", 0.5, "--task-loss-weight", 3),
     lambda b: 3 * ce(b.student, b.target) + 0.5 * unrelated(b.teacher, b.student, 4)),
    ("ard", (), lambda b: ce(b.student, b.target) + 0.5 * b.present * kl(b.teacher, b.student_dad, 4)),
    ("ard", ("--kd-temperature", 30, "--task-loss-weight", 0, "--distill-loss-weight", 1),
     lambda b: b.present * kl(b.teacher, b.student_dad, 30)),
    ("rslad", (), lambda b: kl(b.teacher, b.student, 1) / 6 + 5 / 6 * b.present * kl(b.teacher, b.student_dad, 1)),
    ("rslad", ("--rslad-temperature", 4, "--task-loss-weight", 0.5, "--distill-loss-weight", 2),
     lambda b: 0.5 * kl(b.teacher, b.student, 4) + 2 * b.present * kl(b.teacher, b.student_dad, 4)),
    (
        "dad_data_only", (),
        lambda b: 0.5 * ce(b.student, b.target)
        + 0.5 * (b.present * ce(b.student_dad, b.target) + (1 - b.present) * ce(b.student, b.target)),
    ),
]  # fmt: skip


def create_task(name: str, toy: type, args: Namespace) -> Any:
    objective: Any = load_objective(name)
    teacher = (
        Teacher(toy(), {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}, {}) if objective.needs_teacher else None
    )
    return objective(args, toy(), teacher, torch.device("cpu")).train()


def both_views(network: Callable[[torch.Tensor], torch.Tensor], input: torch.Tensor) -> tuple[Array, Array]:
    clean, dad = network(input).detach().double().numpy().reshape(2, BATCH, CLASSES)
    return clean, dad


@pytest.mark.parametrize("mixed", [False, True], ids=["labels", "mixed"])
@pytest.mark.parametrize("present", PRESENT)
@pytest.mark.parametrize(("name", "words", "equation"), EQUATIONS, ids=[f"{row[0]} {row[1]}" for row in EQUATIONS])
def test_the_loss_is_the_equation(
    name: str, words: tuple[object, ...], equation: Callable[[Batch], Any], present: str, mixed: bool,
    toy: type, flags: Callable[..., Namespace],
) -> None:  # fmt: skip
    task = create_task(name, toy, flags(*words, "--smoothing", SMOOTHING, *(("--mixup", 0.2) if mixed else ())))
    input, weight = torch.randn(2 * BATCH, 3, 4, 4), torch.tensor(PRESENT[present])
    target = torch.rand(BATCH, CLASSES).softmax(1) if mixed else torch.tensor([0, 1, 4, 1])
    dense = target if mixed else (1 - SMOOTHING) * torch.eye(CLASSES)[target] + SMOOTHING / CLASSES
    student = both_views(task.trainable_module, input)
    teacher = both_views(task.ask_teacher, input) if task.needs_teacher else student
    batch = Batch(
        student[0], teacher[0], student[1], teacher[1], dense.double().numpy(), weight.double().numpy()
    )  # fmt: skip
    by_view = torch.stack([torch.ones(BATCH), weight]) if len(task.views) > 1 else None
    loss = task(input[: len(task.views) * BATCH], target, by_view)["loss"]
    assert loss.item() == pytest.approx(np.mean(equation(batch)), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", ["ard", "rslad"])
def test_the_teacher_is_asked_for_the_clean_images_alone(name: str, toy: type, flags: Callable[..., Namespace]) -> None:
    task, asked = create_task(name, toy, flags()), []
    task.teacher.register_forward_hook(lambda module, inputs, output: asked.append(inputs[0]))
    input = torch.randn(2 * BATCH, 3, 4, 4)
    task(input, torch.zeros(BATCH, dtype=torch.long), torch.ones(2, BATCH))
    expected = task.teacher.normalize_input(input[:BATCH], task.student_mean, task.student_std)
    assert len(asked) == 1 and torch.equal(asked[0], expected)


@pytest.mark.parametrize("name", ["rslad"])
def test_labels_are_not_used(name: str, toy: type, flags: Callable[..., Namespace]) -> None:
    task, input = create_task(name, toy, flags()), torch.randn(2 * BATCH, 3, 4, 4)
    losses = [task(input, torch.full((BATCH,), label), torch.ones(2, BATCH))["loss"] for label in (0, 4)]
    assert torch.equal(*losses)
