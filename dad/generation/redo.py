"""Which committed shards of a DAD set are made again on demand."""

from argparse import Namespace
from collections.abc import Sequence

from dad.errors import UsageError
from dad.shards import DadWriter


def resolve_redo(args: Namespace, writer: DadWriter, shards: Sequence[int]) -> list[int]:
    """Return those of `shards` that `--redo-shards` names, or that hold unreadable images under `--retry-unreadable`.

    Raises:
        UsageError: `--redo-shards` is no list of the set's shards.
    """
    named = _parse(args.redo_shards, writer.shard_count)
    return [index for index in shards if index in named or (args.retry_unreadable and _has_unreadable(writer, index))]


def _parse(text: str, count: int) -> set[int]:
    try:
        named = {int(word) for word in text.split(",") if word}
    except ValueError:
        raise UsageError(f"--redo-shards {text}: expected numbers of shards, such as 3,17") from None
    if beyond := sorted(named - set(range(count))):
        raise UsageError(f"--redo-shards {text}: the set has the shards 0 to {count - 1}, and no {beyond[0]}")
    return named


def _has_unreadable(writer: DadWriter, index: int) -> bool:
    found = writer.glance(index)
    return found is not None and found.counts.unreadable > 0
