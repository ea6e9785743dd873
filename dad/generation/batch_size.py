"""`--batch-size auto`: the largest power of two that the device's memory holds, found by trying."""

import logging
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch

from dad.args import create_generate_parser
from dad.args.checks import AUTO
from dad.args.sizing import with_values
from dad.generation.fitting import FittingGenerator
from dad.generation.generator import Generator
from dad.generation.rerun import stored_flags

_logger = logging.getLogger(__name__)
_MOST = 256  # images; more of them make no card faster
_WITHOUT_CARD = 8  # a CPU's time an image hardly depends on it, its memory does
_SHARE = 0.9  # of the memory; the rest is for what waits to be encoded, and for what memory loses between its blocks


def resolve_batch_size(
    args: Namespace, args_text: str, generator: FittingGenerator, side: int
) -> tuple[Namespace, str]:
    """Return the flags, and their YAML, with a number, and give it to the generator; a set that is there keeps its own,
    since other batches would round otherwise.

    Args:
        side: of the images, in pixels.

    Raises:
        DataError: the file that says with what a set was begun is damaged.
        torch.OutOfMemoryError: not even a single image fits.
    """
    if args.batch_size != AUTO:
        return args, args_text
    device = generator.runtime.device
    begun = stored_flags(Path(args.dad_dir) / "args.yaml", create_generate_parser()).get("batch_size")
    if isinstance(begun, int):
        size, reason = begun, f"as the set in {args.dad_dir} was begun"
    elif device.type == "cuda":
        size = largest_batch(lambda count: peak_bytes(generator.generator, count, side), memory_limit(device))
        reason = f"the largest power of two, up to {_MOST}, that fits into {_SHARE:.0%} of the free memory of {device}"
    else:
        size, reason = _WITHOUT_CARD, f"the number for a {device.type}"
    _logger.info("took --batch-size %d: %s", size, reason)
    generator.resize(size)
    return with_values(args, args_text, {"batch_size": size})


def largest_batch(peak_of: Callable[[int], int], limit: int, most: int = _MOST) -> int:
    """Return the largest power of two, up to `most`, of images that take no more than `limit` bytes.

    Args:
        peak_of: makes a batch of so many images, and returns the most bytes that were held.

    Raises:
        torch.OutOfMemoryError: not even a single image fits.
    """
    size, peak = 1, peak_of(1)
    growth = 0
    while 2 * size <= most and peak + 2 * growth <= limit:  # what is added doubles with the size
        try:
            larger = peak_of(2 * size)
        except torch.OutOfMemoryError:
            break
        if larger > limit:
            break
        size, growth, peak = 2 * size, larger - peak, larger
    return size


def peak_bytes(generator: Generator, count: int, side: int) -> int:
    """Make a batch of noise, without compiling anything for its size, and return the most bytes that PyTorch held: the
    second time, since cuDNN holds more while it looks for the fastest way."""
    device = generator.runtime.device
    pixels = torch.rand(count, 3, side, side, device=device)
    labels, keys = torch.zeros(count, dtype=torch.int64), [str(number) for number in range(count)]
    try:
        with torch.compiler.set_stance("force_eager"):
            for _ in range(2):
                torch.cuda.reset_peak_memory_stats(device)
                generator(pixels, labels, keys)
        return torch.cuda.max_memory_allocated(device)
    finally:
        torch.cuda.empty_cache()


def memory_limit(device: torch.device) -> int:
    """Return the bytes that this process may hold on a card, of which others may have a part."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(_SHARE * (free + torch.cuda.memory_reserved(device)))
