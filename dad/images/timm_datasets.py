"""timm's own data sets (`--dataset wds/...`, `torch/...`, `hfds/...`): one view, labels by number."""

import argparse
from typing import Any

from timm.data import create_dataset

from dad.errors import DataError, UsageError
from dad.images.classes import ClassList, load_class_list

_KINDS = ("torch", "hfds", "hfids", "tfds", "wds")
_THEIRS = (
    "dataset_download", "dataset_trust_remote_code", "input_key", "target_key", "train_num_samples", "val_num_samples",
    "epoch_repeats", "num_samples",
)  # fmt: skip


def resolve_timm_dataset(args: argparse.Namespace) -> bool:
    """Return whether `--dataset` names one of timm's data sets; else images lie in folders or tars, as everywhere here.

    Raises:
        UsageError: no such kind, or flags that only the other kind reads.
    """
    if args.input_img_mode not in (None, "RGB"):
        raise UsageError(f"--input-img-mode {args.input_img_mode}: every image, attack and discretiser here is RGB")
    kind, _, name = args.dataset.partition("/")
    if args.dataset in ("", "folder", "tar"):
        for flag in _THEIRS:
            if getattr(args, flag, None):
                raise UsageError(f"--{flag.replace('_', '-')}: folders and tars have no use for it; it needs --dataset")
        return False
    if kind.lower() not in _KINDS or not name:
        known = ", ".join(f"{kind}/<name>" for kind in _KINDS)
        raise UsageError(f"--dataset {args.dataset}: known are {known}, and nothing for folders or tars")
    return True


def resolve_numbered_classes(args: argparse.Namespace) -> ClassList:
    """Return the classes of `--class-map`, or numbers from 0 up to `--num-classes`.

    Raises:
        UsageError: neither is given.
    """
    if args.class_map:
        return load_class_list(args.class_map, args.class_names)
    if not args.num_classes:
        raise UsageError(f"--dataset {args.dataset}: its number of classes is needed, --num-classes or --class-map")
    numbers = tuple(str(number) for number in range(args.num_classes))
    return ClassList(numbers, numbers)


def create_timm_dataset(
    args: argparse.Namespace, split: str, num_samples: int | None, is_training: bool = False
) -> Any:
    """Build timm's data set over a split; `num_samples` is for streams that do not say how many images they have.

    Raises:
        DataError: timm or the package behind it refuses.
    """
    try:
        return create_dataset(
            args.dataset,
            root=args.data_dir,
            split=split,
            is_training=is_training,
            class_map=args.class_map,
            download=args.dataset_download,
            batch_size=args.batch_size,
            seed=args.seed,
            repeats=args.epoch_repeats if is_training else 0,
            input_img_mode="RGB",
            input_key=args.input_key,
            target_key=args.target_key,
            num_samples=num_samples,
            trust_remote_code=args.dataset_trust_remote_code,
        )
    except (ImportError, AssertionError, OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise DataError(f"--dataset {args.dataset}: timm cannot open it ({reason})") from error
