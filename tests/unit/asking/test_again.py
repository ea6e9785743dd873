"""The teacher is asked again: about whole pairs, with no difference where nothing was lost."""

from collections.abc import Callable
from itertools import chain

import pytest
import torch

from dad.asking.again import Difference, SampleBatches, ask_again, payload_errors
from dad.asking.build import build
from dad.asking.session import Session
from dad.errors import DataError
from dad.soft_targets.payload import EMBEDDING, LOGITS
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.writer import SoftTargetWriter
from dad.virtual_epochs import View

VIEWS = [View(1, 0, True), View(1, 1, True), View(1, 1, False)]
Open = Callable[..., SoftTargetWriter]


@pytest.mark.parametrize("count", [1, 6, 12, 1000])
def test_whole_pairs_of_every_virtual_epoch_are_asked_for_once(count: int) -> None:
    batches = SampleBatches(11, 1, VIEWS, count, 4)
    asks = list(chain(*batches))
    assert len(asks) == len(set(asks)) == 3 * min(10, max(2, 2 * (count // 6)))
    assert {(ask.view, ask.mixed) for ask in asks} == {(0, True), (1, True), (1, False)}
    for batch in batches:
        assert len(batch) <= 4 and all(one.row % 2 == 0 for one in batch[::2])
        assert [ask.row for ask in batch[1::2]] == [ask.row + 1 for ask in batch[::2]]


def test_what_is_asked_for_is_drawn_alike_each_time_but_not_the_first_rows() -> None:
    one, again = (list(chain(*SampleBatches(100, 1, VIEWS, 30, 4))) for _ in range(2))
    assert one == again and {ask.row for ask in one[:10]} != set(range(10))
    assert len(SampleBatches(100, 1, VIEWS, 30, 4)) == 9


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_a_difference_is_the_largest_and_the_mean_divergence(temperature: float) -> None:
    live, other = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]]), torch.tensor([[1.0, 2.5, 1.0], [0.0, 0.0, 0.0]])
    own, its = (live[0] / temperature).softmax(0), (other[0] / temperature).softmax(0)
    found = Difference.between(live, other, temperature)
    assert found.largest == 3 and found.divergence == pytest.approx(float((own * (own / its).log()).sum()) / 2)
    assert str(Difference(0.25, 0.5)) == "largest difference of logits 0.25, KL 0.5"


@pytest.fixture
def session(create: Callable[..., Session]) -> Session:
    return create("--mixup", 0.8, "--mixup-mode", "pair", "--mixup-off-epoch", 1, "--payload", "fp32")


@pytest.fixture
def targets(session: Session, open_writer: Open) -> SoftTargets:
    writer = open_writer(session)
    build(session, writer, writer.missing(session.views), 6)
    writer.finish(session.views)
    return SoftTargets(writer.root)


def test_fp32_answers_are_those_of_the_teacher_now(session: Session, targets: SoftTargets) -> None:
    then, now = ask_again(session, targets, 10, 6)
    assert torch.equal(then, now) and then.shape == (8, 16)
    assert Difference.between(session.teacher.logits_of(then), session.teacher.logits_of(now), 1.0).largest == 0


def test_another_teacher_says_something_else(session: Session, targets: SoftTargets) -> None:
    torch.manual_seed(1)
    for parameter in session.teacher.model.visual.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    then, now = ask_again(session, targets, 10, 6)
    assert (then - now).abs().max() > 1e-3


def test_other_images_are_refused(session: Session, targets: SoftTargets) -> None:
    object.__setattr__(session.images, "transform_args", {**session.images.transform_args, "hflip": 1.0})
    with pytest.raises(DataError, match="its pixels are not those that the teacher saw"):
        ask_again(session, targets, 20, 6)


def test_what_each_payload_costs_is_told() -> None:
    answers = torch.nn.functional.normalize(torch.randn(50, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    head = torch.nn.functional.normalize(torch.randn(64, 9, generator=torch.Generator().manual_seed(1)), dim=0)
    errors = payload_errors(answers, lambda answer: 100 * answer @ head, EMBEDDING, 1.0)
    assert errors["fp32"] == Difference(0.0, 0.0) and 0 < errors["fp16"].largest < errors["int8"].largest < 1
    assert 0 < errors["fp16"].divergence < errors["int8"].divergence < 0.1
    assert set(payload_errors(20 * answers, lambda answer: answer, LOGITS, 1.0)) == {"fp16", "fp32"}
