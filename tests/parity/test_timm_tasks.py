"""`kd` and `ce` against the tasks of timm that they extend: the same loss and the same gradients, bit for bit."""

import copy
from argparse import Namespace
from typing import Any

import pytest
import timm
import torch
from timm.data.mixup import mixup_target
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy, SoftTargetCrossEntropy
from timm.task import ClassificationTask, DistillationTeacher, LogitDistillationTask
from torch import Tensor, nn

from dad.args import create_train_parser
from dad.args.hparams import parse_args
from dad.objectives import load_objective
from dad.teachers import Teacher

CPU = torch.device("cpu")
LABELS = torch.tensor([0, 3, 5, 1])
MIXED = mixup_target(LABELS, 6, lam=0.7, smoothing=0.1)


def flags(*words: object) -> Namespace:
    return parse_args(create_train_parser(), [str(word) for word in words])[0]


def create_model(seed: int, mean: float) -> Any:
    torch.manual_seed(seed)
    return timm.create_model("test_vit2", img_size=32, num_classes=6, pretrained_cfg_overlay={"mean": (mean,) * 3})


def run(task: Any, target: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
    input = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    task.train()
    result = task(input, target)
    result["loss"].backward()
    return result, [parameter.grad for parameter in task.get_trainable_module().parameters()]


def largest_difference(gradients: list[Tensor], others: list[Tensor]) -> float:
    return max((one - other).abs().max().item() for one, other in zip(gradients, others, strict=True))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("teacher_mean", [0.5, 0.25], ids=["same mean", "other mean"])
def test_kd_with_timms_weights_is_timms_logit_distillation(temperature: float, teacher_mean: float) -> None:
    student, network = create_model(0, 0.5), create_model(1, teacher_mean)
    reference = LogitDistillationTask(
        copy.deepcopy(student), DistillationTeacher(network), criterion_kwargs={"smoothing": 0.1},
        temperature=temperature, verbose=False,
    )  # fmt: skip
    args = flags("--task-loss-weight", 1, "--distill-loss-weight", 1, "--kd-temperature", temperature)
    objective: Any = load_objective("kd")
    ours = objective(args, student, Teacher(network, network.pretrained_cfg, {}), CPU)
    (result, gradients), (expected, expected_gradients) = run(ours, LABELS), run(reference, LABELS)
    assert torch.equal(result["output"], expected["output"]) and torch.equal(result["ce"], expected["task_loss"])
    assert torch.equal(result["loss"], result["ce"] + result["kd_clean"])
    # timm sums over images and classes at once: the last bit of the value may differ, that of the gradient may not
    torch.testing.assert_close(result["kd_clean"], expected["kd_loss"], rtol=1e-5, atol=1e-8)
    assert largest_difference(gradients, expected_gradients) == 0.0


@pytest.mark.parametrize(
    "words, criterion, target",
    [
        ((), LabelSmoothingCrossEntropy(0.1), LABELS),
        (("--smoothing", 0), nn.CrossEntropyLoss(), LABELS),
        (("--mixup", 0.2), SoftTargetCrossEntropy(), MIXED),
        (("--cutmix", 1), SoftTargetCrossEntropy(), MIXED),
        (("--cutmix-minmax", 0.2, 0.8), SoftTargetCrossEntropy(), MIXED),
        (("--bce-loss",), BinaryCrossEntropy(smoothing=0.1), LABELS),
        (("--bce-loss", "--mixup", 0.2), BinaryCrossEntropy(smoothing=0.0), MIXED),
        (("--bce-loss", "--smoothing", 0, "--bce-sum"), BinaryCrossEntropy(smoothing=0.0, sum_classes=True), LABELS),
        (
            ("--bce-loss", "--mixup", 0.2, "--bce-target-thresh", 0.2),
            BinaryCrossEntropy(smoothing=0.0, target_threshold=0.2),
            MIXED,
        ),
        (
            ("--bce-loss", "--bce-pos-weight", 2),
            BinaryCrossEntropy(smoothing=0.1, pos_weight=torch.tensor([2.0])),
            LABELS,
        ),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_ce_is_timms_classification_task(words: tuple[object, ...], criterion: nn.Module, target: Tensor) -> None:
    student = create_model(0, 0.5)
    reference = ClassificationTask(copy.deepcopy(student), criterion, verbose=False)
    objective: Any = load_objective("ce")
    (result, gradients), (expected, expected_gradients) = (
        run(objective(flags(*words), student, None, CPU), target), run(reference, target),
    )  # fmt: skip
    assert torch.equal(result["loss"], expected["loss"]) and torch.equal(result["ce"], expected["loss"])
    assert torch.equal(result["output"], expected["output"])
    assert largest_difference(gradients, expected_gradients) == 0.0
