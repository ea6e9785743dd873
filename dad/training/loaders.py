"""Training and validation data from flags: folders and DAD set in, timm's loaders out."""

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from timm.data import AugMixDataset, create_loader
from timm.data.loader import PrefetchLoader, fast_collate
from timm.utils.misc import natural_key
from torch.utils.data import IterableDataset, default_collate

from dad.errors import DataError, UsageError
from dad.images.classes import NO_CLASSES, ClassList, resolve_class_list
from dad.images.cutting import Cut
from dad.images.source_list import SourceList
from dad.images.sources import SourceImage, class_folders, find_split, list_sources
from dad.images.timm_datasets import create_timm_dataset, resolve_numbered_classes, resolve_timm_dataset
from dad.runtime import Runtime
from dad.shards import DadSet
from dad.shards.held import hold
from dad.shards.reader import read_manifest
from dad.training.batches import CollateLabels, CollateViews, TellingCollateMixup, TellingMixup
from dad.training.interrupts import held_back
from dad.training.loader_args import resolve_batch_args, resolve_mixup_args, resolve_transform_args
from dad.training.resumable_loader import ResumableLoader, UnwatchedLoader
from dad.training.train_loader import TrainLoader
from dad.training.views import DadImages, Demands, View, ViewDataset, resolve_views

_logger = logging.getLogger(__name__)
_CORRECT = "teacher-correct"  # generate.py --keep


def open_dad_set(dad_dir: str | None, classes: ClassList) -> DadSet:
    """Open the DAD set that an objective asks for; without classes here, those that it was made with are nobody's
    business.

    Raises:
        UsageError: no `--dad-dir`. DataError: the set is unfinished, damaged, empty, without images or of other
            classes.
    """
    if not dad_dir:
        raise UsageError("--dad-dir is needed by this objective: the DAD set that generate.py made")
    dad_set = DadSet.open(Path(dad_dir), classes.digest if classes else None)
    if not len(dad_set):
        raise DataError(f"--dad-dir {dad_dir}: the teacher kept none of its images; was it the right teacher?")
    if dad_set.image_extension is None:
        raise DataError(
            f"--dad-dir {dad_dir} holds codes alone; training reads images: generate with --store codes,image"
        )
    return dad_set


def warn_of_unlike_set(
    dad_dir: str, teacher: Mapping[str, Any] | None, img_size: int, labels_dad: bool = False
) -> None:  # fmt: skip
    """Warn if a DAD set was made with another teacher than the one that now judges its images, for students of another
    size, or, where labels are taken for its images, with images on which the teacher may be wrong.

    Args:
        teacher: its settings; None: nobody judges.
        img_size: of the student, in pixels.
    """
    made_with = read_manifest(Path(dad_dir))["settings"]
    side = made_with.get("img_size", img_size)
    if side != img_size:
        _logger.warning("--dad-dir %s has images of %s px, which are scaled to %d", dad_dir, side, img_size)
    if labels_dad and (made_with.get("keep", _CORRECT) != _CORRECT or "labels" in made_with):
        _logger.warning(
            "--dad-dir %s also holds images on which its teacher is wrong (keep: %s), but this objective takes their "
            "sources' labels for them", dad_dir, made_with.get("keep"),
        )  # fmt: skip
    if teacher is not None and made_with.get("teacher_weights") != teacher["teacher_weights"]:
        _logger.warning(
            "--dad-dir %s was made with the teacher %s (weights %s), but --teacher is %s (weights %s): its images are "
            "adversarial for the former, and the latter may be wrong on them",
            dad_dir, made_with.get("teacher", "unknown"), made_with.get("teacher_weights", "unknown"),
            teacher["teacher"], teacher["teacher_weights"],
        )  # fmt: skip


def resolve_classes(args: argparse.Namespace) -> ClassList:
    """Return the class list of the training data; of images without labels, none."""
    if args.unlabelled:
        return NO_CLASSES
    if resolve_timm_dataset(args):
        return resolve_numbered_classes(args)
    folders = class_folders(find_split(args.data_dir, args.train_split))
    return resolve_class_list(args.class_map, args.class_names, folders)


def create_train_loader(
    args: argparse.Namespace,
    data_config: dict[str, Any],
    demands: Demands,
    classes: ClassList,
    runtime: Runtime,
) -> TrainLoader:
    """Return the training loader over `--train-split`, timm's underneath, with what an objective demands, and draws as
    timm has them (`--aug-seeding worker`).

    Raises:
        UsageError: flags that exclude each other, or that these views exclude; a view that nothing serves.
        DataError: no data, or less than a batch.
    """
    views = resolve_views(args.objective, demands.views)
    transform_args = resolve_transform_args(args, data_config, demands.paired)
    batch_args = resolve_batch_args(args, demands.views, runtime)
    mixup_args = resolve_mixup_args(args, max(len(classes), 1))
    dataset = create_dataset(args, views, demands, classes, Cut.of(data_config).longest)
    sized = not isinstance(dataset, IterableDataset) and not args.train_img_sizes
    if sized and len(dataset) < args.batch_size * runtime.world_size:
        raise DataError(
            f"{len(dataset)} training images are fewer than one batch (--batch-size {args.batch_size} on "
            f"{runtime.world_size} processes); use a smaller --batch-size"
        )
    if batch_args["num_aug_splits"]:
        dataset = AugMixDataset(dataset, num_splits=batch_args["num_aug_splits"])
    stack = _stack(args)
    early = late = None
    if mixup_args and not args.no_prefetcher:  # as timm does it: mixed while collated, and erased thereafter
        stack = early = TellingCollateMixup(**mixup_args)
    elif mixup_args:
        late = TellingMixup(**mixup_args)
    settings = {**transform_args, **batch_args, **resolve_loader_args(args, runtime)}
    settings |= {"input_size": data_config["input_size"], "batch_size": args.batch_size}
    collate = CollateViews(stack, len(views))
    try:
        with held_back():  # the workers of --use-multi-epochs-loader start here
            loader = create_loader(dataset, is_training=True, collate_fn=collate, **settings)
    except (ValueError, TypeError) as error:  # timm checks the several sizes
        if not args.train_img_sizes:
            raise
        raise UsageError(f"--train-img-sizes {args.train_img_sizes}: {error}") from error
    watched = not args.use_multi_epochs_loader and not isinstance(dataset, IterableDataset)
    return TrainLoader(_resumable(loader, runtime, watched), runtime, len(views), early, late, args.batch_size)


def _resumable(loader: Any, runtime: Runtime, watched: bool) -> Any:
    ahead = isinstance(loader, PrefetchLoader)
    inner = loader.loader if ahead else loader
    below: Any = UnwatchedLoader(inner, runtime.device)
    if watched:
        below = ResumableLoader(inner, runtime.device, ahead)
    if not ahead:
        return below
    loader.loader = below
    return loader


def create_dataset(
    args: argparse.Namespace, views: Sequence[View], demands: Demands, classes: ClassList, longest: float
) -> Any:
    """Return the training images: a `ViewDataset`, or timm's data set where `--dataset` asks for one."""
    if resolve_timm_dataset(args):
        if len(views) > 1:
            raise UsageError(
                f"--dataset {args.dataset}: --objective {args.objective} pairs images with a DAD set by their names, "
                "which only folders and tars have"
            )
        return create_timm_dataset(args, args.train_split, args.train_num_samples, is_training=True)
    listed = list_sources(find_split(args.data_dir, args.train_split), classes)
    sources = SourceList.pack(listed) if args.aug_seeding == "sample" else _in_timms_order(listed)
    dad_images = None
    if any(view.needs_dad_set for view in views):
        own_alone = demands.needs_partner or demands.paired
        substitute = args.dad_missing == "substitute" and not own_alone
        dad_set = open_dad_set(args.dad_dir, classes)
        if args.dad_cache == "ram":
            assert dad_set.image_extension is not None
            dad_set = hold(dad_set, dad_set.image_extension, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        dad_images = DadImages(dad_set, sources, substitute)
    elif args.dad_cache != "none":
        raise UsageError(f"--dad-cache {args.dad_cache}: --objective {args.objective} reads no DAD images")
    return ViewDataset(sources, views, dad_images, demands.paired, args.max_failed, longest)


def _stack(args: argparse.Namespace) -> Any:
    """Return what makes a batch of single images: timm's prefetcher takes bytes, without it they are normalised."""
    return default_collate if args.no_prefetcher else fast_collate


def _in_timms_order(sources: list[SourceImage]) -> SourceList:
    """Sort as timm's folder reader does, 9 before 10: the same seed then shuffles the same images to the same place."""

    def rank(place: int) -> Any:
        source = sources[place]
        return natural_key(str(source.path) if source.size is None else source.key)

    return SourceList.pack(sources).reordered(sorted(range(len(sources)), key=rank))


def create_val_loader(
    args: argparse.Namespace,
    data_config: dict[str, Any],
    classes: ClassList,
    runtime: Runtime,
    *,
    at_most: int | None = None,
) -> Any:
    """Return timm's evaluation loader over `--val-split`; None if that is empty, for training without validation.

    Args:
        at_most: read, in line, over so many images or fewer from all over the split (where only folders and tars tell
            beforehand what they hold).
    """
    if not args.val_split:
        return None
    collate = None
    if resolve_timm_dataset(args):
        dataset = create_timm_dataset(args, args.val_split, args.val_num_samples)
    else:
        sources = _in_timms_order(list_sources(find_split(args.data_dir, args.val_split), classes))
        if at_most is not None:
            sources = sources[:: -(-len(sources) // at_most)]
        dataset = ViewDataset(sources, longest=Cut.of(data_config).longest)
        collate = CollateLabels(_stack(args))
    settings = resolve_loader_args(args, runtime)
    if at_most is not None:
        settings["num_workers"] = 0
    loader = create_loader(
        dataset,
        input_size=data_config["input_size"],
        batch_size=args.validation_batch_size or args.batch_size,
        interpolation=data_config["interpolation"],
        mean=data_config["mean"],
        std=data_config["std"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        collate_fn=collate,
        **settings,
    )
    return _resumable(loader, runtime, watched=False)


def resolve_loader_args(args: argparse.Namespace, runtime: Runtime) -> dict[str, Any]:
    """Return the arguments of timm's `create_loader` that training and validation share."""
    return {
        "num_workers": args.workers,
        "distributed": runtime.distributed,
        "pin_memory": args.pin_mem,
        "device": runtime.device,
        "img_dtype": runtime.dtype,
        "use_prefetcher": not args.no_prefetcher,
    }
