"""Training and validation data from flags: folders and DAD set in, timm's loaders out."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from timm.data import FastCollateMixup, Mixup, create_loader
from timm.data.auto_augment import NAME_TO_OP, auto_augment_transform, posterize
from timm.data.loader import PrefetchLoader
from timm.data.transforms import str_to_interp_mode

from dad.classes import ClassList
from dad.errors import DataError, UsageError
from dad.position import ResumableLoader
from dad.runtime import Runtime
from dad.shards import DadSet
from dad.sources import list_sources
from dad.views import DAD, ViewDataset, collate_float_views, collate_views

_SPLIT_NAMES = {"validation": ("validation", "val"), "val": ("val", "validation"), "train": ("train", "training")}


def find_split(data_dir: str, split: str) -> Path:
    """Return the folder of a split; `validation` and `val` are one, as in timm.

    Raises:
        UsageError: no data root was given. DataError: it, or the split, is not there.
    """
    if not data_dir:
        raise UsageError("--data-dir is needed: the data root in ImageNet's layout, with train/ and val/")
    if not Path(data_dir).is_dir():
        raise DataError(f"--data-dir {data_dir}: no such folder; expected a data root with train/ and val/")
    names = _SPLIT_NAMES.get(split, (split,))
    for name in names:
        if (Path(data_dir) / name).is_dir():
            return Path(data_dir) / name
    raise DataError(f"--data-dir {data_dir} has no folder {' or '.join(names)}; expected <split>/<class>/<image>")


def open_dad_set(dad_dir: str | None, classes: ClassList) -> DadSet:
    """Open the DAD set that an objective asks for.

    Raises:
        UsageError: no `--dad-dir`. DataError: the set is unfinished, damaged, empty, without images or of other
            classes.
    """
    if not dad_dir:
        raise UsageError("--dad-dir is needed by this objective: the DAD set that generate.py made")
    dad_set = DadSet.open(Path(dad_dir), classes.digest)
    if not len(dad_set):
        raise DataError(f"--dad-dir {dad_dir}: the teacher kept none of its images; was it the right teacher?")
    if dad_set.image_extension is None:
        raise DataError(
            f"--dad-dir {dad_dir} holds codes alone; training reads images: generate with --store codes,image"
        )
    return dad_set


def create_train_loader(
    args: argparse.Namespace,
    data_config: dict[str, Any],
    views: Sequence[str],
    classes: ClassList,
    runtime: Runtime,
    *,
    needs_partner: bool = False,
    paired: bool = False,
) -> tuple[Any, Mixup | None]:
    """Return timm's training loader over `--train-split`, and the Mixup that the loop has to apply (None: none, or in
    the loader already). `views`, `needs_partner` and `paired` are the objective's.

    Raises:
        UsageError: an augmentation that timm does not know, or that paired views would not share. DataError: no data,
            or less than a batch.
    """
    _require_augmentation(args, paired)
    sources = list_sources(find_split(args.data_dir, args.train_split), classes)
    dad_set = open_dad_set(args.dad_dir, classes) if DAD in views else None
    substitute = args.dad_missing == "substitute" and not needs_partner
    dataset = ViewDataset(sources, views, dad_set, substitute, paired)
    if len(dataset) < args.batch_size * runtime.world_size:
        raise DataError(
            f"{len(dataset)} training images are fewer than one batch (--batch-size {args.batch_size} on "
            f"{runtime.world_size} processes); use a smaller --batch-size"
        )
    mixup_args = resolve_mixup_args(args, len(classes))
    collate, mixup = None, None
    if len(views) > 1:
        collate = collate_float_views if args.no_prefetcher else collate_views
        mixup = Mixup(**mixup_args) if mixup_args else None
    elif mixup_args and not args.no_prefetcher:
        collate = FastCollateMixup(**mixup_args)
    elif mixup_args:
        mixup = Mixup(**mixup_args)
    loader = create_loader(
        dataset,
        input_size=data_config["input_size"],
        batch_size=args.batch_size,
        is_training=True,
        no_aug=args.no_aug,
        re_prob=args.reprob,
        re_mode=args.remode,
        re_count=args.recount,
        train_crop_mode=args.train_crop_mode,
        scale=args.scale,
        ratio=args.ratio,
        hflip=args.hflip,
        vflip=args.vflip,
        color_jitter=args.color_jitter,
        color_jitter_prob=args.color_jitter_prob,
        grayscale_prob=args.grayscale_prob or 0.0,
        gaussian_blur_prob=args.gaussian_blur_prob or 0.0,
        auto_augment=args.aa,
        interpolation=args.train_interpolation,
        mean=data_config["mean"],
        std=data_config["std"],
        collate_fn=collate,
        **_shared_loader_args(args, runtime),
        worker_seeding=args.worker_seeding,
        persistent_workers=not args.mixup_off_epoch,  # workers that live on never hear that mixup is off
    )
    return _resumable(loader, runtime), mixup


def _resumable(loader: Any, runtime: Runtime) -> Any:
    if isinstance(loader, PrefetchLoader):
        loader.loader = ResumableLoader(loader.loader, runtime.device, looks_ahead=True)
        return loader
    return ResumableLoader(loader, runtime.device, looks_ahead=False)


def _posterize(image: Image.Image, bits: int, **unused: Any) -> Image.Image:
    """Pillow 13 refuses what RandAugment asks for at the end of its scale: no bits left, which is a black image."""
    return posterize(image, bits) if bits > 0 else Image.new(image.mode, image.size)


NAME_TO_OP.update({name: _posterize for name, operation in NAME_TO_OP.items() if operation is posterize})


def _require_augmentation(args: argparse.Namespace, paired: bool) -> None:
    if paired and args.reprob > 0 and not args.no_prefetcher:  # it erases on the device, each view somewhere else
        raise UsageError(
            f"--reprob {args.reprob}: --objective {args.objective} compares two views of the same part of a picture; "
            "use --no-prefetcher, which erases both alike, or --reprob 0"
        )
    try:
        if args.aa and not args.aa.startswith(("rand", "augmix")):
            auto_augment_transform(args.aa, {})
    except AssertionError:
        known = "rand-..., augmix-..., original, originalr, v0, v0r, 3a"
        raise UsageError(f"--aa {args.aa}: timm has no such policy; known are {known}") from None
    try:
        args.train_interpolation == "random" or str_to_interp_mode(args.train_interpolation)
    except KeyError:
        known = "random, nearest, bilinear, bicubic, box, hamming, lanczos"
        raise UsageError(f"--train-interpolation {args.train_interpolation}: known are {known}") from None


def create_val_loader(
    args: argparse.Namespace, data_config: dict[str, Any], classes: ClassList, runtime: Runtime
) -> Any:
    """Return timm's evaluation loader over `--val-split`."""
    dataset = ViewDataset(list_sources(find_split(args.data_dir, args.val_split), classes))
    return create_loader(
        dataset,
        input_size=data_config["input_size"],
        batch_size=args.validation_batch_size or args.batch_size,
        interpolation=data_config["interpolation"],
        mean=data_config["mean"],
        std=data_config["std"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        **_shared_loader_args(args, runtime),
    )


def resolve_mixup_args(args: argparse.Namespace, num_classes: int) -> dict[str, Any]:
    """Return the arguments of timm's Mixup, or nothing if no flag asks for it."""
    if not (args.mixup > 0 or args.cutmix > 0 or args.cutmix_minmax):
        return {}
    if args.batch_size % 2:
        raise UsageError(f"--batch-size {args.batch_size} is odd, but --mixup and --cutmix blend images in pairs")
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


def _shared_loader_args(args: argparse.Namespace, runtime: Runtime) -> dict[str, Any]:
    return {
        "num_workers": args.workers,
        "distributed": runtime.distributed,
        "pin_memory": args.pin_mem,
        "device": runtime.device,
        "use_prefetcher": not args.no_prefetcher,
    }
