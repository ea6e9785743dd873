"""train.py against a loop on timm's own parts, in the order of timm's script: the same summary.csv, to the last digit.

Where the two draw random numbers in another order, or round elsewhere, the rows part in the first epoch.
"""

import argparse
import csv
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from timm import create_model
from timm.data import FastCollateMixup, Mixup, create_dataset, create_loader, resolve_data_config
from timm.optim import create_optimizer_v2, optimizer_kwargs
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler_factory import scheduler_kwargs
from timm.task import ClassificationEvaluator, ClassificationTask, DistillationTeacher, LogitDistillationTask
from timm.utils import AverageMeter, dispatch_clip_grad, random_seed, update_summary

import train
from dad.args import create_train_parser
from dad.args.hparams import parse_args

CPU = torch.device("cpu")
CASES = {
    "plain": "--opt sgd --lr 0.05",
    "mixing": "--mixup 0.4 --cutmix 1.0 --smoothing 0.2",
    "mixing without the prefetcher": "--mixup 0.4 --cutmix 1.0 --no-prefetcher",
    "augmentation and average": "--aa rand-m9-mstd0.5-inc1 --reprob 0.5 --model-ema --model-ema-decay 0.9",
    "no augmentation": "--no-aug --smoothing 0",
    "accumulation": "--grad-accum-steps 4 --clip-grad 1.0 --warmup-epochs 1 --sched-on-updates",
    "uneven accumulation": "--grad-accum-steps 3 --clip-grad 0.01 --clip-mode value",
    "layer decay": "--layer-decay 0.7 --weight-decay 0.05 --drop-path 0.1 --drop 0.1",
    "binary loss": "--bce-loss --cutmix 1.0 --bce-target-thresh 0.2 --opt lookahead_adamw",
    "mixing now and then": "--mixup 0.4 --cutmix 1.0 --mixup-prob 0.5 --mixup-mode elem",
    "mixing and erasing": "--mixup 0.4 --reprob 0.5 --mixup-mode pair --mixup-switch-prob 0.2",
    "rare validation": "--val-interval 2 --recovery-interval 2 --log-interval 3",
    "adaptive clipping": "--model test_resnet --model-kwargs --clip-grad 0.02 --clip-mode agc --sched step",
}


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def loaders(args: argparse.Namespace, config: dict[str, Any]) -> tuple[Any, Any]:
    shared: dict[str, Any] = {
        "input_size": config["input_size"], "mean": config["mean"], "std": config["std"], "num_workers": args.workers,
        "device": CPU, "use_prefetcher": not args.no_prefetcher,
    }  # fmt: skip
    train_set, val_set = (
        create_dataset(
            "", root=args.data_dir, split=split, is_training=split == "train", class_map=args.class_map,
            batch_size=args.batch_size,
        )
        for split in ("train", "validation")
    )  # fmt: skip
    train_loader = create_loader(
        train_set, batch_size=args.batch_size, is_training=True, no_aug=args.no_aug, re_prob=args.reprob,
        re_mode=args.remode, re_count=args.recount, scale=args.scale, ratio=args.ratio, hflip=args.hflip,
        vflip=args.vflip, color_jitter=args.color_jitter, auto_augment=args.aa,
        interpolation=config["interpolation"] if args.no_aug else args.train_interpolation,
        collate_fn=None if args.no_prefetcher or not mixup_of(args) else FastCollateMixup(**mixup_of(args)), **shared,
    )  # fmt: skip
    val_loader = create_loader(
        val_set, batch_size=args.batch_size, interpolation=config["interpolation"], crop_pct=config["crop_pct"],
        crop_mode=config["crop_mode"], **shared,
    )  # fmt: skip
    return train_loader, val_loader


def mixup_of(args: argparse.Namespace) -> dict[str, Any]:
    if not (args.mixup > 0 or args.cutmix > 0):
        return {}
    return {
        "mixup_alpha": args.mixup, "cutmix_alpha": args.cutmix, "prob": args.mixup_prob, "mode": args.mixup_mode,
        "switch_prob": args.mixup_switch_prob, "label_smoothing": args.smoothing, "num_classes": 6,
    }  # fmt: skip


def build_task(args: argparse.Namespace, student: Any, teacher: Any) -> Any:
    loss: dict[str, Any] = {"smoothing": args.smoothing, "soft_targets": bool(mixup_of(args))}
    if args.bce_loss:
        loss |= {"loss_type": "bce", "bce_target_thresh": args.bce_target_thresh}
    if teacher is None:
        return ClassificationTask(student, criterion_kwargs=loss, device=CPU, verbose=False)
    return LogitDistillationTask(
        student, teacher, criterion_kwargs=loss, task_loss_weight=args.task_loss_weight,
        distill_loss_weight=args.distill_loss_weight, temperature=args.kd_temperature, device=CPU, verbose=False,
    )  # fmt: skip


def timm_epoch(args: argparse.Namespace, epoch: int, task: Any, loader: Any, optimizer: Any, schedule: Any) -> float:
    mixup = Mixup(**mixup_of(args)) if args.no_prefetcher and mixup_of(args) else None
    steps, count, losses = args.grad_accum_steps, len(loader), AverageMeter()
    rest, updates = count % steps, epoch * -(-count // steps)
    task.train()
    optimizer.zero_grad()
    for index, (input, target) in enumerate(loader):
        group = rest if index >= count - rest else steps
        if mixup is not None:
            input, target = mixup(input, target)
        loss = task(input, target)["loss"]
        loss = loss / group if group > 1 else loss
        loss.backward()
        losses.update(loss.item() * group, len(input))
        if (index + 1) % steps and index + 1 < count:
            continue
        if args.clip_grad is not None:
            parameters = task.get_clip_parameters(exclude_head="agc" in args.clip_mode)
            dispatch_clip_grad(parameters, args.clip_grad, mode=args.clip_mode)
        optimizer.step()
        optimizer.zero_grad()
        updates += 1
        task.update_ema(step=updates)
        schedule.step_update(num_updates=updates, metric=losses.avg)
    if hasattr(optimizer, "sync_lookahead"):
        optimizer.sync_lookahead()
    return float(losses.avg)


@torch.inference_mode()
def timm_scores(model: Any, loader: Any) -> OrderedDict[str, float]:
    model.eval()
    evaluator = ClassificationEvaluator(CPU)
    for input, target in loader:
        evaluator.update(model(input), target)
    scores: OrderedDict[str, float] = evaluator.compute()
    return scores


def timm_run(args: argparse.Namespace, summary: Path) -> list[dict[str, str]]:
    random_seed(args.seed, 0)
    student = create_model(
        args.model, in_chans=3, num_classes=6, drop_rate=args.drop, drop_path_rate=args.drop_path, **args.model_kwargs
    )
    config = resolve_data_config(vars(args), model=student)
    student.pretrained_cfg.update(config)
    optimizer = create_optimizer_v2(student, **{**optimizer_kwargs(args), **args.opt_kwargs})
    train_loader, val_loader = loaders(args, config)
    teacher = None
    if args.teacher:
        name, _, path = args.teacher.partition("@")
        network = create_model(name, num_classes=6)
        network.load_state_dict(torch.load(path, weights_only=False)["state_dict"])
        teacher = DistillationTeacher(network)
        teacher.requires_grad_(False)
    task = build_task(args, student, teacher)
    if args.model_ema:
        task.setup_ema(decay=args.model_ema_decay, use_warmup=args.model_ema_warmup)
    updates = -(-len(train_loader) // args.grad_accum_steps)
    schedule, epochs = create_scheduler_v2(
        optimizer, **scheduler_kwargs(args, decreasing_metric=False), updates_per_epoch=updates
    )
    for epoch in range(epochs):
        is_scored = (epoch + 1) % args.val_interval == 0 or epoch + 1 == epochs
        loss = timm_epoch(args, epoch, task, train_loader, optimizer, schedule)
        if not is_scored:
            schedule.step(epoch + 1, None)
            continue
        scores = timm_scores(task.get_eval_model(), val_loader)
        if args.model_ema:
            scores = timm_scores(task.get_eval_model(ema=True), val_loader)
        rates = [group["lr"] for group in optimizer.param_groups]
        update_summary(epoch, OrderedDict(loss=loss), scores, str(summary), lr=sum(rates) / len(rates))
        schedule.step(epoch + 1, scores["top1"])
    return rows_of(summary)


def require_parity(words: list[str], tmp_path: Path) -> None:
    assert train.main(words) == 0
    expected = timm_run(parse_args(create_train_parser(), words)[0], tmp_path / "timm.csv")
    ours = rows_of(tmp_path / "run" / "summary.csv")
    scored = ["1", "2"] if "--val-interval" in words else ["0", "1", "2"]
    assert [row["epoch"] for row in expected] == scored and len({row["train_loss"] for row in expected}) == len(scored)
    assert [{key: row[key] for key in expected[0]} for row in ours] == expected


@pytest.mark.parametrize(
    "case, workers", [*((case, 0) for case in CASES), ("mixing", 2), ("augmentation and average", 2)]
)
def test_ce_is_timms_script(case: str, workers: int, train_flags: list[str], tmp_path: Path) -> None:
    words = [*train_flags, "--objective", "ce", "--teacher", "", "--epochs", "3", *CASES[case].split()]
    require_parity([*words, "--workers", str(workers)], tmp_path)


BOTH = "--task-loss-weight 1 --distill-loss-weight 2"


@pytest.mark.parametrize(
    "look, workers, weights",
    [
        ("", 0, BOTH),
        ("--mean 0.3 --std 0.2 --mixup 0.4", 2, BOTH),
        ("", 0, "--task-loss-weight 0.3"),
        ("", 0, "--distill-loss-weight 0.3"),
    ],
)
def test_kd_is_timms_script(look: str, workers: int, weights: str, train_flags: list[str], tmp_path: Path) -> None:
    network = create_model("test_resnet", num_classes=6)
    torch.save({"state_dict": network.state_dict()}, tmp_path / "teacher.pth")
    teacher = ["--teacher", f"test_resnet@{tmp_path / 'teacher.pth'}", "--img-size", "160", "--model-kwargs"]
    more = [*weights.split(), "--epochs", "3", "--model", "test_resnet"]
    words = [*train_flags, "--objective", "kd", *teacher, *more, *look.split()]
    require_parity([*words, "--workers", str(workers)], tmp_path)
