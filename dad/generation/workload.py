"""Which shards a process makes, and the batches that they are cut into."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from dad.shards import DadWriter

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """A batch of one shard: positions in the listing, and whether the shard ends with them."""

    shard: int
    indices: Sequence[int]
    is_last: bool


@dataclass(frozen=True)
class Workload:
    """What a process has to do: `images` in all its shards, and the parts of those that are not committed yet."""

    images: int
    parts: Sequence[Part]

    @property
    def to_do(self) -> int:
        """Images that are still to be made."""
        return sum(len(part.indices) for part in self.parts)


def plan_workload(writer: DadWriter, shards: Sequence[int], batch_size: int) -> Workload:
    """Return the work that `shards` of a set still need, shard after shard."""
    parts = [
        Part(shard, indices, is_last=indices[-1] == writer.indices_of(shard)[-1])
        for shard in writer.missing(shards)
        for indices in cut(writer.indices_of(shard), batch_size)
    ]
    return Workload(sum(len(writer.indices_of(shard)) for shard in shards), parts)


def cut(indices: Sequence[int], size: int) -> list[Sequence[int]]:
    """Cut indices into batches. Batches never span shards: their make-up would then depend on what was done before,
    and with it the last bits of the result."""
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def spread_over(total: int, count: int) -> range:
    """Return up to `count` indices below `total`, evenly spread."""
    return range(0, total, max(1, -(-total // count)))


def resolve_shard_range(text: str, count: int) -> range:
    """Return the shards that `--shard-range A:B` means, of `count`; ends may be left out, and B may lie beyond."""
    first, _, last = text.partition(":")
    chosen = range(count)[int(first or 0) : int(last or count)]
    if not chosen:
        _logger.warning("--shard-range %s: the set has %d shards, so there is nothing to do", text, count)
    return chosen
