"""What a run will write: checkpoints, a DAD set, the teacher's answers."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from dad.asking.build import bytes_per_row
from dad.asking.session import resolve_epochs
from dad.discretizers.vqgan import resolve_config
from dad.doctor.disk import Need
from dad.generation.workload import spread_over
from dad.images.cutting import Cut
from dad.images.decoding import UnreadableError, decode_rgb
from dad.images.sources import SourceImage
from dad.shards import EXTENSION_OF, encode_image
from dad.training.optim import resolve_state_size
from dad.training.run_folder import resolve_folder

_TRIED = 8  # images that are encoded to see how large a sample is
_BLOCK = 512  # of a tar: a header and a multiple of it for every file
_METADATA = 300  # bytes of a sample's JSON
_BESIDES = 200e6  # bytes beside the checkpoints: TensorBoard's events, tables
_FILES = 50  # beside what is counted


def find_checkpoint_need(args: Namespace, student: nn.Module) -> Need:
    """Return what train.py writes: its checkpoints, and one more while another takes its place."""
    weights = sum(tensor.numel() * tensor.element_size() for tensor in student.state_dict().values())
    trained = sum(4 * parameter.numel() for parameter in student.parameters() if parameter.requires_grad)
    one = weights * (2 if args.model_ema else 1) + trained * resolve_state_size(args)
    kept = min(args.checkpoint_hist, -(-resolve_epochs(args) // args.val_interval))
    count = kept + 3  # the last, if it is none of the best; the one that is written; one amid an epoch
    return Need(
        f"{count} checkpoints and logs", resolve_folder(args), int(count * one + _BESIDES), count + _FILES,
        f"--checkpoint-hist {max(args.checkpoint_hist // 4, 1)}" if args.checkpoint_hist > 1 else "",
    )  # fmt: skip


def find_dad_set_need(args: Namespace, sources: Sequence[SourceImage], cut: Cut) -> Need:
    """Return what generate.py still has to write if every image is kept: by the size of some of these images, cut and
    encoded as theirs will be."""
    files = [_METADATA]
    if "image" in args.store:
        files.append(measure_image(sources, cut, EXTENSION_OF[args.image_format], args.image_quality))
    if "codes" in args.store:
        side = cut.side // resolve_config(args.vqgan_config).downscale if args.discretizer == "vqgan" else 0
        files.append(128 + 2 * side**2)
    sample = sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in files)
    shards = -(-len(sources) // args.shard_size)
    root = Path(args.dad_dir)
    there = sum(path.stat().st_size for path in (root / "shards").glob("*.tar"))
    made = sum(1 for _ in (root / "shards").glob("*.tar"))
    remedy = "--store codes, from which dad.shards hydrate makes the images elsewhere" if "image" in args.store else ""
    return Need(
        "DAD set", root, max(sample * len(sources) - there, 0), 2 * max(shards - made, 0) + _FILES,
        remedy if "codes" in args.store else "",
    )  # fmt: skip


def measure_image(sources: Sequence[SourceImage], cut: Cut, extension: str, quality: int) -> int:
    """Return the mean bytes of some of the images, as a DAD set stores them; 0 if none of them can be read."""
    frame, sizes = cut.to_image(), []
    for place in spread_over(len(sources), _TRIED):
        try:
            image = frame(decode_rgb(sources[place].read(), cut.longest))
        except (UnreadableError, OSError):
            continue
        sizes.append(len(encode_image(np.asarray(image), extension, quality)))
    return sum(sizes) // len(sizes) if sizes else 0


def find_soft_target_need(args: Namespace, images: int, views: int, width: int) -> Need:
    """Return what `python -m dad.soft_targets build` still has to write.

    Args:
        args: the flags of build.
        images: of the training split.
        views: of an image.
        width: numbers of an answer.
    """
    root, epochs = Path(args.soft_targets), resolve_epochs(args)
    virtual = min(args.teacher_views or epochs, epochs)
    size = bytes_per_row(width, args.payload, views) * images * virtual
    there = sum(path.stat().st_size for path in (root / "shards").glob("*.bin"))
    shards = virtual * -(-images // args.shard_size)
    return Need(
        "the teacher's answers", root, max(size - there, 0), 2 * shards + _FILES,
        "--payload int8 (half of fp16), or fewer --teacher-views",
    )  # fmt: skip
