"""Score a model on one of timm's own data sets (`--dataset wds/...`), whose images have labels but no names."""

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from timm.data import create_loader
from timm.task import ClassificationEvaluator
from torch import Tensor
from torch.utils.data import IterableDataset

from dad.errors import DataError, UsageError
from dad.evaluation.loop import Forward
from dad.evaluation.scores import NOT_FINITE, Scores, share_scores
from dad.files import read_text, settings_fingerprint
from dad.images.timm_datasets import create_timm_dataset
from dad.runtime import Runtime
from dad.training.validation import run_evaluator


def stream_name(dataset: str, split: str) -> str:
    """Return what the scores of a stream are filed under; another split than the usual one is another set."""
    return dataset if split == "validation" else f"{dataset} ({split})"


def stream_digest(name: str, valid: Sequence[int] | None, count: int) -> str:
    """Return what tells the images of a stream from others, as far as that can be known without their names."""
    return settings_fingerprint({"stream": name, "count": count, "classes": None if valid is None else str(valid)})


def create_stream(args: argparse.Namespace, data_config: Mapping[str, Any], runtime: Runtime) -> Any:
    """Return timm's loader over `--dataset`, of (normalised images [B, 3, H, W], labels [B]).

    Raises:
        UsageError: a stream and several processes, to which timm deals out shards so that some images are read twice
            and others never.
    """
    dataset = create_timm_dataset(args, args.split, args.num_samples)
    if runtime.distributed and isinstance(dataset, IterableDataset):
        raise UsageError(f"--dataset {args.dataset}: several processes do not read a stream exactly; start one alone")
    return create_loader(
        dataset,
        **data_config,
        batch_size=args.batch_size,
        num_workers=args.workers,
        pin_memory=args.pin_mem,
        use_prefetcher=not args.no_prefetcher,
        distributed=runtime.distributed,
        device=runtime.device,
        img_dtype=runtime.dtype,
    )


def resolve_valid_labels(args: argparse.Namespace, num_classes: int) -> list[int] | None:
    """Return the classes of `--valid-labels`, which a label then counts through, or None for all.

    Raises:
        DataError: no such file, or not one class index a line.
    """
    if not args.valid_labels:
        return None
    try:
        indices = [int(line) for line in read_text(Path(args.valid_labels), "--valid-labels").split()]
    except ValueError as error:
        raise DataError(f"--valid-labels {args.valid_labels}: expected one class index a line ({error})") from None
    if not indices or not all(0 <= index < num_classes for index in indices):
        raise DataError(f"--valid-labels {args.valid_labels}: expected indices from 0 to {num_classes - 1}")
    return indices


def evaluate_stream(
    forward: Forward,
    loader: Any,
    name: str,
    valid: Sequence[int] | None,
    runtime: Runtime,
    log_freq: int = 10,
    twins: Sequence[int] | None = None,
) -> Scores:
    """Return top1, top5, loss and count on a stream, by timm's evaluator, over all processes.

    Args:
        valid: classes that a label counts through; None: all.
        twins: classes that the model cannot tell apart, for each the first of its kind.

    Raises:
        DataError: the stream is empty, or the model gives logits that are no numbers.
    """
    start = time.perf_counter()

    def logits_of(images: Tensor) -> Tensor:
        logits = forward(images)
        return logits if valid is None else logits[:, valid]

    def tell(number: int, evaluator: ClassificationEvaluator) -> None:
        if number % log_freq == 0:
            so_far = evaluator.summary()
            top1, top5 = so_far["top1"], so_far["top5"]
            runtime.say(f"Test: [{number:>4d}]  {name}  Acc@1: {top1:>7.3f}  Acc@5: {top5:>7.3f}")

    firsts = None
    if twins is not None:
        kinds = [twins[index] for index in valid or range(len(twins))]
        firsts = torch.tensor([kinds.index(kind) for kind in kinds])
    evaluator = run_evaluator(logits_of, loader, runtime, tell, firsts)
    total = evaluator.compute(distributed=runtime.distributed)
    counts = evaluator.counts.clone()
    if runtime.distributed:
        torch.distributed.all_reduce(counts)
    count, correct, among_best = counts.tolist()
    if not count:
        raise DataError(f"{name}: there is no image in it; check --data-dir and --split")
    if not math.isfinite(total["loss"]):
        raise DataError(f"{name}: the model's logits {NOT_FINITE}")
    seconds = round(time.perf_counter() - start, 3)
    return share_scores(correct, among_best, count) | {"loss": total["loss"], "seconds": seconds}
