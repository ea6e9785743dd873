"""The end of a process's share of a DAD set, which may be the end of the set."""

import logging
from collections.abc import Sequence

from dad.shards import DadWriter

_logger = logging.getLogger(__name__)


def finish_set(writer: DadWriter, class_names: Sequence[str]) -> None:
    """Write the manifest, and say what became of all sources, if no shard is left to other processes.

    Raises:
        DataError: a file cannot be written, or the shards do not add up to the sources.
    """
    _logger.setLevel(logging.INFO)  # whoever comes last says so, whatever its rank
    missing = writer.missing()
    if missing:
        _logger.info(
            "%s: %d of %d shards are left to other processes; the last one to end writes the manifest, or the same "
            "command without --shard-range", writer.root, len(missing), writer.shard_count,
        )  # fmt: skip
        return
    ledger = writer.finish(class_names)
    _logger.info(
        "%s: %d sources = %d kept + %d rejected by the teacher + %d unreadable",
        writer.root, ledger.sources, ledger.kept, ledger.rejected, ledger.unreadable,
    )  # fmt: skip
