"""What training iterates over: timm's loader as batches on their device, mixed, with a place to continue from."""

from collections.abc import Iterator
from typing import Any

from timm.data.loader import PrefetchLoader

from dad.runtime import Runtime
from dad.soft_targets.payload import decode_payload
from dad.training.batches import TellingCollateMixup, TellingMixup, TrainBatch, mix_views
from dad.training.resumable_loader import Position, ResumableLoader, UnwatchedLoader


class TrainLoader:
    """`TrainBatch`es of this process, an epoch each time it is iterated over."""

    def __init__(
        self,
        loader: Any,
        runtime: Runtime,
        views: int = 1,
        early_mixup: TellingCollateMixup | None = None,
        late_mixup: TellingMixup | None = None,
        batch_size: int = 1,
    ):
        """Wrap a ResumableLoader or an UnwatchedLoader, or timm's prefetcher above one.

        Args:
            batch_size: images a batch, where the loader does not know better.
            early_mixup: what mixes while a batch is collated. late_mixup: what mixes on the device.
        """
        self.loader = loader
        self.runtime = runtime
        self.views = views
        self.early_mixup = early_mixup
        self.late_mixup = late_mixup
        self._batch_size = batch_size
        self.inner: ResumableLoader | UnwatchedLoader = loader
        if isinstance(loader, PrefetchLoader):
            self.inner = loader.loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[TrainBatch]:
        for input, labels in self.loader:
            labels = labels.to(self.runtime.device)
            batch = TrainBatch(
                input.to(self.runtime.device, self.runtime.dtype),
                labels.target,
                labels.present.float() if self.views > 1 else None,
                labels.keys,
                None if labels.recorded is None else decode_payload(labels.recorded),
                labels.checks,
            )
            if self.late_mixup is not None:
                batch = mix_views(batch, self.late_mixup)
            yield batch

    @property
    def images(self) -> int:
        """Number of images in the data set."""
        return self.inner.images

    @property
    def batch_size(self) -> float:
        """Images a batch, of this process; the average where batches are of several sizes (`--train-batch-sizes`)."""
        batches: Any = self.inner.batch_sampler
        return float(getattr(batches, "average_batch_size", None) or self._batch_size)

    @property
    def workers(self) -> int:
        """Number of worker processes."""
        return self.inner.workers

    def start_epoch(self, epoch: int) -> None:
        """Tell everything that draws anew each epoch which one comes."""
        parts: tuple[Any, ...] = (self.inner.batch_sampler, self.inner.sampler, self.inner.dataset)
        for part in parts:
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)

    def stop_mixing(self) -> None:
        """Serve images unmixed from the next epoch on (`--mixup-off-epoch`)."""
        for mixup in (self.early_mixup, self.late_mixup):
            if mixup is not None:
                mixup.mixup_enabled = False

    def state_dict(self, batch: int | None) -> dict[str, Any]:
        """Return as plain data where this process is after it has trained on `batch` batches of an epoch; None is for
        the epoch's end."""
        return self.inner.position(batch).to_plain()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next epoch begin where `state_dict` was taken."""
        self.inner.resume(Position(**state))
