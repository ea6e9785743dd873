"""Whether a run that is taken up again goes on in the same order, and what is told or refused where it does not."""

from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from dad.errors import SettingsError
from dad.training.batch_order import BatchOrder, take_over
from dad.training.meter import TermMeter

WORKER = BatchOrder(images=64, batch_size=8, processes=2, per_update=1, workers=2)
SAMPLE = replace(WORKER, sampled=True)
# fields of the run that goes on, and what tells of them
OTHERS = [
    ({"workers": 3}, "--workers: there 2, here 3"),
    ({"batch_size": 4}, "batch size: there 8, here 4"),
    ({"processes": 1, "batch_size": 16}, "batch size: there 8, here 16, processes: there 2, here 1"),
    ({"per_update": 2}, "batches per update: there 1, here 2"),
    ({"images": 65}, "images: there 64, here 65"),
]


@pytest.mark.parametrize("there", [WORKER, SAMPLE])
@pytest.mark.parametrize("mid_epoch", [True, False])
def test_the_same_order_goes_on(there: BatchOrder, mid_epoch: bool, caplog: pytest.LogCaptureFixture) -> None:
    assert there.continues(replace(there), mid_epoch) and not caplog.text


@pytest.mark.parametrize("changes, words", OTHERS)
def test_draws_of_workers_go_on_with_the_same_settings_only(
    changes: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    here = replace(WORKER, **changes)
    with pytest.raises(SettingsError, match=rf"middle of an epoch.*\({words}\); use those, or a checkpoint of an"):
        here.continues(WORKER, mid_epoch=True)
    assert not caplog.text and not here.continues(WORKER, mid_epoch=False)
    assert f"resumed with other settings ({words}): random draws differ" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"workers": 0},
        {"processes": 1, "batch_size": 16},
        {"processes": 4, "batch_size": 4},
        {"processes": 1, "per_update": 2},
        {"processes": 16, "batch_size": 1},
        {"batch_size": 2, "processes": 2, "per_update": 4},
    ],
)
@pytest.mark.parametrize("mid_epoch", [True, False])
def test_draws_of_samples_go_on_while_updates_are_of_the_same_images(
    changes: dict[str, Any], mid_epoch: bool, caplog: pytest.LogCaptureFixture
) -> None:
    assert replace(SAMPLE, **changes).continues(SAMPLE, mid_epoch) and not caplog.text


@pytest.mark.parametrize("changes, words", [other for other in OTHERS if "16" not in other[1] and "-" not in other[1]])
def test_draws_of_samples_do_not_go_on_with_updates_of_other_images(
    changes: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    here = replace(SAMPLE, **changes)
    with pytest.raises(SettingsError, match=rf"\({words}\); use any with 16 images an update, or a checkpoint of an"):
        here.continues(SAMPLE, mid_epoch=True)
    assert not here.continues(SAMPLE, mid_epoch=False) and f"({words})" in caplog.text


@pytest.mark.parametrize("there, here", [(WORKER, SAMPLE), (SAMPLE, WORKER)])
def test_neither_kind_of_draws_goes_on_as_the_other(
    there: BatchOrder, here: BatchOrder, caplog: pytest.LogCaptureFixture
) -> None:
    words = rf"\(--aug-seeding sample: there {there.sampled}, here {here.sampled}\); use those, or"
    with pytest.raises(SettingsError, match=words):
        here.continues(there, mid_epoch=True)
    assert not here.continues(there, mid_epoch=False) and "--aug-seeding sample: there" in caplog.text


@pytest.mark.parametrize(
    "there, here",
    [
        (BatchOrder(10, 2, 1, 2, 0, True), BatchOrder(10, 4, 1, 1, 0, True)),  # updates of 4, 4, 2; and of 4, 4
        (BatchOrder(10, 4, 1, 1, 0, True), BatchOrder(10, 1, 2, 2, 0, True)),
    ],
)
def test_an_epoch_that_ends_with_part_of_an_update_is_another_than_one_without(
    there: BatchOrder, here: BatchOrder
) -> None:
    with pytest.raises(SettingsError):
        here.continues(there, mid_epoch=True)
    assert not here.continues(there, mid_epoch=False)


def state_of(order: dict[str, Any], workers: int) -> dict[str, Any]:
    return {"order": order, "workers": workers}


def test_a_checkpoint_holds_the_order_as_plain_data() -> None:
    for order in (WORKER, SAMPLE):
        assert BatchOrder.of_plain(state_of(order.to_plain(), order.workers)) == order
    assert all(isinstance(value, int) for value in SAMPLE.to_plain().values())
    assert len(SAMPLE.to_plain()) == len(fields(SAMPLE)) - 1  # workers are told beside it


def test_a_checkpoint_of_before_is_of_draws_by_workers() -> None:
    old = {"images": 64, "batch size": 8, "processes": 2, "batches per update": 1}
    assert BatchOrder.of_plain(state_of(old, 2)) == WORKER


def meter(images: int) -> dict[str, Any]:
    made = TermMeter()
    made.update({"ce": torch.tensor(2.0), "kd": torch.tensor(0.5 * images)}, images)
    return made.state_dict()


def ranks_of(*images: int) -> list[dict[str, Any]]:
    return [
        {"position": {"batch": 6, "now": torch.tensor(rank)}, "meter": meter(count)}
        for rank, count in enumerate(images)
    ]


@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_sums_of_a_cut_epoch_are_kept_in_total(processes: int) -> None:
    before = ranks_of(8, 4, 12)
    meters = [TermMeter() for _ in range(processes)]
    for rank, own in enumerate(meters):
        own.load_state_dict(take_over(before, rank, processes, 3)["meter"], torch.device("cpu"))
    assert sum(own.images for own in meters) == pytest.approx(24)
    assert sum(float(own.sums["ce"]) for own in meters) == pytest.approx(48)
    assert sum(float(own.sums["kd"]) for own in meters) == pytest.approx(0.5 * (64 + 16 + 144))


@pytest.mark.parametrize("rank, of", [(0, 0), (1, 1), (2, 1), (7, 1)])
@pytest.mark.parametrize("batch, there", [(3, 3), (0, None)])
def test_a_process_goes_on_at_the_batch_that_it_is_told(rank: int, of: int, batch: int, there: int | None) -> None:
    assert take_over(ranks_of(4, 4), rank, 8, batch)["position"] == {"batch": there, "now": torch.tensor(of)}


def test_at_an_epochs_end_there_are_no_sums() -> None:
    ranks = [{**own, "meter": None} for own in ranks_of(1, 1)]
    assert take_over(ranks, 0, 1, 0)["meter"] is None
