"""Evaluation counts every image once and leaves no trace; a teacher that is mostly wrong is told."""

import logging
import math
import re
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from dad.runtime import Runtime
from dad.training.validation import evaluate, score_teacher

Batches = list[tuple[Tensor, Tensor]]


class Padded(list):  # type: ignore[type-arg]
    """A rank's loader whose sampler repeated images to fill the last batch."""

    sampler = SimpleNamespace(num_valid_samples=7)


def naive_scores(model: nn.Module, batches: Batches, count: int) -> dict[str, float]:
    input, target = (torch.cat(parts)[:count] for parts in zip(*batches, strict=True))
    top1 = top5 = loss = 0.0
    for row, label in zip(model(input).tolist(), target.tolist(), strict=True):
        ranks = sorted(range(len(row)), key=lambda index: -row[index])
        top1, top5 = top1 + (ranks[0] == label), top5 + (label in ranks[:5])
        loss += math.log(sum(map(math.exp, row))) - row[label]
    return {"loss": loss / count, "top1": 100 * top1 / count, "top5": 100 * top5 / count}


@pytest.mark.parametrize("padded, count", [(False, 10), (True, 7)])
def test_every_image_counts_once_whatever_the_batches_and_the_padding(padded: bool, count: int, cpu: Runtime) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 9))
    batches = [(torch.randn(size, 3, 2, 2), torch.randint(9, (size,))) for size in (4, 4, 2)]
    scores = evaluate(model, Padded(batches) if padded else batches, cpu)
    assert scores == pytest.approx(naive_scores(model, batches, count), abs=1e-4)
    assert 0 < scores["top5"] < 100


def test_an_image_without_a_label_does_not_count(cpu: Runtime) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 9))
    batches = [(torch.randn(4, 3, 2, 2), torch.randint(9, (4,))) for _ in range(3)]
    with_bad = [
        (torch.cat([images, images[:1]]), torch.cat([labels, torch.tensor([-1])])) for images, labels in batches
    ]
    assert evaluate(model, with_bad, cpu) == pytest.approx(naive_scores(model, batches, 12), abs=1e-4)


def test_evaluation_changes_nothing_and_runs_in_evaluation_mode(cpu: Runtime) -> None:
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(12, 6))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    batches = [(torch.randn(4, 3, 2, 2), torch.randint(6, (4,)))]
    assert evaluate(model.train(), batches, cpu) == evaluate(model, batches, cpu, channels_last=True)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_log_lines_have_timms_shape(cpu: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dad.training.validation")
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6))
    batches = [(torch.randn(4, 3, 2, 2), torch.randint(6, (4,)))] * 3
    evaluate(model, batches, cpu, log_interval=2)
    number = r"\d+\.\d+"
    shape = rf"Test: \[   \d/3\]  Time: {number}  Loss: {number}  Acc@1: {number}  Acc@5: {number}"
    assert len(caplog.messages) == 2 and all(re.fullmatch(shape, line) for line in caplog.messages)


@pytest.mark.parametrize("right, warns", [(3, False), (2, False), (1, True)])
def test_a_teacher_that_is_mostly_wrong_is_told(
    right: int, warns: bool, cpu: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    logits, target = torch.eye(10), torch.arange(10)
    target[right:] = (target[right:] + 1) % 10
    batches = [(torch.zeros(10, 3, 2, 2), target)] * 3
    assert score_teacher(lambda input: logits, batches, cpu, at_most=15) == 10 * right
    assert f"the teacher is right on {2 * right} of 20" in caplog.text and ("so few" in caplog.text) == warns
