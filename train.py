#!/usr/bin/env python
"""Train a timm model by an objective of the paper: with or without a teacher, with or without a DAD set.

./distributed_train.sh 8 --config hparams/vitb_dad.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad
"""

import logging
import sys
from collections import OrderedDict
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from timm.layers import convert_splitbn_model, convert_sync_batchnorm
from timm.utils import distribute_bn

from dad.args import create_train_parser
from dad.args.checks import require_numbers, require_preprocessing
from dad.args.hparams import parse_args
from dad.errors import UsageError, run_script
from dad.models import create_student
from dad.objectives import load_objective
from dad.rng import same_random_state
from dad.runtime import load_device_modules, setup_runtime
from dad.teachers import create_teacher, require_fitting
from dad.training.engine import Hooks, TermMeter, evaluate, train_one_epoch
from dad.training.experiment import Experiment, Resumed
from dad.training.interrupts import InterruptedRun, Interrupts
from dad.training.loaders import create_train_loader, create_val_loader, resolve_classes
from dad.training.nonfinite import SkippedBatch
from dad.training.optim import create_optimizer, create_schedule, resolve_learning_rate
from dad.training.resumable_loader import end_workers
from dad.training.resume import Continuation
from dad.training.run_folder import find_resume, resolve_experiment, resolve_folder
from dad.training.updater import Updater

_logger = logging.getLogger("train")
_TEACHER_IMAGES = 64


def main(argv: list[str] | None = None) -> int:
    """Train from the command line."""
    args, args_text = parse_args(create_train_parser(), argv)
    objective = load_objective(args.objective)
    check_args(args, objective)
    load_device_modules(args.device_modules or ())
    runtime = setup_runtime(args)

    classes = resolve_classes(args)
    student, data_config = create_student(args, len(classes))
    train_loader = create_train_loader(args, data_config, objective, classes, runtime)
    val_loader = create_val_loader(args, data_config, classes, runtime)
    teacher = create_teacher(args, classes, runtime.device) if objective.needs_teacher else None
    if teacher is not None:
        require_fitting(teacher, data_config)

    if args.split_bn:
        student = convert_splitbn_model(student, max(args.aug_splits, 2))
    student.to(runtime.device, runtime.dtype)
    if args.channels_last:
        student.to(memory_format=torch.channels_last)
    if args.sync_bn and runtime.distributed:
        student = convert_sync_batchnorm(student)
    task = objective(args, student, teacher, runtime.device)
    learning_rate = resolve_learning_rate(args, runtime.world_size)
    optimizer = create_optimizer(args, task, learning_rate)
    updater = Updater(args, task, optimizer, runtime)
    if args.model_ema:
        device = torch.device("cpu") if args.model_ema_force_cpu else None
        task.setup_ema(decay=args.model_ema_decay, use_warmup=args.model_ema_warmup, device=device)
    args.experiment = resolve_experiment(args, args_text, data_config["input_size"][-1])
    experiment = Experiment(args, args_text, task, optimizer, updater.scaler, data_config, runtime)
    path = find_resume(args, runtime)
    resumed = experiment.resume(path, weights_only=args.no_resume_opt) if path else Resumed(0)
    if args.start_epoch is not None:
        resumed = Resumed(args.start_epoch)
    if args.torchcompile:
        task.compile(backend=args.torchcompile, mode=args.torchcompile_mode)
    if runtime.distributed:
        devices = [runtime.local_rank] if runtime.device.type == "cuda" else None
        task.prepare_distributed(devices, **({"broadcast_buffers": False} if args.no_ddp_bb else {}))

    updates_per_epoch = updater.updates_per_epoch(len(train_loader))
    schedule, epochs = create_schedule(args, optimizer, updates_per_epoch)
    continuation = Continuation(train_loader, updater, schedule, runtime, args.batch_size)
    meter, first_batch = TermMeter(), resumed.batch
    if resumed.state:
        continuation.restore(resumed.epoch, resumed.state, resumed.metric, meter)
    elif resumed.epoch > 0:
        updater.updates = resumed.epoch * updates_per_epoch
        schedule.step_update(updater.updates) if args.sched_on_updates else schedule.step(resumed.epoch)
    teacher_top1 = None if teacher is None else score_teacher(task, data_config, classes, runtime, args)
    experiment.start(resumed.epoch, updater.updates, first_batch, epochs, teacher_top1)
    _logger.info(
        "%s by %s: %d epochs of %d updates, global batch %d, %d views, learning rate %.3g, %d classes, in %s",
        args.model, args.objective, epochs, updates_per_epoch,
        args.batch_size * runtime.world_size * args.grad_accum_steps, len(objective.views), learning_rate, len(classes),
        experiment.folder,
    )  # fmt: skip

    interrupts = Interrupts(runtime)
    # In one undivided run, validation's workers that live on were seeded when it first validated.
    seeded = resumed.epoch >= args.val_interval and args.workers > 0
    try:
        with experiment.reporting():
            for epoch in range(resumed.epoch, epochs):
                if args.mixup_off_epoch and epoch >= args.mixup_off_epoch:
                    train_loader.stop_mixing()
                train_loader.start_epoch(epoch)
                train_metrics = train_one_epoch(
                    epoch, task, train_loader, updater, schedule, runtime,
                    channels_last=args.channels_last, log_interval=args.log_interval,
                    first_batch=first_batch, meter=meter, hooks=Hooks(
                        partial(after_update, epoch, experiment, continuation, interrupts, args),
                        experiment.progress,
                        partial(note_skipped, epoch, experiment, continuation),
                    ),
                )  # fmt: skip
                trained = continuation.collect(len(train_loader), meter)
                meter, first_batch = TermMeter(), 0
                rates = [group["lr"] for group in optimizer.param_groups]
                if runtime.distributed and args.dist_bn and not args.sync_bn:
                    share_statistics(task, runtime, args)
                if (epoch + 1) % args.val_interval and epoch + 1 < epochs:
                    schedule.step(epoch + 1)
                    continue
                try:
                    with same_random_state(runtime.device) if seeded else nullcontext():
                        scores = score(task, val_loader, runtime, interrupts, args)
                except InterruptedRun:
                    experiment.save(epoch, len(train_loader), trained)
                    raise
                seeded, state = False, continuation.collect(None)
                experiment.end_epoch(epoch, updater.updates, train_metrics, scores, sum(rates) / len(rates), state)
                schedule.step(epoch + 1, list(scores.values())[-1][args.eval_metric])
                if epoch + 1 < epochs and interrupts.requested():
                    raise InterruptedRun(f"interrupted after epoch {epoch}")
    except InterruptedRun as interrupted:
        _logger.info("%s; the same command with --resume auto goes on", interrupted)
        runtime.close()
        return interrupted.exit_code
    finally:
        interrupts.close()
        end_workers()
    experiment.finish()
    runtime.close()
    return 0


def after_update(epoch, experiment, continuation, interrupts, args, batch, meter) -> None:
    """Save where the run is if it is time to, or if it is asked to stop; in the latter case, stop it.

    Raises:
        InterruptedRun: it was asked to stop, and has saved.
    """
    requested, updates = interrupts.requested(), -(-batch // args.grad_accum_steps)
    if requested or (args.recovery_interval and updates % args.recovery_interval == 0):
        experiment.save(epoch, batch, continuation.collect(batch, meter))
    if requested:
        raise InterruptedRun(f"interrupted in epoch {epoch} after {batch} batches")


def share_statistics(task, runtime, args) -> None:
    """Give all processes the same running statistics, of the student and of its moving average."""
    averaged = task.has_ema() and not args.model_ema_force_cpu
    for ema in (False, True) if averaged else (False,):
        distribute_bn(task.get_trainable_module(ema=ema), runtime.world_size, args.dist_bn == "reduce")


def note_skipped(epoch, experiment, continuation, verdict, batches) -> None:
    """Write down which images were in an update that was skipped, on all processes."""
    runtime, updates = continuation.runtime, continuation.updater.updates
    cause = "gradient" if verdict.is_loss_finite else "loss"
    own = [
        SkippedBatch(
            updates, epoch, batch.number, runtime.rank, cause,
            {name: value.item() for name, value in batch.terms.items()}, batch.keys,
        )
        for batch in batches
    ]  # fmt: skip
    experiment.note_skipped(skipped for process in runtime.gather(own) for skipped in process)


def check_args(args, objective) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    require_numbers(args)
    require_preprocessing(args)
    if objective.needs_teacher and not args.teacher:
        raise UsageError(f"--objective {args.objective} needs --teacher, e.g. clip/ViT-L-14-quickgelu/openai")
    if objective.needs_teacher and args.train_img_sizes:
        raise UsageError(f"--train-img-sizes: the teacher of --objective {args.objective} sees images of one size")
    if objective.input_gradients and args.model_dtype not in (None, "float32"):
        raise UsageError(f"--model-dtype: --objective {args.objective} differentiates in float32 pixels; use --amp")
    if objective.input_gradients and (args.aug_splits or args.split_bn):
        raise UsageError(f"--aug-splits, --split-bn: --objective {args.objective} adds images that are in no split")
    if args.sync_bn and args.device == "cpu":
        raise UsageError("--sync-bn: PyTorch has synchronised batch norms for GPUs only; leave it out")
    if args.cutmix_minmax and len(args.cutmix_minmax) != 2:
        raise UsageError(f"--cutmix-minmax {args.cutmix_minmax}: it takes two shares, smallest and largest")
    if args.eval_metric not in ("loss", "top1", "top5"):
        raise UsageError(f"--eval-metric {args.eval_metric}: known are loss, top1, top5")
    if args.tta > 1:
        raise UsageError(f"--tta {args.tta}: no loader serves an image twice, so neighbours would be averaged")
    if args.sched == "plateau" and args.val_interval > 1:
        raise UsageError(f"--val-interval {args.val_interval}: --sched plateau needs a score after every epoch")
    folder = resolve_folder(args)
    if any(path.exists() and not path.is_dir() for path in (folder, *folder.parents)):
        raise UsageError(f"--output {args.output}: {folder} cannot be made, a file is in its way")


def score_teacher(task, data_config, classes, runtime, args) -> float | None:
    """Return the percentage of some validation images that the teacher is right on, and warn if it is small; None on
    all but the primary process."""
    if not runtime.is_primary:
        return None
    loader = create_val_loader(args, data_config, classes, replace(runtime, world_size=1), at_most=_TEACHER_IMAGES)
    right = count = 0
    with same_random_state(runtime.device), torch.inference_mode():
        for input, target in loader:
            with runtime.autocast():
                logits = task.teacher_logits(input.to(runtime.device))
            right, count = right + int((logits.argmax(1).cpu() == target.cpu()).sum()), count + len(target)
            if count >= _TEACHER_IMAGES:
                break
    _logger.info("the teacher is right on %d of %d validation images", right, count)
    if 5 * right < count:
        _logger.warning("so few: are --class-map, --class-names and the teacher's weights of these very classes?")
    return 100 * right / count


def score(task, loader, runtime, interrupts, args) -> dict[str, OrderedDict[str, float]]:
    """Return the scores of the student, `eval`, and of its moving average, if there is one, `eval_ema`.

    Raises:
        InterruptedRun: the run was asked to stop.
    """

    def before_batch() -> None:
        if interrupts.requested():
            raise InterruptedRun("interrupted while it validated")

    groups = {"eval": False, "eval_ema": True} if task.has_ema() and not args.model_ema_force_cpu else {"eval": False}
    scores = {}
    for group, ema in groups.items():
        model = task.get_eval_model(ema=ema)
        scores[group] = evaluate(
            model, loader, runtime,
            channels_last=args.channels_last, log_interval=args.log_interval, before_batch=before_batch,
        )  # fmt: skip
        numbers = tuple(scores[group][name] for name in ("top1", "top5", "loss"))
        _logger.info(" * %sAcc@1 %.3f Acc@5 %.3f Loss %.4f", "EMA " if ema else "", *numbers)
    return scores


if __name__ == "__main__":
    sys.exit(run_script(main))
