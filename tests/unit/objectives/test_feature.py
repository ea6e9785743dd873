"""`feature` and `feature_clean`: which embeddings they compare, how much each term counts, and what they refuse."""

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dad.errors import UsageError
from dad.losses import embedding_losses
from dad.objectives import load_objective
from dad.teachers import Teacher

BATCH = 4
PRESENT = torch.tensor([[1.0] * BATCH, [1.0, 1.0, 0.0, 1.0]])


@pytest.fixture
def build(toy: type, flags: Callable[..., Namespace]) -> Callable[..., Any]:
    def build_task(name: str, *words: object) -> Any:
        teacher = Teacher(toy(), {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}, {})
        objective: Any = load_objective(name)
        return objective(flags(*words), toy(outputs=8), teacher, torch.device("cpu")).train()

    return build_task


def test_the_loss_is_the_equation(build: Callable[..., Any]) -> None:
    words = ("--feature-cos-weight", 3, "--feature-mse-weight", 0.5, "--feature-dad-weight", 0.25)
    task, input = build("feature", *words), torch.randn(2 * BATCH, 3, 4, 4)
    pixels = input * task.student_std + task.student_mean
    features = task.teacher.model.forward_features((pixels - task.teacher.mean_kd) / task.teacher.std_kd)
    guide = torch.nn.functional.normalize(features, dim=1)
    own = task.trainable_module(input)
    clean, dad = embedding_losses(own[:BATCH], guide[:BATCH]), embedding_losses(own[BATCH:], guide[BATCH:], PRESENT[1])
    expected = 3 * clean[0] + 0.5 * clean[1] + 0.25 * (3 * dad[0] + 0.5 * dad[1])
    torch.testing.assert_close(task(input, torch.zeros(BATCH).long(), PRESENT)["loss"], expected, rtol=1e-4, atol=1e-5)


def test_without_dad_images_the_clean_images_terms_are_left(build: Callable[..., Any]) -> None:
    both, clean, input = build("feature"), build("feature_clean"), torch.randn(2 * BATCH, 3, 4, 4)
    for part in ("trainable_module", "teacher"):
        getattr(clean, part).load_state_dict(getattr(both, part).state_dict())
    one, other = both(input, torch.zeros(BATCH).long(), PRESENT), clean(input[:BATCH], torch.zeros(BATCH).long())
    assert set(clean.weights) == {"cos_clean", "mse_clean"}
    assert all(torch.allclose(one[term], other[term]) for term in clean.weights)


def test_labels_are_not_used(build: Callable[..., Any]) -> None:
    task, input = build("feature"), torch.randn(2 * BATCH, 3, 4, 4)
    one, other = (task(input, torch.full((BATCH,), label), PRESENT)["loss"] for label in (0, 4))
    assert torch.equal(one, other)


def test_what_was_recorded_is_read_and_nobody_asked(build: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    task, input = build("feature"), torch.randn(2 * BATCH, 3, 4, 4)
    asked = task(input, torch.zeros(BATCH).long(), PRESENT)
    recorded = task.teacher.embed(task.to_teacher(input))
    monkeypatch.setattr(task.teacher, "embed", None)
    assert torch.equal(task(input, torch.zeros(BATCH).long(), PRESENT, recorded)["loss"], asked["loss"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--feature-cos-weight", 0, "--feature-mse-weight", 0), "one of the two has to be above 0"),
        (("--bce-loss",), "--bce-loss: --objective feature has no labels"),
    ],
)
def test_what_leaves_nothing_to_learn_is_refused(
    words: tuple[object, ...], message: str, flags: Callable[..., Namespace]
) -> None:
    with pytest.raises(UsageError, match=message):
        load_objective("feature").check_args(flags("--objective", "feature", "--unlabelled", *words))


def test_objectives_that_need_labels_refuse_images_without_any(flags: Callable[..., Namespace]) -> None:
    message = "^--unlabelled: --objective dad needs labels; feature, feature_clean do not$"
    with pytest.raises(UsageError, match=message):
        load_objective("dad").check_args(flags("--objective", "dad", "--unlabelled"))
    load_objective("feature").check_args(flags("--objective", "feature", "--unlabelled"))
    with pytest.raises(
        UsageError, match=r"^--objective feature looks at no labels, even if there are any; say --unlab"
    ):
        load_objective("feature").check_args(flags("--objective", "feature"))
