"""The losses against the papers' formulas written out, and against timm's."""

import math

import numpy as np
import pytest
import torch
from timm.task import DistillationTeacher, LogitDistillationTask
from torch import Tensor

from dad.losses import distillation_loss, embedding_losses, relation_losses

BATCH, CLASSES = 4, 5


def logits(seed: int) -> Tensor:
    return 3 * torch.randn(BATCH, CLASSES, generator=torch.Generator().manual_seed(seed))


def softened(row: list[float], temperature: float) -> list[float]:
    total = sum(math.exp(value / temperature) for value in row)
    return [math.exp(value / temperature) / total for value in row]


def naive(student: Tensor, teacher: Tensor, temperature: float, weights: list[float]) -> float:
    total = 0.0
    for own, guide, weight in zip(student.tolist(), teacher.tolist(), weights, strict=True):
        q, p = softened(own, temperature), softened(guide, temperature)
        for k in range(len(p)):
            total += weight * p[k] * math.log(p[k] / q[k])
    return temperature**2 * total / len(weights)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 0.25, 1.0], [0.0] * BATCH])
def test_it_is_the_naive_double_loop(temperature: float, weights: list[float] | None) -> None:
    weight = None if weights is None else torch.tensor(weights)
    loss = distillation_loss(logits(0), logits(1), temperature, weight)
    assert loss.item() == pytest.approx(naive(logits(0), logits(1), temperature, weights or [1.0] * BATCH), rel=1e-5)


def test_it_is_zero_for_equal_logits_and_for_logits_that_differ_by_a_constant() -> None:
    assert distillation_loss(logits(0), logits(0), 4.0).item() == 0.0
    assert distillation_loss(logits(0) + 7, logits(0), 4.0).item() == pytest.approx(0.0, abs=1e-5)


def test_it_is_positive_and_not_symmetric() -> None:
    there, back = distillation_loss(logits(0), logits(1), 1.0), distillation_loss(logits(1), logits(0), 1.0)
    assert there > 0 and back > 0 and not torch.isclose(there, back)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_logits_and_temperature_scaled_together_scale_the_loss_by_the_square(factor: float) -> None:
    plain = distillation_loss(logits(0), logits(1), 2.0)
    scaled = distillation_loss(factor * logits(0), factor * logits(1), factor * 2.0)
    torch.testing.assert_close(scaled, factor**2 * plain)


def test_an_image_of_weight_zero_adds_nothing_and_still_counts_in_the_mean() -> None:
    weight = torch.tensor([1.0, 0.0, 1.0, 0.0])
    kept = [distillation_loss(logits(0)[i : i + 1], logits(1)[i : i + 1], 4.0) for i in (0, 2)]
    torch.testing.assert_close(distillation_loss(logits(0), logits(1), 4.0, weight), sum(kept) / BATCH)


def test_the_student_gets_the_gradient_of_the_formula() -> None:
    student, temperature = logits(0).requires_grad_(), 4.0
    distillation_loss(student, logits(1), temperature).backward()
    difference = (student / temperature).softmax(1) - (logits(1) / temperature).softmax(1)
    torch.testing.assert_close(student.grad, (temperature * difference / BATCH).detach())


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = logits(0).requires_grad_(), logits(1).requires_grad_()
    distillation_loss(student, teacher, 4.0).backward()
    assert teacher.grad is None


def test_half_precision_logits_are_reckoned_with_in_single_precision() -> None:
    student, teacher = logits(0).half(), logits(1).half()
    loss = distillation_loss(student, teacher, 4.0)
    assert loss.dtype == torch.float32 and torch.equal(loss, distillation_loss(student.float(), teacher.float(), 4.0))


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_it_is_timms_kd_loss(temperature: float, toy: type) -> None:
    student, teacher, input = toy(), toy(), torch.randn(6, 3, 4, 4)
    task = LogitDistillationTask(student, DistillationTeacher(teacher), temperature=temperature, verbose=False)
    expected = task(input, torch.zeros(6, dtype=torch.long))["kd_loss"]
    torch.testing.assert_close(distillation_loss(student(input), teacher(input), temperature), expected)


def correlation(one: list[float], other: list[float]) -> float:
    """Pearson's, by its definition, with what the authors of DIST add to the denominator."""
    size = len(one)
    one, other = [value - sum(one) / size for value in one], [value - sum(other) / size for value in other]
    product = sum(left * right for left, right in zip(one, other, strict=True))
    return product / (math.sqrt(sum(value**2 for value in one) * sum(value**2 for value in other)) + 1e-8)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_relations_are_one_less_the_mean_correlation_over_classes_and_over_images(temperature: float) -> None:
    own, guide = ([softened(row, temperature) for row in logits(seed).tolist()] for seed in (0, 1))
    rows = [correlation(one, other) for one, other in zip(own, guide, strict=True)]
    columns = [correlation(*pair) for pair in zip(zip(*own), zip(*guide), strict=True)]  # noqa: B905
    inter, intra = relation_losses(logits(0), logits(1), temperature)
    assert inter.item() == pytest.approx(temperature**2 * (1 - sum(rows) / BATCH), rel=1e-4)
    assert intra.item() == pytest.approx(temperature**2 * (1 - sum(columns) / CLASSES), rel=1e-4)


def test_relations_are_zero_for_equal_logits_and_at_most_two_for_opposite_ones() -> None:
    assert all(abs(loss.item()) < 1e-5 for loss in relation_losses(logits(0), logits(0), 1.0))
    one = torch.tensor([[5.0, 0.0], [0.0, 5.0]])
    assert [loss.item() for loss in relation_losses(one, -one, 1.0)] == pytest.approx([2.0, 2.0], abs=1e-5)


def test_relations_see_only_how_the_probabilities_vary() -> None:
    """Half the teacher's deviation from uniform is the same relation, where KL would differ."""
    certain = logits(1).softmax(1)
    milder = (0.5 * certain + 0.5 / CLASSES).log()
    for one, other in zip(
        relation_losses(logits(0), logits(1), 1.0), relation_losses(logits(0), milder, 1.0), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_relations_have_a_finite_gradient_to_the_student_alone_even_for_one_image() -> None:
    for images in (1, BATCH):
        student, teacher = logits(0)[:images].requires_grad_(), logits(1)[:images].requires_grad_()
        sum(relation_losses(student, teacher, 1.0)).backward()
        assert student.grad.isfinite().all() and student.grad.any() and teacher.grad is None


def test_relations_of_half_precision_logits_are_reckoned_with_in_single_precision() -> None:
    student, teacher = logits(0).half(), logits(1).half()
    exact = relation_losses(student.float(), teacher.float(), 1.0)
    assert all(torch.equal(*pair) for pair in zip(relation_losses(student, teacher, 1.0), exact, strict=True))


def test_embedding_losses_are_the_angle_and_the_squared_distance() -> None:
    teacher = torch.nn.functional.normalize(torch.randn(4, 6), dim=1)
    turned, squares = embedding_losses(3 * 6**0.5 * teacher, teacher)
    assert float(turned) == pytest.approx(0, abs=1e-6) and float(squares) == pytest.approx(4, rel=1e-5)
    student = torch.randn(4, 6)
    own, guide, weight = student.numpy(), teacher.numpy(), np.array([1.0, 0.0, 1.0, 0.5])
    cos = (own * guide).sum(1) / np.linalg.norm(own, axis=1)
    turned, squares = embedding_losses(student, teacher, torch.tensor(weight))
    assert float(turned) == pytest.approx((weight * (1 - cos)).mean(), rel=1e-5)
    assert float(squares) == pytest.approx((weight * ((own - 6**0.5 * guide) ** 2).mean(1)).mean(), rel=1e-5)


def test_of_a_student_of_the_same_length_the_squared_distance_is_twice_the_angle() -> None:
    student, teacher = (torch.nn.functional.normalize(torch.randn(4, 512), dim=1) for _ in range(2))
    turned, squares = embedding_losses(512**0.5 * student, teacher)
    torch.testing.assert_close(squares, 2 * turned)


def test_embedding_losses_are_taken_in_full_precision_and_leave_the_teacher_alone() -> None:
    student, teacher = torch.randn(4, 6).bfloat16().requires_grad_(), torch.randn(4, 6, requires_grad=True)
    sum(embedding_losses(student, teacher)).backward()
    assert embedding_losses(student, teacher)[0].dtype == torch.float32
    assert student.grad is not None and teacher.grad is None
