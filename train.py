#!/usr/bin/env python
"""Train a timm model by an objective of the paper: with or without a teacher, with or without a DAD set.

./distributed_train.sh 8 --config hparams/vitb_dad.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import logging
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from timm.layers import convert_splitbn_model, convert_sync_batchnorm
from timm.utils import random_seed
from torch import nn

from dad.args import create_train_parser
from dad.args.checks import missing_flags, require_given, require_names, require_numbers, require_preprocessing
from dad.args.hparams import parse_args
from dad.args.model import require_features
from dad.asking.session import check_args_recordable, resolve_epochs
from dad.doctor.at_start import require_card, setup_workers, warn_of_space
from dad.doctor.writes import find_checkpoint_need
from dad.environment import versions
from dad.errors import UsageError, run_script
from dad.images.classes import ClassList
from dad.images.sources import find_split
from dad.images.timm_datasets import resolve_timm_dataset
from dad.memory import explaining_out_of_memory
from dad.models import create_student
from dad.models.batch_norms import require_enough_images
from dad.models.head_only import freeze_body
from dad.objectives import Weighted, load_objective
from dad.rng import same_random_state
from dad.runtime import Runtime, load_device_modules, setup_runtime
from dad.soft_targets.reader import SoftTargets
from dad.teachers import Teacher, create_teacher, require_fitting
from dad.teachers._recorded import create_embedder, create_recorded_teacher
from dad.trained_classes import resolve_new_head
from dad.training.experiment import Experiment
from dad.training.interrupts import InterruptedRun, Interrupts
from dad.training.loaders import create_train_loader, create_val_loader, resolve_classes, warn_of_unlike_set
from dad.training.optim import check_args_of_optimizer, create_optimizer, create_schedule, resolve_learning_rate
from dad.training.origin import resolve_origin
from dad.training.pixel_settings import resolve_pixel_settings
from dad.training.resumable_loader import end_workers
from dad.training.resume import Parts, create_run_state
from dad.training.run_folder import check_folder, resolve_experiment, setup_folder
from dad.training.sampled_loader import create_sampled_images
from dad.training.sizing import resolve_sizes
from dad.training.tracking import check_args_of_tracking
from dad.training.train_loader import TrainLoader
from dad.training.trainer import Trainer, resolve_settings
from dad.training.updater import Updater
from dad.training.validation import score_teacher
from dad.training.views import DAD, resolve_views

_logger = logging.getLogger("train")
_TEACHER_IMAGES = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Train from the command line."""
    args, args_text, taken = resolve_args(argv)
    objective = load_objective(args.objective)
    load_device_modules(args.device_modules or ())
    runtime = setup_runtime(args)
    require_card(runtime)
    if taken:
        _logger.info(taken)
    check_args_of_optimizer(args, runtime.device, runtime.dtype)

    # Build what trains and what is trained on.
    classes = resolve_classes(args)
    new_head = resolve_new_head(args, classes)
    # An embedding tells how many outputs its student has.
    teacher = None if objective.needs_classes else create_embedder(args, runtime.device)
    student, data_config = create_student(args, objective.outputs(len(classes), teacher), new_head)
    objective.check_student(args, student)
    if args.head_only:
        freeze_body(student, args.initial_checkpoint, data_config)
    else:
        require_enough_images(student, images_at_once(args, objective, runtime), data_config["input_size"])
    setup_workers(args, runtime, len(objective.views), data_config["input_size"][-1])
    warn_of_space(runtime, find_checkpoint_need(args, student))
    train_loader, targets = create_loader(args, data_config, objective, classes, runtime)
    val_loader = create_val_loader(args, data_config, classes, runtime) if objective.needs_classes else None
    if objective.needs_teacher:
        if teacher is None and targets is None:
            teacher = create_teacher(args, classes, runtime.device)
        elif teacher is None and targets is not None:
            teacher = create_recorded_teacher(args, classes, targets, runtime.device)
        assert teacher is not None
        require_fitting(teacher, data_config)
    if DAD in objective.views and runtime.is_primary:
        about, side = teacher.settings if teacher else None, data_config["input_size"][-1]
        warn_of_unlike_set(args.dad_dir, about, side, objective.labels_dad)
    if args.aug_seeding == "sample":  # what networks draw must not depend on whether a teacher was built
        random_seed(args.seed, runtime.rank)
    task = create_task(args, objective, student, teacher, runtime)
    args.trained_with = dict(task.settings)
    learning_rate = resolve_learning_rate(args, runtime.world_size, train_loader.batch_size)
    optimizer = create_optimizer(args, task, learning_rate)
    updater = Updater(args, task, optimizer, runtime, train_loader.batch_size)
    updates_per_epoch = updater.updates_per_epoch(len(train_loader))
    schedule, epochs = create_schedule(args, optimizer, updates_per_epoch)

    # Resume: a checkpoint fits the bare network, so compiling and wrapping come after.
    args.experiment = resolve_experiment(args, args_text, data_config["input_size"][-1], runtime)
    lock = setup_folder(args, runtime)
    origin = resolve_origin(args, teacher.settings if teacher else None, uses_dad_set=DAD in objective.views)
    parts = Parts(task, updater, schedule, train_loader, classes, origin)
    state = create_run_state(args, parts, data_config, runtime)
    prepare(args, task, runtime)
    teacher_top1 = None
    if teacher is not None and targets is None and objective.needs_classes and runtime.is_primary:
        teacher_top1 = try_teacher(args, task, data_config, classes, runtime)
    experiment = Experiment(args, args_text, state, runtime, lock)
    experiment.start(epochs, teacher_top1)
    global_batch = train_loader.batch_size * runtime.world_size * args.grad_accum_steps
    _logger.info(
        "%s by %s: %d epochs of %d updates, global batch %g, %d views, learning rate %.3g, %s, in %s",
        args.model, args.objective, epochs, updates_per_epoch, global_batch, len(objective.views), learning_rate,
        f"{len(classes)} classes" if classes else "no classes and so no validation", experiment.folder,
    )  # fmt: skip

    # Train, epoch by epoch.
    interrupts = Interrupts(runtime)
    trainer = Trainer(resolve_settings(args, task), state, val_loader, experiment, interrupts, runtime)
    try:
        with experiment.reporting(), explaining_out_of_memory(args.batch_size, args.grad_accum_steps):
            for epoch in range(state.epoch, epochs):
                means = trainer.train(epoch)
                is_validated = (epoch + 1) % args.val_interval == 0 or epoch + 1 == epochs
                trainer.end_epoch(epoch, means, is_validated=is_validated)
                if is_validated and epoch + 1 < epochs and interrupts.requested():
                    raise InterruptedRun(f"interrupted after epoch {epoch}")
    except InterruptedRun as interrupted:
        _logger.info("%s; the same command with --resume auto continues", interrupted)
        runtime.close()
        return interrupted.exit_code
    finally:
        interrupts.close()
        end_workers()

    # Finish.
    experiment.finish()
    runtime.close()
    return 0


def resolve_args(argv: Sequence[str] | None) -> tuple[Namespace, str, str]:
    """Return the flags, their YAML, and what of them was taken from the data, in words; refuse all that can be refused
    before anything is loaded."""
    args, args_text, taken = resolve_sizes(*parse_args(create_train_parser(), argv))
    check_args(args, load_objective(args.objective))
    if not resolve_timm_dataset(args):
        find_split(args.data_dir, args.train_split)
    return args, args_text, taken


def create_loader(
    args: Namespace, data_config: dict[str, Any], objective: type[Weighted], classes: ClassList, runtime: Runtime
) -> tuple[TrainLoader, SoftTargets | None]:
    """Return the training loader, and what the teacher said of its images if it was asked beforehand."""
    if args.aug_seeding != "sample":
        return create_train_loader(args, data_config, objective.demands(), classes, runtime), None
    images = create_sampled_images(args, data_config, objective.demands(), classes, runtime)
    targets = None
    if args.soft_targets:
        targets = SoftTargets(Path(args.soft_targets)).for_views(objective.views)
        views = images.epochs.of_epochs(resolve_epochs(args))
        targets.require(resolve_pixel_settings(args, data_config, images), views, versions())
        _logger.info("%s: the answers of %s, which is not loaded", args.soft_targets, targets.settings["teacher"])
    return images.train_loader(runtime, targets), targets


def images_at_once(args: Namespace, objective: type[Weighted], runtime: Runtime) -> int:
    """Return how many images a batch norm of the student sees at least."""
    size: int = min(args.train_batch_sizes or [args.batch_size])
    if args.sync_bn:
        size *= runtime.world_size
    if args.split_bn:
        return size
    return objective.images_at_once(size * max(int(args.aug_splits), 1), args.bn_passes)


def create_task(
    args: Namespace, objective: type[Weighted], student: nn.Module, teacher: Teacher | None, runtime: Runtime
) -> Any:
    """Return the objective as a task of timm, with the student on its device and a moving average if asked for."""
    if args.split_bn:
        student = convert_splitbn_model(student, max(args.aug_splits, 2))
    student.to(runtime.device, runtime.dtype)
    if args.channels_last:
        student.to(memory_format=torch.channels_last)
    if args.sync_bn and runtime.distributed:
        student = convert_sync_batchnorm(student)
    task: Any = objective(args, student, teacher, runtime.device)
    if args.model_ema:
        device = torch.device("cpu") if args.model_ema_force_cpu else None
        task.setup_ema(decay=args.model_ema_decay, use_warmup=args.model_ema_warmup, device=device)
    return task


def prepare(args: Namespace, task: Any, runtime: Runtime) -> None:
    """Compile and wrap for several processes, where that is asked for."""
    if args.torchcompile:
        task.compile(backend=args.torchcompile, mode=args.torchcompile_mode)
    if not runtime.distributed:
        return
    devices = [runtime.local_rank] if runtime.device.type == "cuda" else None
    if args.no_ddp_bb:
        task.prepare_distributed(devices, broadcast_buffers=False)
    else:
        task.prepare_distributed(devices)


def try_teacher(
    args: Namespace, task: Any, data_config: dict[str, Any], classes: ClassList, runtime: Runtime
) -> float | None:
    """Return the percentage of some validation images that the teacher is right on, None where there are none; no
    random draw is spent on it."""
    alone = replace(runtime, world_size=1)
    with same_random_state(runtime.device):
        loader = create_val_loader(args, data_config, classes, alone, at_most=_TEACHER_IMAGES)
        if loader is None:
            return None
        return score_teacher(task.ask_teacher, loader, runtime, _TEACHER_IMAGES, task.teacher.twins)


def missing_parts(args: Namespace, objective: type[Weighted]) -> Iterator[str]:
    """Yield in words what is not given and needed: the data, and the parts of the objective."""
    if not args.data_dir and not resolve_timm_dataset(args):
        yield "--data-dir is needed: the data root in ImageNet's layout, with train/ and val/"
    needed = {}
    if objective.needs_teacher and not args.soft_targets:
        needed["teacher"] = "SPEC, e.g. clip/ViT-L-14-quickgelu/openai"
    if any(view.needs_dad_set for view in resolve_views(args.objective, objective.views)):
        needed["dad_dir"] = "DIR, the DAD set that generate.py made"
    lacking = missing_flags(args, needed)
    if lacking:
        yield f"--objective {args.objective} needs {lacking} (--objective ce trains by labels alone)"
    yield objective.find_missing(args)


def check_args(args: Namespace, objective: type[Weighted]) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    require_numbers(args)
    require_names(args)
    require_preprocessing(args)
    require_features(args)
    objective.check_args(args)
    check_draws(args)
    if objective.needs_teacher and args.train_img_sizes:
        raise UsageError(f"--train-img-sizes: the teacher of --objective {args.objective} sees images of one size")
    if objective.input_gradients and args.model_dtype not in (None, "float32"):
        raise UsageError(f"--model-dtype: --objective {args.objective} differentiates in float32 pixels; use --amp")
    if objective.input_gradients and (args.aug_splits or args.split_bn):
        raise UsageError(f"--aug-splits, --split-bn: --objective {args.objective} adds images that are in no split")
    if args.sync_bn and args.device == "cpu":
        raise UsageError("--sync-bn: PyTorch has synchronised batch norms for GPUs only; leave it out")
    if args.tta > 1:
        raise UsageError(f"--tta {args.tta}: no loader serves an image twice, so neighbours would be averaged")
    if args.sched == "plateau" and args.val_interval > 1:
        raise UsageError(f"--val-interval {args.val_interval}: --sched plateau needs a score after every epoch")
    if args.sched == "plateau" and not objective.needs_classes:
        raise UsageError(f"--sched plateau: it needs a score after every epoch; --objective {args.objective} has none")
    if args.sched == "plateau" and not args.val_split:
        raise UsageError("--val-split '': --sched plateau needs a score after every epoch")
    require_given(missing_parts(args, objective))
    check_args_of_tracking(args)
    check_folder(args)


def check_draws(args: Namespace) -> None:
    """Refuse flags that need draws which can be repeated."""
    if args.soft_targets:
        check_args_recordable(args)
    elif args.teacher_views and args.aug_seeding != "sample":
        raise UsageError(f"--teacher-views {args.teacher_views}: no draw can be repeated; use --aug-seeding sample")


if __name__ == "__main__":
    sys.exit(run_script(main))
