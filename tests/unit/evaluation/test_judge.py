"""What logits say of each image, by the rules of its set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import CPU, MIXED, GreyLevel, make_pool, make_set, score
from torch import Tensor

from dad.evaluation.judge import Answers, Judge
from dad.variants import ImageSet


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    """One image of each of six classes, which are its numbers."""
    return make_set(tmp_path / "six", dict.fromkeys("abcdef", "a"))


def judge(image_set: ImageSet, logits: Tensor, readable: Sequence[bool] = (True,) * 6) -> Answers:
    """Verdicts on the first images, given their logits."""
    judge = Judge(image_set, CPU.device)
    judge.record(logits.float(), np.arange(len(logits)), torch.tensor(readable[: len(logits)]))
    return judge.verdicts.numpy()


def favour(*classes: int) -> Tensor:
    """Logits of images whose highest class is the one named."""
    return 4 * torch.eye(6)[list(classes)]


def accepted(*columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The columns that are right for each image."""
    return np.cumsum([0, *map(len, columns)]), np.concatenate([np.array(some, np.int64) for some in columns])


def test_places_are_those_among_the_best_five_and_what_is_not_among_them(images: ImageSet) -> None:
    descending = torch.arange(6, 0, -1).expand(6, 6)  # class a first, f last
    assert judge(images, descending).places.tolist() == [0, 1, 2, 3, 4, 5]
    assert judge(images, descending, (True, False) * 3).places.tolist() == [0, 6, 2, 6, 4, 6]


def test_loss_prediction_and_confidence_are_those_of_a_softmax(images: ImageSet) -> None:
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    answers = judge(images, logits)
    torch.testing.assert_close(torch.from_numpy(answers.losses), -logits.log_softmax(dim=1).diagonal())
    assert answers.predictions.tolist() == logits.argmax(dim=1).tolist()
    assert answers.confidences == pytest.approx(logits.softmax(dim=1).amax(dim=1).numpy())


def test_images_in_any_order_and_any_batches_get_their_own_verdicts(images: ImageSet) -> None:
    logits, order = torch.randn(6, 6, generator=torch.Generator().manual_seed(0)), np.array([4, 0, 5, 2, 1, 3])
    parts, whole = Judge(images, CPU.device), judge(images, logits)
    for numbers in (order[:2], order[2:]):
        parts.record(logits[numbers], numbers, torch.ones(len(numbers), dtype=torch.bool))
    for ours, theirs in zip(parts.verdicts.columns(), (whole.places, whole.losses), strict=False):
        assert ours.numpy() == pytest.approx(theirs)


def test_any_accepted_class_is_right(images: ImageSet) -> None:
    several = replace(images, accepted=accepted([0, 3], [3, 5], [2], [1], [4, 0, 5], [0]))
    assert judge(several, favour(3, 5, 3, 1, 0, 0)).places.tolist()[:2] == [0, 0]
    assert [place > 0 for place in judge(several, favour(3, 5, 3, 1, 0, 5)).places] == [0, 0, 1, 0, 0, 1]


def test_an_image_without_an_accepted_class_is_never_right(images: ImageSet) -> None:
    labels = np.array([0, -1, 2, 3, 4, 5])
    none = replace(images, labels=labels, accepted=accepted([0], [], [2], [3], [4], [5]))
    answers = judge(none, favour(0, 1, 2, 3, 4, 5))
    assert answers.places.tolist() == [0, 5, 0, 0, 0, 0] and answers.losses[1] == 0


def test_classes_that_share_a_column_are_scored_by_the_highest_of_them(images: ImageSet) -> None:
    shared = replace(images, columns=np.array([0, 1, 0, -1, 1, 2]), labels=np.array([0, 0, 1, 1, 5, 5]))
    assert [place == 0 for place in judge(shared, favour(0, 2, 4, 0, 5, 1)).places] == [1, 1, 1, 0, 1, 0]


def test_a_class_in_no_column_does_not_compete(images: ImageSet) -> None:
    answers = judge(
        replace(images, columns=np.array([0, 1, 0, -1, 1, 2])), favour(3) + torch.tensor([2.0, 0, 1, 0, 0, 0])
    )
    assert answers.places[0] == 0 and answers.predictions[0] == 0
    assert answers.losses[0] == pytest.approx(-torch.tensor([2.0, 0, 0]).log_softmax(dim=0)[0])


def test_columns_need_not_be_in_the_order_of_classes(images: ImageSet) -> None:
    turned = replace(images, columns=np.array([5, 4, 3, 2, 1, 0]))
    assert judge(turned, favour(0, 1, 2, 3, 4, 5)).places.tolist() == [0] * 6
    assert judge(turned, favour(0, 1, 2)).predictions.tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_logits_that_are_no_numbers_are_an_infinite_loss_even_without_a_label(images: ImageSet, bad: float) -> None:
    logits = torch.zeros(6, 6)
    logits[0, 0] = logits[1] = bad
    losses = judge(replace(images, labels=np.array([0, -1, 2, 3, 4, 5])), logits).losses
    assert np.isinf(losses).tolist() == [True, True, False, False, False, False]


def test_scores_of_shared_columns_have_gradients(images: ImageSet) -> None:
    logits = favour(0).requires_grad_()
    Judge(replace(images, columns=np.array([0, 1, 0, 2, 1, 2])), CPU.device).scores(logits)[:, 0].sum().backward()
    assert logits.grad is not None and logits.grad.tolist() == [[1, 0, 0, 0, 0, 0]]


def test_shared_columns_count_in_a_whole_evaluation(tmp_path: Path) -> None:
    image_set = make_set(tmp_path, MIXED)  # a seen as f, c as d, d as a and f as a are wrong
    shared = replace(image_set, columns=np.array([0, 1, 2, 2, 3, 0]))
    scores = score(make_pool([shared]), GreyLevel())[0]
    assert (scores["correct"], scores["count"]) == (12, 13)
    assert scores["mistakes"][0]["label"] == "d" and scores["mistakes"][0]["prediction"] == "a"


def test_classes_that_a_model_cannot_tell_apart_count_for_each_other(images: ImageSet) -> None:
    twins = (0, 1, 2, 1, 4, 5)  # d has the prompts of b, and with them its logits
    logits = favour(0, 3, 2, 1, 5, 5)
    logits[:, 3] = logits[:, 1] = logits[:, [1, 3]].amax(dim=1)
    assert (judge(images.with_twins(twins), logits).places == 0).tolist() == [True, True, True, True, False, True]
    assert judge(images, logits).places.tolist()[3] > 0  # the other of two equal ones comes first


def test_any_of_several_right_answers_may_be_a_twin(images: ImageSet) -> None:
    several = replace(images, accepted=accepted([0], [3], [2], [0, 1], [4], [3])).with_twins((0, 1, 2, 1, 4, 5))
    hits = judge(several, favour(0, 1, 2, 3, 5, 1)).places == 0
    assert hits.tolist() == [True] * 4 + [False, True]
