"""What flags ask of timm's training loader: transforms, mixing, aug splits, several sizes; and what excludes what."""

import argparse
from collections.abc import Sequence
from typing import Any

from PIL import Image
from timm.data.auto_augment import NAME_TO_OP, auto_augment_transform, posterize

from dad.errors import UsageError
from dad.images.timm_datasets import resolve_timm_dataset
from dad.runtime import Runtime
from dad.virtual_epochs import Views


def resolve_transform_args(args: argparse.Namespace, data_config: dict[str, Any], paired: bool) -> dict[str, Any]:
    """Return the arguments of timm's `create_loader` that say what happens to a training image.

    Raises:
        UsageError: an augmentation that timm does not know, or that `paired` views would not share.
    """
    _require_augmentation(args, paired)
    _allow_no_bits()
    return {
        "no_aug": args.no_aug,
        "re_prob": args.reprob,
        "re_mode": args.remode,
        "re_count": args.recount,
        "re_split": args.resplit,
        "train_crop_mode": args.train_crop_mode,
        "scale": args.scale,
        "ratio": args.ratio,
        "hflip": args.hflip,
        "vflip": args.vflip,
        "color_jitter": args.color_jitter,
        "color_jitter_prob": args.color_jitter_prob,
        "grayscale_prob": args.grayscale_prob or 0.0,
        "gaussian_blur_prob": args.gaussian_blur_prob or 0.0,
        "auto_augment": args.aa,
        "interpolation": data_config["interpolation"] if args.no_aug else args.train_interpolation,
        "mean": data_config["mean"],
        "std": data_config["std"],
    }


def resolve_batch_args(args: argparse.Namespace, views: Sequence[str], runtime: Runtime) -> dict[str, Any]:
    """Return the arguments of timm's `create_loader` that say what makes a batch.

    Raises:
        UsageError: flags that need other flags, other views or more processes.
    """
    if args.aug_repeats and not runtime.distributed:
        raise UsageError(f"--aug-repeats {args.aug_repeats:g} spreads an image over processes, but there is one only")
    batch = {
        "num_aug_repeats": args.aug_repeats,
        "num_aug_splits": resolve_aug_splits(args, views),
        "use_multi_epochs_loader": args.use_multi_epochs_loader,
        "worker_seeding": args.worker_seeding,
        # workers that live on never hear that mixup is off
        "persistent_workers": not args.mixup_off_epoch,
    }
    return batch | _resolve_size_args(args, views)


def resolve_aug_splits(args: argparse.Namespace, views: Sequence[str]) -> int:
    """Return in how many versions a batch has each image (`--aug-splits`), 0 for one.

    Raises:
        UsageError: several views, or flags that do not go with splits.
    """
    asked = {"--aug-splits": args.aug_splits, "--jsd-loss": args.jsd_loss, "--resplit": args.resplit}
    flag = next((flag for flag, value in {**asked, "--split-bn": args.split_bn}.items() if value), None)
    if flag and len(views) > 1:
        raise UsageError(f"{flag}: --objective {args.objective} has the views {' and '.join(views)} in their place")
    if args.jsd_loss and args.bce_loss:
        raise UsageError("--jsd-loss: it is another loss than --bce-loss; leave out one of the two")
    if args.split_bn and args.sync_bn:
        raise UsageError("--split-bn: a split batch norm cannot be one of --sync-bn; leave out one of the two")
    if args.split_bn and not args.aug_splits and args.batch_size % 2:
        raise UsageError(f"--split-bn: halves of --batch-size {args.batch_size} are not alike; use an even one")
    if not args.aug_splits:
        if args.jsd_loss:
            raise UsageError("--jsd-loss: it compares versions of an image; ask for them with --aug-splits 3")
        return 0
    if args.aug_splits < 2:
        raise UsageError(f"--aug-splits {args.aug_splits}: an image and at least one other version make 2")
    if args.no_prefetcher or args.mixup > 0 or args.cutmix > 0 or args.cutmix_minmax:
        raise UsageError(f"--aug-splits {args.aug_splits}: --mixup, --cutmix and --no-prefetcher know no splits")
    return int(args.aug_splits)


def _resolve_size_args(args: argparse.Namespace, views: Sequence[str]) -> dict[str, Any]:
    """Return what makes batches of several image sizes (`--train-img-sizes`), each with a batch size of its own."""
    if not args.train_img_sizes:
        for flag in ("train_batch_sizes", "train_size_probs", "train_batches_per_epoch"):
            if getattr(args, flag):
                raise UsageError(f"--{flag.replace('_', '-')} {getattr(args, flag)}: it needs --train-img-sizes")
        return {}
    if len(views) > 1:
        raise UsageError(f"--train-img-sizes: --objective {args.objective} has DAD images, which are of one size")
    if args.use_multi_epochs_loader or args.aug_splits:
        raise UsageError("--train-img-sizes: neither --use-multi-epochs-loader nor --aug-splits knows of them")
    return {
        "input_size_choices": args.train_img_sizes,
        "batch_size_choices": args.train_batch_sizes,
        "batch_choice_weights": args.train_size_probs,
        "batch_choice_seed": args.seed,
        "batch_choice_schedule": args.train_size_schedule,
        "batch_schedule_epochs": args.epochs,
        "batch_schedule_spread": args.train_size_schedule_spread,
        "batch_schedule_random_mix": args.train_size_random_mix,
        "num_batches": args.train_batches_per_epoch,
    }


def resolve_views_of_epochs(args: argparse.Namespace) -> Views:
    """Return the virtual epochs of a run under `--aug-seeding sample`.

    Raises:
        UsageError: a flag that asks for draws which are not an image's own, or a pair's.
    """
    draws = "--aug-seeding sample draws for each image by itself"
    others = {
        "--no-prefetcher": args.no_prefetcher,
        "--aug-splits": args.aug_splits,
        "--aug-repeats": args.aug_repeats,
        "--train-img-sizes": args.train_img_sizes,
        "--use-multi-epochs-loader": args.use_multi_epochs_loader,
        "--dataset": resolve_timm_dataset(args),
    }
    flag = next((flag for flag, value in others.items() if value), None)
    if flag:
        raise UsageError(f"{flag}: {draws}, from folders or tars; leave it out, or use --aug-seeding worker")
    mixes = bool(args.mixup > 0 or args.cutmix > 0 or args.cutmix_minmax)
    if mixes and args.mixup_mode != "pair":
        raise UsageError(f"--mixup-mode {args.mixup_mode}: {draws}, or for two that are blended: --mixup-mode pair")
    return Views(args.seed, args.teacher_views, mixes, args.mixup_off_epoch)


def resolve_mixup_args(args: argparse.Namespace, num_classes: int) -> dict[str, Any]:
    """Return the arguments of timm's Mixup, or nothing if no flag asks for it."""
    if not (args.mixup > 0 or args.cutmix > 0 or args.cutmix_minmax):
        return {}
    odd = [size for size in args.train_batch_sizes or [args.batch_size] if size % 2]
    if odd:
        flag = "--train-batch-sizes" if args.train_batch_sizes else "--batch-size"
        raise UsageError(f"{flag} {odd[0]} is odd, but --mixup and --cutmix blend images in pairs")
    if args.mixup_off_epoch and args.use_multi_epochs_loader and args.workers:
        raise UsageError("--mixup-off-epoch: the workers of --use-multi-epochs-loader would never hear of it")
    return {
        "mixup_alpha": args.mixup,
        "cutmix_alpha": args.cutmix,
        "cutmix_minmax": args.cutmix_minmax,
        "prob": args.mixup_prob,
        "switch_prob": args.mixup_switch_prob,
        "mode": args.mixup_mode,
        "label_smoothing": args.smoothing,
        "num_classes": num_classes,
    }


def _posterize(image: Image.Image, bits: int, **unused: Any) -> Image.Image:
    """Pillow 13 refuses what RandAugment asks for at the end of its scale: no bits left, which is a black image."""
    return posterize(image, bits) if bits > 0 else Image.new(image.mode, image.size)


def _allow_no_bits() -> None:
    NAME_TO_OP.update({name: _posterize for name, operation in NAME_TO_OP.items() if operation is posterize})


def _require_augmentation(args: argparse.Namespace, paired: bool) -> None:
    erases_alike = args.no_prefetcher or args.aug_seeding == "sample"
    if paired and args.reprob > 0 and not erases_alike:  # on the device each view is erased somewhere else
        raise UsageError(
            f"--reprob {args.reprob}: --objective {args.objective} compares two views of the same part of a picture; "
            "use --aug-seeding sample or --no-prefetcher, which erase both alike, or --reprob 0"
        )
    try:
        if args.aa and not args.aa.startswith(("rand", "augmix")):
            auto_augment_transform(args.aa, {})
    except AssertionError:
        known = "rand-..., augmix-..., original, originalr, v0, v0r, 3a"
        raise UsageError(f"--aa {args.aa}: timm has no such policy; known are {known}") from None
