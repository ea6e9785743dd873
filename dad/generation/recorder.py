"""From generated batches to a shard's samples, in a thread: pictures are encoded while the device makes the next
batch."""

import logging
import math
import os
from argparse import Namespace
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from dad.errors import DataError
from dad.generation.finite import describe_failure
from dad.generation.generator import Generated
from dad.images.sources import SourceImage
from dad.pixels import to_uint8
from dad.shards import EXTENSION_OF, DadWriter, Sample, encode_codes, encode_image
from dad.shards.marker import Fate, Ledger, Metadata

_logger = logging.getLogger(__name__)
_ENCODERS = max(1, min(4, (os.cpu_count() or 1) // 2))  # threads; Pillow lets go of the interpreter while it encodes
_IN_FLIGHT = 2  # batches that wait for encoding; more would pile up tensors on the device


@dataclass
class Fates:
    """What became of some sources: samples to store, and the others as `Marker` describes them."""

    samples: list[Sample] = field(default_factory=list)
    rejected: dict[str, Fate] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def stored_bytes(self) -> int:
        """Size of all payloads."""
        return sum(len(content) for sample in self.samples for content in sample.payloads.values())


class ShardRecorder:
    """Collects the batches of one shard after the other and commits them.

    Only encoding overlaps with the device's work. A shard is committed before the next one begins, so that a kill costs
    at most the shard in work.
    """

    def __init__(
        self,
        writer: DadWriter | None,
        codes: bool,
        image_extension: str | None,
        quality: int,
        max_failed: int | None = None,
    ):
        """Begin with the first shard.

        Args:
            writer: without one, there is only `encode`.
            codes: whether VQ codes are stored.
            image_extension: one of `IMAGE_EXTENSIONS`, or None to store no images.
            quality: of jpeg, 1 to 100.
            max_failed: how many sources may be unreadable; None: all.
        """
        self.writer = writer
        self.codes = codes
        self.image_extension = image_extension
        self.quality = quality
        self.max_failed = max_failed
        self.failed = 0
        self._done: list[Fates] = []
        self._pool = ThreadPoolExecutor(1, "encode")
        self._encoders = ThreadPoolExecutor(_ENCODERS, "picture")
        self._waiting: deque[Future[Fates]] = deque()

    def __enter__(self) -> "ShardRecorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._encoders.shutdown(cancel_futures=True)

    def add(self, sources: list[SourceImage], generated: Generated) -> None:
        """Take a batch of the current shard; returns while it is still being encoded."""
        self._wait_for_all_but(_IN_FLIGHT - 1)
        self._waiting.append(self._pool.submit(self.encode, sources, generated))

    def add_unreadable(self, unreadable: dict[str, str]) -> None:
        """Take sources of the current shard that could not be read, with reasons.

        Raises:
            DataError: together with those before, they are more than there may be.
        """
        self._done.append(Fates(unreadable=unreadable))
        self.failed += len(unreadable)
        if self.max_failed is not None and self.failed > self.max_failed:
            key, reason = next(iter(unreadable.items()))
            raise DataError(
                f"{self.failed} sources cannot be read, e.g. {key} ({reason}); mend them, or allow more by "
                f"--max-failed (now {self.max_failed}); what is finished stays"
            )

    def commit(self, index: int) -> Ledger:
        """Write what was added as shard `index`, and begin the next one; return what became of its sources."""
        assert self.writer is not None
        self._wait_for_all_but(0)
        done = self._done
        self._done = []
        samples = [sample for fates in done for sample in fates.samples]
        rejected = {key: seen for fates in done for key, seen in fates.rejected.items()}
        unreadable = {key: reason for fates in done for key, reason in fates.unreadable.items()}
        self.writer.commit(index, samples, rejected, unreadable)
        total = len(samples) + len(rejected) + len(unreadable)
        return Ledger(total, len(samples), len(rejected), len(unreadable))

    def _wait_for_all_but(self, count: int) -> None:
        while len(self._waiting) > count:
            self._done.append(self._waiting.popleft().result())

    def encode(self, sources: list[SourceImage], generated: Generated) -> Fates:
        """Return the files and words to store of a batch."""
        fates = Fates()
        kept = generated.keep.tolist()
        metadata = describe(sources, generated)
        images = to_uint8(generated.adversarial).permute(0, 2, 3, 1).cpu().numpy()
        codes = None if generated.codes is None else generated.codes.cpu().numpy()
        predicted = generated.logits_after.argmax(1).tolist()
        failed = generated.failed.tolist()
        stored = [row for row in range(len(sources)) if kept[row] and not failed[row]]
        columns = [(images[row], None if codes is None else codes[row]) for row in stored]
        payloads = dict(zip(stored, self._encoders.map(lambda one: self._payloads(*one), columns), strict=True))
        for row, source in enumerate(sources):
            if failed[row]:
                reason = describe_failure(failed[row])
                _logger.warning("%s: %s; rejected", source, reason)
                fates.rejected[source.key] = {"reason": reason}
            elif kept[row]:
                fates.samples.append(Sample(source.key, source.label, payloads[row], metadata[row]))
            else:
                fates.rejected[source.key] = {**metadata[row], "predicted": predicted[row]}
        return fates

    def _payloads(self, image: NDArray[np.uint8], codes: NDArray[np.int64] | None) -> dict[str, bytes]:
        stored = {}
        if self.codes and codes is not None:
            stored["npy"] = encode_codes(codes)
        if self.image_extension is not None:
            stored[self.image_extension] = encode_image(image, self.image_extension, self.quality)
        return stored


def create_recorder(args: Namespace, writer: DadWriter | None) -> ShardRecorder:
    """Build the recorder from the flags that say what is stored."""
    extension = EXTENSION_OF[args.image_format] if "image" in args.store else None
    return ShardRecorder(writer, "codes" in args.store, extension, args.image_quality, args.max_failed)


def describe(sources: list[SourceImage], generated: Generated) -> list[Metadata]:
    """Return for each image the teacher's probability of its label on Q(x) (left out where it is not known) and on
    Q(x'), and the share of codes that the attack changed (left out without a codebook). Where the teacher's own first
    choice stands in for the label, that is its `teacher_class`."""
    rows = range(len(sources))
    labels = [source.label for source in sources] if generated.labels is None else generated.labels.tolist()
    before, after = (
        logits.softmax(1).cpu()[list(rows), labels].tolist()
        for logits in (generated.logits_before, generated.logits_after)
    )
    described: list[Metadata] = [
        ({} if math.isnan(before[row]) else {"probability_before": before[row]}) | {"probability_after": after[row]}
        for row in rows
    ]
    if generated.labels is not None:
        for about, label in zip(described, labels, strict=True):
            about["teacher_class"] = label
    if generated.codes is not None:
        for about, changed in zip(described, generated.codes_changed.tolist(), strict=True):
            about["codes_changed"] = changed
    return described
