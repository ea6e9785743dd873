"""What `--size-to-data` leaves open of a DAD set's making, decided once for a set: by its sources, or by what the set
was begun with."""

import argparse
import logging
from pathlib import Path

from dad.args import create_generate_parser
from dad.args.sizing import describe, open_names, sizes_for_generation, with_sizes
from dad.files import read_json
from dad.generation.rerun import stored_flags
from dad.shards.manifest import SETTINGS

_logger = logging.getLogger(__name__)


def resolve_sizes(args: argparse.Namespace, args_text: str, images: int) -> tuple[argparse.Namespace, str]:
    """Return the flags, and their YAML, with nothing left open; a set that is there keeps its sizes, since other
    batches would round otherwise and other shards hold other images.

    Raises:
        DataError: the files that say what a set was begun with are damaged.
    """
    if not open_names(args):
        return args, args_text
    root = Path(args.dad_dir)
    sizes, reason = sizes_for_generation(images), f"for {images:,} source images"
    if (root / SETTINGS).is_file():
        stored = stored_flags(root / "args.yaml", create_generate_parser())
        kept = {"shard_size": read_json(root / SETTINGS)["shard_size"], "batch_size": stored.get("batch_size")}
        sizes |= {name: int(value) for name, value in kept.items() if value}
        reason = f"as the set in {root} was begun"
    taken = {name: sizes[name] for name in open_names(args)}
    _logger.info("took %s, %s (--size-to-data); any of these flags says otherwise", describe(taken), reason)
    return with_sizes(args, args_text, sizes)
