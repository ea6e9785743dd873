"""AdvProp, Fast AdvProp and Pyramid AT against their algorithms written out, and what they leave behind."""

import copy
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_students import EVERY_STUDENT, MEAN, STD, create_student, make_batch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from benchmarks.measures import FlopCounter
from dad.errors import UsageError
from dad.models.auxiliary_norms import auxiliary_state, load_auxiliary_state
from dad.objectives import load_objective
from dad.objectives.advprop import other_classes

PLAIN = ("--smoothing", 0, "--adv-start-clean", 1)
EVERY_OBJECTIVE = pytest.mark.parametrize("objective", ["advprop", "fast_advprop", "pyramid_at"])


@pytest.fixture
def build(flags: Callable[..., Namespace]) -> Callable[..., Any]:
    def build_task(objective: str, name: str, *words: object, **settings: Any) -> Any:
        student = create_student(name, **settings)
        return load_objective(objective)(flags(*PLAIN, *words), student, None, torch.device("cpu")).train()

    return build_task


def to_pixels(input: Tensor) -> Tensor:
    return input * STD + MEAN


def images_of(count: int, side: int = 32) -> tuple[Tensor, Tensor]:
    """Images that a step within the budget leaves inside [0, 1], and labels."""
    generator = torch.Generator().manual_seed(3)
    pixels = torch.rand(count, 3, side, side, generator=generator) * 0.8 + 0.1
    return (pixels - MEAN) / STD, torch.randint(5, (count,), generator=generator)


def with_other_auxiliary_norms(task: Any) -> Any:
    """Make a task's auxiliary norms another than its main ones; return the plain student that has them."""
    state = auxiliary_state(task.trainable_module)
    other = {key: value * 1.1 + 0.1 if value.is_floating_point() else value for key, value in state.items()}
    load_auxiliary_state(task.trainable_module, other)
    student = create_student("test_resnet")
    student.load_state_dict({**task.trainable_module.state_dict(), **other})
    return student


@EVERY_STUDENT
def test_without_a_budget_and_with_equal_norms_advprop_is_plain_training(name: str, build: Callable[..., Any]) -> None:
    task, (input, labels, _) = build("advprop", name, "--adv-eps", 1e-9, "--adv-step-size", 1e-9), make_batch()
    plain = copy.deepcopy(task.trainable_module)
    result = task(input, labels)
    torch.testing.assert_close(result["loss"], cross_entropy(plain(input), labels))
    torch.testing.assert_close(result["ce_adversarial"], result["ce"])


def explicit_attack(student: Any, start: Tensor, towards: Tensor, epsilon: float, step: float, steps: int) -> Tensor:
    """Steps towards other classes by the sign of the gradient, written out."""
    pixels = start.clone()
    for _ in range(steps):
        pixels = pixels.detach().requires_grad_()
        gradient = torch.autograd.grad(cross_entropy(student((pixels - MEAN) / STD), towards), pixels)[0]
        pixels = (pixels - step * gradient.sign()).clamp(start - epsilon, start + epsilon).clamp(0, 1)
    return pixels.detach()


def test_advprop_attacks_by_the_auxiliary_norms_running_statistics(build: Callable[..., Any]) -> None:
    task, (input, labels) = build("advprop", "test_resnet", "--adv-steps", 3, "--adv-eps", "2/255"), images_of(4)
    auxiliary = with_other_auxiliary_norms(task).eval()
    with task.route.auxiliary():
        made = to_pixels(task.adversary(input, labels))
    expected = explicit_attack(auxiliary, to_pixels(input), labels, 2 / 255, 1 / 255, 3)
    assert ((made - expected).abs() < 1e-5).float().mean() > 0.99  # a sign may turn where a gradient is nearly 0
    assert (made - to_pixels(input)).abs().max() < 2.001 / 255


def test_each_kind_of_image_is_trained_on_through_its_own_norms(build: Callable[..., Any]) -> None:
    task, (input, labels) = build("advprop", "test_resnet"), images_of(4)
    auxiliary, main = with_other_auxiliary_norms(task), copy.deepcopy(task.trainable_module)
    torch.manual_seed(5)
    towards = other_classes(labels, 5)
    with task.route.auxiliary():
        adversarial = task.adversary(input, towards)
    torch.manual_seed(5)
    result = task(input, labels)
    torch.testing.assert_close(result["ce"], cross_entropy(main(input), labels), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        result["ce_adversarial"], cross_entropy(auxiliary(adversarial), labels), rtol=1e-4, atol=1e-5
    )
    for key, value in auxiliary_state(task.trainable_module).items():  # statistics of the training pass alone
        torch.testing.assert_close(value, auxiliary.state_dict()[key], rtol=1e-4, atol=1e-5)


def test_the_class_of_the_attack_is_never_the_images_own() -> None:
    labels = torch.arange(5).repeat(200)
    drawn = other_classes(labels, 5)
    assert not (drawn == labels).any() and set(((drawn - labels) % 5).tolist()) == {1, 2, 3, 4}
    torch.manual_seed(0)
    one = other_classes(one_hot(labels, 5).float(), 5)
    torch.manual_seed(0)
    assert torch.equal(one, other_classes(labels, 5))


@pytest.mark.parametrize("steps", [1, 3])
def test_k_steps_cost_two_k_and_six_thirds_of_plain_training(steps: int, build: Callable[..., Any]) -> None:
    flops = []
    for name, words in (("advprop", ("--adv-steps", steps)), ("ce", ())):
        task, (input, labels, _) = build(name, "test_vit2", *words), make_batch()
        with FlopCounter() as counter:
            task(input, labels)["loss"].backward()
        flops.append(counter.total)
    assert flops[0] / flops[1] == pytest.approx((2 * steps + 6) / 3, rel=0.03)  # plain training has none for the pixels


def test_fast_advprops_gradients_are_those_of_the_hand_formula(build: Callable[..., Any]) -> None:
    task, (input, labels) = build("fast_advprop", "test_resnet"), images_of(5, side=128)
    auxiliary, main = with_other_auxiliary_norms(task), copy.deepcopy(task.trainable_module)
    clean, other = (input[:4], labels[:4]), (input[4:].clone().requires_grad_(), labels[4:])
    (0.5 * cross_entropy(auxiliary(other[0]), other[1])).backward()
    attacked = (to_pixels(other[0]) + other[0].grad.sign() / 255).clamp(0, 1).detach()
    (0.5 * cross_entropy(auxiliary((attacked - MEAN) / STD), other[1])).backward()
    cross_entropy(main(clean[0]), clean[1], reduction="sum").backward()
    task(input, labels)["loss"].backward()
    task.finish_gradients()
    theirs = dict(auxiliary.named_parameters())
    main_parameters = dict(main.named_parameters())
    for key, parameter in task.trainable_module.named_parameters():
        plain = key.replace(".main", "").replace(".auxiliary", "")
        by_main = main_parameters[key.replace(".auxiliary", ".main")].grad
        by_other = theirs[plain].grad
        expected = by_other if ".auxiliary" in key else by_main / 4 if ".main" in key else (by_main + by_other) / 5
        torch.testing.assert_close(parameter.grad, expected, rtol=2e-3, atol=2e-4)


@EVERY_OBJECTIVE
def test_a_budget_is_kept_and_the_students_statistics_see_training_passes_alone(
    objective: str, build: Callable[..., Any]
) -> None:
    task, (input, labels) = build(objective, "test_resnet"), images_of(10)
    before = {key: int(value) for key, value in task.trainable_module.state_dict().items() if key.endswith("tracked")}
    passes = 2 if objective == "pyramid_at" else 1  # through the main norms
    task(input, labels)
    after = task.trainable_module.state_dict()
    assert before and all(int(after[key]) == count + passes for key, count in before.items())
    assert all(part.training for part in task.modules())


def test_a_pyramids_masks_are_the_same_in_every_pass(build: Callable[..., Any]) -> None:
    words = ("--adv-eps", 1e-9, "--adv-step-size", 1e-9)
    task, (input, labels) = (
        build("pyramid_at", "test_vit2", *words, drop_path_rate=0.5, proj_drop_rate=0.3),
        images_of(4),
    )
    result = task(input, labels)
    assert torch.equal(result["ce"], result["ce_adversarial"])
    assert not torch.equal(task(input, labels)["ce"], result["ce"])  # of the next step they are others
    seen = []
    hook = task.trainable_module.blocks[0].register_forward_hook(lambda *call: seen.append(call[2].detach()))
    task(input, labels)
    hook.remove()
    assert len(seen) == 7 and all(torch.allclose(seen[0], other, atol=1e-5) for other in seen)


@EVERY_OBJECTIVE
def test_under_autocast_the_students_gradients_are_near_those_in_full(
    objective: str, build: Callable[..., Any]
) -> None:
    task, (input, labels) = build(objective, "test_vit2", "--aux-norms", "layer"), images_of(10)
    gradients = []
    for is_mixed in (False, True):
        torch.manual_seed(0)
        task.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=is_mixed):
            loss = task(input, labels)["loss"]
        loss.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in task.trainable_module.parameters()]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.9
    assert gradients[1].norm() == pytest.approx(float(gradients[0].norm()), rel=0.2)


def test_a_pyramids_attack_has_the_kind_of_loss_that_training_has(build: Callable[..., Any]) -> None:
    task, (input, labels) = build("pyramid_at", "test_vit2", "--bce-loss", "--bce-sum"), images_of(4)
    logits, own = task.trainable_module(input), one_hot(labels, 5).float()
    each = binary_cross_entropy_with_logits(logits, own, reduction="none").sum(dim=1)
    torch.testing.assert_close(task.adversary.losses(logits, labels), each)
    torch.testing.assert_close(task(input, labels)["ce"], each.mean())
    plain = build("pyramid_at", "test_vit2")
    torch.testing.assert_close(plain.adversary.losses(logits, labels).mean(), cross_entropy(logits, labels))


@pytest.mark.parametrize(
    "objective, words, line",
    [
        (
            "fast_advprop",
            ("-b", 128),
            "--batch-size 128: a batch of --objective fast_advprop is a multiple of 5, e.g. 130",
        ),
        ("fast_advprop", ("-b", 5, "--adv-steps", 2), "--adv-steps 2: fast_advprop attacks by its one training pass"),
        (
            "advprop",
            ("--grad-checkpointing",),
            "--grad-checkpointing: --objective advprop chooses norms in the forward",
        ),
        ("advprop", ("--adv-eps", 4), "--adv-eps 4: pixels lie in [0, 1]; did you mean 4/255?"),
        (
            "pyramid_at",
            ("--pyramid-cells", 1),
            "--pyramid-multipliers: 3 for the 1 levels of --pyramid-cells; give one",
        ),
        ("pyramid_at", ("--pyramid-cells", 0, 1, 1), "--pyramid-cells 0: it must be above 0"),
        (
            "pyramid_at",
            ("--torchcompile",),
            "--torchcompile: the attack of pyramid_at goes through the network as it is",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_line(
    objective: str, words: tuple[object, ...], line: str, flags: Callable[..., Namespace]
) -> None:
    with pytest.raises(UsageError) as error:
        load_objective(objective).check_args(flags("--objective", objective, *words))
    assert str(error.value).startswith(line)


def test_fast_advprop_refuses_a_student_without_the_norms_it_is_about(flags: Callable[..., Namespace]) -> None:
    objective, vit = load_objective("fast_advprop"), create_student("test_vit2")
    with pytest.raises(
        UsageError, match="batch norms alone keep its two kinds of images apart, and test_vit2 has none"
    ):
        objective.check_student(flags("--model", "test_vit2"), vit)
    objective.check_student(flags("--aux-norms", "layer"), vit)
    objective.check_student(flags(), create_student("test_resnet"))
