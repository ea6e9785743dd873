"""timm's own data sets: exact counts over processes, and logits that are no numbers."""

from pathlib import Path

import pytest
import torch
from known_answers import CPU, GreyLevel
from timm.data.distributed_sampler import OrderedDistributedSampler
from torch.utils.data import DataLoader, TensorDataset

from dad.args import create_validate_parser
from dad.args.hparams import parse_args
from dad.errors import DataError, UsageError
from dad.evaluation.loop import Forward
from dad.evaluation.streams import create_stream, evaluate_stream, stream_digest, stream_name
from dad.runtime import Runtime

FIVE = TensorDataset(torch.arange(5).view(5, 1, 1, 1).expand(5, 3, 8, 8) * 20 / 255, torch.arange(5))


@pytest.mark.parametrize(("rank", "count"), [(0, 3), (1, 2)])
def test_images_that_make_shares_even_do_not_count(rank: int, count: int) -> None:
    loader = DataLoader(FIVE, batch_size=2, sampler=OrderedDistributedSampler(FIVE, 2, rank))
    scores = evaluate_stream(Forward(GreyLevel(), CPU), loader, "torch/five", None, CPU)
    assert (scores["count"], scores["correct"], scores["top1"]) == (count, count, 100)


def test_a_stream_is_refused_to_several_processes(tmp_path: Path) -> None:
    words = ["--dataset", "wds/tiny", "--data-dir", str(tmp_path), "--split", "val-{0..1}.tar|12"]
    args = parse_args(create_validate_parser(), words)[0]
    with pytest.raises(UsageError, match="--dataset wds/tiny: several processes"):
        create_stream(args, {}, Runtime(torch.device("cpu"), world_size=2))


def test_scores_of_another_split_or_other_classes_are_others() -> None:
    assert stream_name("wds/x", "validation") == "wds/x" and stream_name("wds/x", "test") == "wds/x (test)"
    told = [("wds/x", None, 5), ("wds/x (test)", None, 5), ("wds/x", [0, 1], 5), ("wds/x", None, 6)]
    digests = [stream_digest(*one) for one in told]
    assert len(set(digests)) == 4 and stream_digest("wds/x", None, 5) == digests[0]


def test_logits_that_are_not_finite_are_refused() -> None:
    model = torch.nn.Sequential(GreyLevel(), torch.nn.Threshold(torch.inf, torch.nan))
    with pytest.raises(DataError, match="torch/five: the model's logits are not finite"):
        evaluate_stream(Forward(model, CPU), DataLoader(FIVE), "torch/five", None, CPU)


@pytest.mark.parametrize(
    ("valid", "twins", "correct"),
    [
        (None, None, 3),
        (None, (0, 1, 0, 3, 4, 5), 4),
        (None, (0, 1, 0, 3, 1, 5), 5),
        ([0, 1, 2, 3, 4], (0, 1, 0, 3, 1, 5), 5),
        ([0, 4, 2, 3, 1], (0, 1, 0, 3, 1, 5), 5),  # labels count through the list
    ],
)
def test_classes_that_a_model_cannot_tell_apart_count_for_each_other(
    valid: list[int] | None, twins: tuple[int, ...] | None, correct: int
) -> None:
    class Alike(GreyLevel):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)  # c has the logits of a, and e those of b
            logits[:, [0, 2]] = logits[:, [0, 2]].amax(dim=1, keepdim=True)
            logits[:, [1, 4]] = logits[:, [1, 4]].amax(dim=1, keepdim=True)
            return logits

    scores = evaluate_stream(Forward(Alike(), CPU), DataLoader(FIVE), "torch/five", valid, CPU, twins=twins)
    assert scores["correct"] == correct
