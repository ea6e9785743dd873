"""Training and validation data from flags: folders and DAD set in, timm's loaders out."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timm.data import AugMixDataset, FastCollateMixup, Mixup, create_loader
from timm.data.loader import PrefetchLoader
from timm.utils.misc import natural_key
from torch.utils.data import IterableDataset

from dad.errors import DataError, UsageError
from dad.images.classes import ClassList, resolve_class_list
from dad.images.sources import SourceImage, class_folders, find_split, list_sources
from dad.images.timm_datasets import create_foreign_dataset, resolve_foreign, resolve_foreign_classes
from dad.runtime import Runtime
from dad.shards import DadSet
from dad.training.interrupts import held_back
from dad.training.loader_args import resolve_batch_args, resolve_mixup_args, resolve_transform_args
from dad.training.resumable_loader import ResumableLoader, UnwatchedLoader
from dad.training.views import DAD, ViewDataset, collate_float_views, collate_views


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


def resolve_classes(args: argparse.Namespace) -> ClassList:
    """Return the class list of the training data."""
    if resolve_foreign(args):
        return resolve_foreign_classes(args)
    folders = class_folders(find_split(args.data_dir, args.train_split))
    return resolve_class_list(args.class_map, args.class_names, folders)


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
        UsageError: flags that exclude each other, or that these views exclude. DataError: no data, or less than a
            batch.
    """
    transform_args = resolve_transform_args(args, data_config, paired)
    batch_args = resolve_batch_args(args, views, runtime)
    mixup_args = resolve_mixup_args(args, len(classes))
    dataset = _create_dataset(args, views, classes, needs_partner, paired)
    sized = not isinstance(dataset, IterableDataset) and not args.train_img_sizes
    if sized and len(dataset) < args.batch_size * runtime.world_size:
        raise DataError(
            f"{len(dataset)} training images are fewer than one batch (--batch-size {args.batch_size} on "
            f"{runtime.world_size} processes); use a smaller --batch-size"
        )
    if batch_args["num_aug_splits"]:
        dataset = AugMixDataset(dataset, num_splits=batch_args["num_aug_splits"])
    collate, mixup = None, None
    if len(views) > 1:
        collate = collate_float_views if args.no_prefetcher else collate_views
        mixup = Mixup(**mixup_args) if mixup_args else None
    elif mixup_args and not args.no_prefetcher:
        collate = FastCollateMixup(**mixup_args)
    elif mixup_args:
        mixup = Mixup(**mixup_args)
    settings = {**transform_args, **batch_args, **_shared_loader_args(args, runtime)}
    shape = {"input_size": data_config["input_size"], "batch_size": args.batch_size}
    try:
        with held_back():  # the workers of --use-multi-epochs-loader start here
            loader = create_loader(dataset, **shape, is_training=True, collate_fn=collate, **settings)
    except (ValueError, TypeError) as error:  # timm checks the several sizes
        if not args.train_img_sizes:
            raise
        raise UsageError(f"--train-img-sizes {args.train_img_sizes}: {error}") from error
    watched = not args.use_multi_epochs_loader and not isinstance(dataset, IterableDataset)
    return _resumable(loader, runtime, watched), mixup


def _resumable(loader: Any, runtime: Runtime, watched: bool) -> Any:
    ahead = isinstance(loader, PrefetchLoader)
    inner = loader.loader if ahead else loader
    below = ResumableLoader(inner, runtime.device, ahead) if watched else UnwatchedLoader(inner, runtime.device)
    if not ahead:
        return below
    loader.loader = below
    return loader


def _create_dataset(
    args: argparse.Namespace, views: Sequence[str], classes: ClassList, needs_partner: bool, paired: bool
) -> Any:
    if resolve_foreign(args):
        if len(views) > 1:
            raise UsageError(
                f"--dataset {args.dataset}: --objective {args.objective} pairs images with a DAD set by their names, "
                "which only folders and tars have"
            )
        return create_foreign_dataset(args, args.train_split, args.train_num_samples, is_training=True)
    sources = _in_timms_order(list_sources(find_split(args.data_dir, args.train_split), classes))
    dad_set = open_dad_set(args.dad_dir, classes) if DAD in views else None
    substitute = args.dad_missing == "substitute" and not needs_partner
    return ViewDataset(sources, views, dad_set, substitute, paired)


def _in_timms_order(sources: list[SourceImage]) -> list[SourceImage]:
    """Sort as timm's folder reader does, 9 before 10: the same seed then shuffles the same images to the same place."""
    return sorted(sources, key=lambda source: natural_key(str(source.path) if source.size is None else source.key))


def with_epoch(loader: Any, epoch: int) -> Any:
    """Tell everything in a loader that draws anew each epoch which one it is; return the loader."""
    inner = loader.loader if isinstance(loader, PrefetchLoader) else loader
    for part in (inner.batch_sampler, inner.sampler, inner.dataset):
        if hasattr(part, "set_epoch"):
            part.set_epoch(epoch)
    return loader


def create_val_loader(
    args: argparse.Namespace,
    data_config: dict[str, Any],
    classes: ClassList,
    runtime: Runtime,
    *,
    at_most: int | None = None,
) -> Any:
    """Return timm's evaluation loader over `--val-split`; or, read in line, over so many images or fewer from all over
    it (where only folders and tars tell beforehand what they hold)."""
    if resolve_foreign(args):
        dataset = create_foreign_dataset(args, args.val_split, args.val_num_samples)
    else:
        sources = _in_timms_order(list_sources(find_split(args.data_dir, args.val_split), classes))
        dataset = ViewDataset(sources if at_most is None else sources[:: -(-len(sources) // at_most)])
    loader = create_loader(
        dataset,
        input_size=data_config["input_size"],
        batch_size=args.validation_batch_size or args.batch_size,
        interpolation=data_config["interpolation"],
        mean=data_config["mean"],
        std=data_config["std"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        **_shared_loader_args(args, runtime) | ({} if at_most is None else {"num_workers": 0}),
    )
    return _resumable(loader, runtime, watched=False)


def _shared_loader_args(args: argparse.Namespace, runtime: Runtime) -> dict[str, Any]:
    return {
        "num_workers": args.workers,
        "distributed": runtime.distributed,
        "pin_memory": args.pin_mem,
        "device": runtime.device,
        "img_dtype": runtime.dtype,
        "use_prefetcher": not args.no_prefetcher,
    }
