"""Every objective walks the same table; what only some of them promise comes after it."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from dad.errors import UsageError
from dad.losses import distillation_loss
from dad.objectives import Distillation, load_objective
from dad.plugins import list_plugins
from dad.teachers import Teacher

NAMES = list_plugins("objectives")
TAUGHT = [name for name in NAMES if load_objective(name).needs_teacher]
DISTILLING = [name for name in TAUGHT if issubclass(load_objective(name), Distillation)]
BATCH, CLASSES = 4, 5


@dataclass
class Case:
    """An objective and a batch for it; the student wants its images otherwise than the teacher."""

    task: Any
    input: Tensor
    target: Tensor
    present: Tensor | None

    def run(self) -> dict[str, Tensor]:
        torch.manual_seed(0)  # the student's own adversary draws
        result: dict[str, Tensor] = self.task(self.input, self.target, self.present)
        return result


@pytest.fixture
def build(toy: type, flags: Callable[..., Namespace]) -> Callable[..., Case]:
    def build_case(name: str, *words: object) -> Case:
        objective: Any = load_objective(name)
        teacher = Teacher(toy(), {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}, {})
        args, student = flags("--discretizer", "identity", *words), toy(outputs=objective.outputs(CLASSES, teacher))
        task = objective(args, student, teacher if objective.needs_teacher else None, torch.device("cpu"))
        views = len(objective.views)
        present = torch.tensor([[1.0] * 4, [1.0, 1.0, 0.0, 1.0]]) if views > 1 else None
        return Case(task.train(), torch.randn(views * BATCH, 3, 4, 4), torch.tensor([0, 1, 4, 1]), present)

    return build_case


def named_terms(result: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in result.items() if name not in ("loss", "output")}


@pytest.mark.parametrize("name", NAMES)
def test_the_loss_is_the_weighted_sum_of_the_named_terms(name: str, build: Callable[..., Case]) -> None:
    result = (case := build(name)).run()
    terms = named_terms(result)
    assert terms.keys() == case.task.weights.keys()
    torch.testing.assert_close(result["loss"], sum(case.task.weights[term] * value for term, value in terms.items()))
    assert all(value.ndim == 0 and value > 0 for value in terms.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_output_is_the_clean_images_logits(name: str, build: Callable[..., Case]) -> None:
    case = build(name)
    output = case.run()["output"]
    clean = BATCH if case.task.batch_multiple == 1 else BATCH - 1  # fast_advprop's others are never seen clean
    assert output.shape == (clean, case.task.trainable_module.num_classes)
    torch.testing.assert_close(output, case.task.trainable_module(case.input[:clean]))


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_the_whole_student_and_nothing_else(name: str, build: Callable[..., Case]) -> None:
    task = (case := build(name)).task
    case.run()["loss"].backward()
    own = {id(parameter) for parameter in task.trainable_module.parameters()}
    for key, parameter in task.named_parameters():
        reached = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert reached == (id(parameter) in own), key


@pytest.mark.parametrize("name", NAMES)
def test_the_checkpoint_holds_the_student_alone(name: str, build: Callable[..., Case]) -> None:
    task = build(name).task
    student = task.trainable_module.state_dict()
    state = task.get_checkpoint_state()
    assert set(state) == {"state_dict"} and set(state["state_dict"]) == set(student)


@pytest.mark.parametrize("name", NAMES)
def test_soft_targets_and_binary_cross_entropy_are_taken(name: str, build: Callable[..., Case]) -> None:
    for words in (("--mixup", 0.2), ("--mixup", 0.2, "--bce-loss")):
        case = build(name, *words)
        case.target = torch.rand(BATCH, CLASSES).softmax(1)
        assert case.run()["loss"].isfinite()


@pytest.mark.parametrize("name", TAUGHT)
def test_the_teacher_stays_frozen_whatever_the_student_does(name: str, build: Callable[..., Case]) -> None:
    task = build(name).task
    assert task.training and task.trainable_module.training
    assert not any(module.training for module in task.teacher.modules())
    assert not any(parameter.requires_grad for parameter in task.teacher.parameters())


@pytest.mark.parametrize("name", DISTILLING)
def test_the_teacher_sees_the_same_pixels_in_its_own_normalisation(name: str, build: Callable[..., Case]) -> None:
    task, pixels = build(name).task, torch.rand(6, 3, 4, 4)
    assert not torch.equal(task.student_mean, task.teacher.mean_kd)
    logits = task.ask_teacher((pixels - task.student_mean) / task.student_std)
    torch.testing.assert_close(logits, task.teacher.on_pixels()(pixels), atol=1e-5, rtol=1e-5)
    assert not logits.requires_grad


@pytest.mark.parametrize("name", DISTILLING)
def test_flags_change_the_weights(name: str, build: Callable[..., Case]) -> None:
    first, second, *others = build(name, "--task-loss-weight", 0.25, "--distill-loss-weight", 3).task.weights.values()
    assert (first, second) == (0.25, 3.0) and 0.25 not in others


@pytest.mark.parametrize("name", DISTILLING)
def test_the_task_s_weight_alone_leaves_the_rest_to_the_distillation_as_in_timm(
    name: str, build: Callable[..., Case], flags: Callable[..., Namespace]
) -> None:
    first, second, *_ = build(name, "--task-loss-weight", 0.25).task.weights.values()
    assert (first, second) == (0.25, 0.75)
    own = load_objective(name).default_weights  # type: ignore[attr-defined]
    assert build(name, "--distill-loss-weight", 3).task.task_loss_weight == own[0]
    with pytest.raises(UsageError, match=r"--task-loss-weight 2: given alone it leaves 1 - w"):
        load_objective(name).check_args(flags("--task-loss-weight", 2))


@pytest.mark.parametrize("name", DISTILLING)
def test_a_temperature_that_cannot_be_is_refused_by_its_flag(name: str, flags: Callable[..., Namespace]) -> None:
    objective: Any = load_objective(name)
    flag = "--" + objective.temperature_flag.replace("_", "-")
    with pytest.raises(UsageError, match=rf"{flag} 0: it must be above 0"):
        objective.check_args(flags(flag, 0))


def test_dad_is_equation_nine(build: Callable[..., Case]) -> None:
    case = build("dad", "--smoothing", 0)
    own, guide = case.task.trainable_module(case.input), case.task.ask_teacher(case.input)
    expected = (
        torch.nn.functional.cross_entropy(own[:BATCH], case.target)
        + 0.5 * distillation_loss(own[:BATCH], guide[:BATCH], 4.0)
        + 0.5 * distillation_loss(own[BATCH:], guide[BATCH:], 4.0, case.present[1])
    )
    torch.testing.assert_close(case.run()["loss"], expected)


def test_a_missing_dad_image_changes_nothing_by_its_pixels(build: Callable[..., Case]) -> None:
    case = build("dad")
    before = case.run()
    case.input[BATCH + 2] = 100.0  # present is 0 there
    assert torch.equal(case.run()["loss"], before["loss"])
    case.input[BATCH + 1] = 100.0
    assert not torch.equal(case.run()["kd_dad"], before["kd_dad"])


def test_kd_is_dad_without_its_last_term(build: Callable[..., Case]) -> None:
    kd, dad = build("kd"), build("dad")
    kd.task.trainable_module.load_state_dict(dad.task.trainable_module.state_dict())
    kd.task.teacher.load_state_dict(dad.task.teacher.state_dict())
    both, clean = dad.run(), kd.task(dad.input[:BATCH], dad.target)
    torch.testing.assert_close(clean["loss"], both["loss"] - 0.5 * both["kd_dad"])


@pytest.mark.parametrize("passes", ["joint", "separate"])
def test_of_a_share_of_the_dad_images_no_network_sees_more(passes: str, build: Callable[..., Case]) -> None:
    case, seen = build("dad", "--dad-share", 0.5, "--bn-passes", passes), {"student": 0, "teacher": 0}

    def count(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.update({name: seen[name] + len(inputs[0])})

    case.task.trainable_module.register_forward_hook(count("student"))
    case.task.teacher.register_forward_hook(count("teacher"))
    result = case.run()
    assert seen == {"student": BATCH + BATCH // 2, "teacher": BATCH + BATCH // 2}
    recorded = case.task.teacher.answer(case.task.to_teacher(case.input))
    read = case.task(case.input, case.target, case.present, recorded)
    torch.testing.assert_close(read["loss"], result["loss"])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "dad"])
def test_a_share_of_the_dad_images_is_refused_by_others(name: str, flags: Callable[..., Namespace]) -> None:
    """Those that inherit from `dad` among them: their views are others."""
    args = flags("--objective", name, "--dad-share", 0.5, "--batch-size", 10)
    with pytest.raises(UsageError, match=rf"--dad-share 0\.5: --objective {name} takes none; dad does"):
        load_objective(name).check_args(args)
