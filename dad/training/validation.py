"""Score networks on labelled batches, by timm's evaluator: student and average after an epoch, the teacher before."""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from timm.task import ClassificationEvaluator, TrainingTask, evaluation_sample_limit
from torch import Tensor, nn

from dad.runtime import Runtime
from dad.verdicts import is_right

_logger = logging.getLogger(__name__)
_SUSPICIOUS = 1 / 5  # a teacher that fits its data is right on most images

Scores = OrderedDict[str, float]


def run_evaluator(
    forward: Callable[[Tensor], Tensor],
    loader: Any,
    runtime: Runtime,
    after_batch: Callable[[int, ClassificationEvaluator], None],
    twins: Tensor | None = None,
) -> ClassificationEvaluator:
    """Return timm's evaluator after it has seen every image of `loader` once.

    Args:
        forward: images as the loader gives them to logits [B, K], float32.
        after_batch: called with the number of batches done; may raise to leave off.
        twins: for each class the first of those that count as one, [K] (see `dad.verdicts.is_right`); None: each counts
            for itself.
    """
    limit = evaluation_sample_limit(loader)  # without the images that make shares even
    evaluator = ClassificationEvaluator(runtime.device)
    if twins is not None:
        twins = twins.to(runtime.device)
        others = twins != torch.arange(len(twins), device=runtime.device)
    seen = 0
    for number, (input, target) in enumerate(loader, start=1):
        logits = forward(input.to(runtime.device, runtime.dtype))
        target = target.to(runtime.device)
        counts = target >= 0  # not so where an image cannot be read
        if limit is not None:
            counts[max(0, limit - seen) :] = False
        seen += len(target)
        logits = logits[counts]
        target = target[counts]
        if twins is not None:
            logits = logits.masked_fill(others, -torch.inf)  # those of the first are the same
            target = twins[target]
        with torch.inference_mode():
            evaluator.update(logits, target)
        after_batch(number, evaluator)
    return evaluator


def evaluate(
    model: nn.Module,
    loader: Any,
    runtime: Runtime,
    *,
    channels_last: bool = False,
    log_interval: int | None = None,
    before_batch: Callable[[], None] = lambda: None,
) -> Scores:
    """Return loss, top1 and top5 (percent) of a model over all images of `loader`, each counted once.

    `before_batch` is called on all processes alike, and may raise to leave off; a line of the log comes every
    `log_interval` batches, with the scores of the primary process so far.
    """
    model.eval()
    start = time.perf_counter()
    batches = len(loader)

    @torch.inference_mode()
    def forward(input: Tensor) -> Tensor:
        before_batch()
        if channels_last:
            input = input.contiguous(memory_format=torch.channels_last)
        with runtime.autocast():
            logits: Tensor = model(input)
        return logits.float()

    def tell(done: int, evaluator: ClassificationEvaluator) -> None:
        due = log_interval and ((done - 1) % log_interval == 0 or done == batches)
        if not due or not runtime.is_primary:
            return
        so_far = evaluator.summary()
        seconds = (time.perf_counter() - start) / done
        _logger.info(
            "Test: [%4d/%d]  Time: %.3f  Loss: %.4f  Acc@1: %.3f  Acc@5: %.3f",
            done, batches, seconds, so_far["loss"], so_far["top1"], so_far["top5"],
        )  # fmt: skip

    scores: Scores = run_evaluator(forward, loader, runtime, tell).compute(distributed=runtime.distributed)
    return scores


def evaluate_student(
    task: TrainingTask, loader: Any, runtime: Runtime, *, with_average: bool, **settings: Any
) -> dict[str, Scores]:
    """Return the scores of the student, `eval`, and of its moving average if that is asked for, `eval_ema`; `settings`
    are those of `evaluate`."""
    groups = {"eval": False}
    if with_average:
        groups["eval_ema"] = True
    scores = {}
    for group, is_average in groups.items():
        scores[group] = evaluate(task.get_eval_model(ema=is_average), loader, runtime, **settings)
        numbers = tuple(scores[group][name] for name in ("top1", "top5", "loss"))
        _logger.info(" * %sAcc@1 %.3f Acc@5 %.3f Loss %.4f", "EMA " if is_average else "", *numbers)
    return scores


@torch.inference_mode()
def score_teacher(
    logits_of: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    runtime: Runtime,
    at_most: int,
    twins: Tensor | None = None,
) -> float:
    """Return the percentage of images that the teacher is right on, and warn if it is small.

    Args:
        logits_of: images normalised for the student to the teacher's logits.
        at_most: images after which no further batch is looked at.
        twins: classes that the teacher cannot tell apart, see `dad.verdicts.is_right`.
    """
    right = count = 0
    for input, target in batches:
        with runtime.autocast():
            logits = logits_of(input.to(runtime.device))
        right += int(is_right(logits, target.to(runtime.device), twins).sum())
        count += len(target)
        if count >= at_most:
            break
    _logger.info("the teacher is right on %d of %d validation images", right, count)
    if right < _SUSPICIOUS * count:
        _logger.warning("so few: are --class-map, --class-names and the teacher's weights of these very classes?")
    return 100 * right / count
