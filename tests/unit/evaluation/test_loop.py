"""The loop over sets: the same scores whatever the batches, the workers and the processes."""

import logging
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from known_answers import CPU, SIX, GreyLevel, make_pool, score
from timm.task import ClassificationEvaluator
from torch import Tensor, nn

from dad.evaluation.judge import Judge
from dad.evaluation.loop import Forward, evaluate_sets
from dad.evaluation.scores import format_scores
from dad.runtime import Runtime
from dad.variants import ImageSet


class Small(GreyLevel):
    """Fits `limit` images into its memory."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit, self.sizes = limit, []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(len(images))
        if len(images) > self.limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(images)


def test_scores_equal_timms_evaluator(mixed: ImageSet) -> None:
    pool, evaluator = make_pool([mixed], batch_size=5), ClassificationEvaluator()
    for batch in pool.batches([0]):
        evaluator.update(GreyLevel()(batch.images), torch.from_numpy(mixed.labels)[batch.numbers])
    scores, expected = score(pool)[0], evaluator.compute()
    assert (scores["top1"], scores["top5"]) == (expected["top1"], expected["top5"])
    assert scores["loss"] == pytest.approx(expected["loss"], rel=1e-6)


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (5, 0), (64, 0), (5, 2)])
def test_scores_do_not_depend_on_batch_size_and_workers(
    three_sets: list[ImageSet], batch_size: int, workers: int
) -> None:
    scores = score(make_pool(three_sets, batch_size, workers), average="macro")
    assert scores == score(make_pool(three_sets), average="macro")


def test_sets_together_score_as_each_by_itself(three_sets: list[ImageSet]) -> None:
    together = score(make_pool(three_sets, 100))
    known = together[0]["calibration"]["scaled"]["temperature"]  # of the first, for those that follow
    assert together == [score(make_pool([image_set]), temperature=known)[0] for image_set in three_sets]
    assert score(make_pool(three_sets[:1]), temperature=9.0) == together[:1]  # it is fitted anew


def test_the_end_of_the_validation_images_may_lie_within_a_batch(three_sets: list[ImageSet]) -> None:
    """The other images of that batch wait for the temperature, of which the last validation image is part."""
    found = [score(make_pool(three_sets, size))[1]["calibration"]["scaled"] for size in (1, 13, 14, 18, 22)]
    assert found[0]["count"] == 6 and found[1:] == found[:1] * 4


def test_only_wanted_sets_are_scored_each_as_soon_as_its_last_image_is(three_sets: list[ImageSet]) -> None:
    model = Small(100)
    found = evaluate_sets(Forward(model, CPU), make_pool(three_sets, 7), [0, 2], SIX.folders)
    assert not model.sizes
    which, scores, *_ = next(found)
    assert (which, scores["count"], model.sizes) == (0, 13, [7, 7])  # 13 images of it and one of the next
    assert [(which, scores["count"]) for which, scores, *_ in found] == [(2, 3)] and model.sizes == [7, 7, 2]


def test_scores_tell_transform_and_time_and_how_much_of_it_was_waiting_for_data(
    mixed: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool([mixed])
    served = pool.batches
    monkeypatch.setattr(pool, "batches", lambda wanted: ((time.sleep(0.05), batch)[1] for batch in served(wanted)))
    found = next(evaluate_sets(Forward(GreyLevel(), CPU), pool, [0], SIX.folders))
    scores = found.scores
    assert scores["transform"].startswith("Resize 8, CenterCrop 8x8")
    assert 0.05 <= found.data_seconds <= scores["seconds"] + 1e-3
    assert "1.0 s, 25 % of it data" in format_scores("mine", scores | {"seconds": 1.0}, 0.25)


def test_a_line_is_printed_every_few_batches(three_sets: list[ImageSet], capsys: pytest.CaptureFixture[str]) -> None:
    list(evaluate_sets(Forward(GreyLevel(), CPU), make_pool(three_sets), [0, 1, 2], SIX.folders, log_freq=3))
    lines = capsys.readouterr().out.splitlines()
    assert [line[:26] for line in lines] == ["Test: [   3/6]  imagenet  ", "Test: [   6/6]  imagenet-r"]
    assert "Acc@1:  75.000" in lines[0]  # 9 of the first 12


def test_a_model_is_called_without_gradients_and_its_logits_are_float32(mixed: ImageSet) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 6)).to(torch.bfloat16)
    logits = Forward(model, CPU)(torch.rand(2, 3, 8, 8, dtype=torch.bfloat16))
    assert logits.dtype == torch.float32 and not logits.requires_grad


def test_autocast_is_the_runtimes() -> None:
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 6))
    model[1].register_forward_hook(lambda _module, _input, output: seen.append(output.dtype))
    Forward(model, Runtime(torch.device("cpu"), autocast_dtype=torch.bfloat16))(torch.rand(2, 3, 8, 8))
    assert seen == [torch.bfloat16]


def test_retry_halves_the_batch_for_good(caplog: pytest.LogCaptureFixture) -> None:
    model, images = Small(3), torch.rand(10, 3, 8, 8)
    forward = Forward(model, CPU, retry=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            torch.testing.assert_close(forward(images), GreyLevel()(images))
    assert model.sizes == [10, 5, 3, 3, 3, 1, 3, 3, 3, 1]
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"out of device memory: going on with batches of {size}" for size in (5, 3)]


@pytest.mark.parametrize(("limit", "retry", "sizes"), [(3, False, [10]), (0, True, [10, 5, 3, 2, 1])])
def test_what_does_not_fit_is_an_error_in_the_end(limit: int, retry: bool, sizes: list[int]) -> None:
    model = Small(limit)
    with pytest.raises(torch.OutOfMemoryError):
        Forward(model, CPU, retry)(torch.rand(10, 3, 8, 8))
    assert model.sizes == sizes


def test_what_processes_write_down_adds_up(three_sets: list[ImageSet]) -> None:
    """Each of three processes judges its own images; the highest of each column is what one process finds."""
    columns = []
    for rank in range(3):
        runtime = Runtime(torch.device("cpu"), rank=rank, world_size=3)
        judge = Judge(three_sets[0], runtime.device)
        for batch in make_pool(three_sets[:1], 2, 0, runtime).batches([0]):
            judge.record(GreyLevel()(batch.images), batch.numbers, batch.readable)
        columns.append([column.numpy() for column in judge.verdicts.columns()])
    whole = Judge(three_sets[0], CPU.device)
    for batch in make_pool(three_sets[:1]).batches([0]):
        whole.record(GreyLevel()(batch.images), batch.numbers, batch.readable)
    for parts, expected in zip(zip(*columns, strict=True), whole.verdicts.columns(), strict=True):
        assert np.max(parts, axis=0) == pytest.approx(expected.numpy())


def _score_on_rank(rank: int, image_sets: list[ImageSet], folder: Path, expected: list) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    runtime = Runtime(torch.device("cpu"), rank=rank, world_size=2)
    scores = [score(make_pool(image_sets, batch_size, 0, runtime)) for batch_size in (4, 30)]
    dist.destroy_process_group()  # or gloo's threads may abort the exit
    assert scores == [expected, expected]


@pytest.mark.slow
def test_processes_together_count_every_image_once(three_sets: list[ImageSet], tmp_path: Path) -> None:
    (tmp_path / "val/c/1.png").write_bytes(b"<html>")
    expected = score(make_pool(three_sets))
    assert [scores["count"] for scores in expected] == [12, 6, 3]
    torch.multiprocessing.spawn(_score_on_rank, (three_sets, tmp_path, expected), nprocs=2)
