"""Training images with draws of their own (`--aug-seeding sample`), and the loader that serves them: to take it up
again, one number is enough."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from timm.data import create_loader
from timm.data.loader import fast_collate
from torch.utils.data import DataLoader

from dad.draws import keeping_states
from dad.errors import DataError
from dad.images.classes import ClassList
from dad.images.cutting import Cut
from dad.rng import get_random_state, set_random_state
from dad.runtime import Runtime
from dad.training.batches import CollateViews, TellingCollateMixup
from dad.training.epoch_batches import Batches, EpochBatches
from dad.training.erasing import ByteErasing
from dad.training.interrupts import held_back
from dad.training.loader_args import (
    resolve_batch_args,
    resolve_mixup_args,
    resolve_transform_args,
    resolve_views_of_epochs,
)
from dad.training.loaders import create_dataset, resolve_loader_args
from dad.training.resumable_loader import Position, Resumable, start_ignoring_signals
from dad.training.sampled_collate import Recorded, SampledCollate
from dad.training.sampled_views import SampledViews
from dad.training.train_loader import TrainLoader
from dad.training.views import Demands, ViewDataset, resolve_views
from dad.virtual_epochs import Views


class SampledLoader(Resumable):
    """The batches that are asked for; stands below timm's PrefetchLoader in a DataLoader's place."""

    def __init__(self, loader: DataLoader[Any], batches: Batches, device: torch.device):
        super().__init__(loader, device)
        self.batch_sampler = self._batches = batches
        self._loader: DataLoader[Any] = DataLoader(
            loader.dataset,
            batch_sampler=batches,
            num_workers=self.workers,
            collate_fn=self.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=partial(start_ignoring_signals, None),
            persistent_workers=self.workers > 0,
            generator=torch.Generator(),  # of seeds that nothing draws from; the training process's own stays untouched
        )

    def __len__(self) -> int:
        return len(self._batches)

    def position(self, batch: int | None) -> Position:
        """Return where this process is after it has trained on `batch` batches; None is for the end of the epoch. The
        state is for what the training process draws itself, such as dropout."""
        return Position(batch, get_random_state(self.device))

    def __iter__(self) -> Iterator[Any]:
        resume = self._resume
        self._resume = None
        if resume is not None:
            self._batches.first = resume.batch or 0
        with held_back():
            batches = iter(self._loader)
        if resume is not None:
            set_random_state(resume.now, self.device)
        return batches if self.workers else _kept_apart(batches)


def _kept_apart(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches that are loaded in line, without a trace in the training process's draws."""
    while True:
        with keeping_states():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@dataclass(frozen=True)
class SampledImages:
    """Training images whose draws are their own.

    Attributes:
        images: as they are listed, by their keys.
        demands: of the objective.
        epochs: which virtual epoch each epoch reads.
        batch_size: images a batch of one process.
        mixup_args, transform_args, loader_args: of timm's Mixup and `create_loader`.
    """

    images: ViewDataset
    demands: Demands
    epochs: Views
    batch_size: int
    mixup_args: dict[str, Any]
    transform_args: dict[str, Any]
    loader_args: dict[str, Any]

    def __len__(self) -> int:
        return len(self.images)

    def train_loader(self, runtime: Runtime, recorded: Recorded | None = None) -> TrainLoader:
        """Return the loader of a training run; `recorded` is what the teacher said of the images.

        Raises:
            DataError: there are fewer images than one batch.
        """
        batches = EpochBatches(len(self), self.epochs, self.batch_size, runtime.rank, runtime.world_size)
        if not len(batches):
            raise DataError(
                f"{len(self)} training images are fewer than one batch (--batch-size {self.batch_size} on "
                f"{runtime.world_size} processes); use a smaller --batch-size"
            )
        return self.loader(batches, runtime, recorded=recorded)

    def loader(
        self, batches: Batches, runtime: Runtime, *, recorded: Recorded | None = None, checks: bool = False
    ) -> TrainLoader:
        """Return a loader of these batches; `checks`: with the CRCs of the pixels."""
        dataset = SampledViews(self.images, self.demands.views, self.demands.paired, self.epochs.seed)
        stack = TellingCollateMixup(**self.mixup_args) if self.mixup_args else fast_collate
        views = len(self.demands.views)
        erase = self.transform_args
        erasing = None
        if erase["re_prob"] > 0:
            erasing = ByteErasing(erase["re_prob"], erase["re_mode"], erase["re_count"], erase["mean"], erase["std"])
        collate = SampledCollate(
            CollateViews(stack, views), self.epochs.seed, dataset.draw_names, erasing, checks, recorded
        )
        settings = {**self.transform_args, **self.loader_args, "re_prob": 0.0, "collate_fn": collate}
        settings["distributed"] = False  # the batches know which process they are for
        loader = create_loader(dataset, is_training=True, batch_size=self.batch_size, **settings)
        loader.loader = SampledLoader(loader.loader, batches, runtime.device)
        return TrainLoader(loader, runtime, views, batch_size=self.batch_size)


def create_sampled_images(
    args: argparse.Namespace, data_config: dict[str, Any], demands: Demands, classes: ClassList, runtime: Runtime
) -> SampledImages:
    """Return the images of `--train-split` as an objective demands them.

    Raises:
        UsageError: flags that exclude each other, or that these views exclude; a view that nothing serves.
        DataError: no data, or no DAD set of it.
    """
    views = resolve_views(args.objective, demands.views)
    epochs = resolve_views_of_epochs(args)
    resolve_batch_args(args, demands.views, runtime)  # refuses what no batch can be made of here either
    return SampledImages(
        create_dataset(args, views, demands, classes, Cut.of(data_config).longest),
        demands,
        epochs,
        args.batch_size,
        resolve_mixup_args(args, max(len(classes), 1)),
        resolve_transform_args(args, data_config, demands.paired),
        {**resolve_loader_args(args, runtime), "input_size": data_config["input_size"]},
    )
