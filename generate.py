#!/usr/bin/env python
"""Make a DAD set: the teacher's adversarial images, discretised by Q, of every training image the teacher still gets
right.

    python generate.py --config hparams/generate_clip_vitl14.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad

Killed or interrupted, the same command goes on where it stopped. Processes share the shards without talking to each
other: those of torchrun by their rank, those of a job array by --shard-range.
"""

import logging
import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.attacks import Attack, create_attack
from dad.discretizers import create_discretizer
from dad.environment import versions
from dad.errors import DataError, UsageError, run_script
from dad.files import Settings, write_atomically
from dad.generation.estimate import estimate_cost
from dad.generation.gallery import write_gallery
from dad.generation.generator import FittingGenerator, Generated, Generator
from dad.generation.preview import inspect, write_preview
from dad.generation.progress import Progress, log_file
from dad.generation.recheck import require_same_images
from dad.generation.recorder import ShardRecorder
from dad.images.classes import ClassList, resolve_class_list
from dad.images.reading import SourceBatch, SourceReader
from dad.images.sources import class_folders, find_split, list_sources
from dad.runtime import setup_runtime
from dad.shards import EXTENSION_OF, DadWriter
from dad.shards.lock import ShardLock
from dad.teachers import create_teacher

_logger = logging.getLogger("generate")
_DRY_RUN_BATCHES = 4


def main(argv: list[str] | None = None) -> int:
    """Generate whatever the DAD set still lacks."""
    args, args_text = parse_args(create_generate_parser(), argv)
    check_args(args)
    runtime = setup_runtime(args, communicate=False)
    split = find_split(args.data_dir, args.train_split)
    classes = resolve_class_list(args.class_map, args.class_names, class_folders(split))
    sources = list_sources(split, classes)
    teacher = create_teacher(args, classes, runtime.device)
    discretizer = create_discretizer(args, runtime.device)
    if "codes" in args.store and not discretizer.has_codes:
        raise UsageError(f"--discretizer {args.discretizer} has no codes; use --store image")
    img_size = resolve_img_size(args, teacher.data_config["input_size"][-1], discretizer.downscale)
    attack = create_attack(args)
    if args.channels_last:
        teacher.to(memory_format=torch.channels_last)
    plain = Generator(teacher.on_pixels(), discretizer, attack, runtime, args.seed, args.keep == "all")
    if args.torchcompile:
        plain.compile(args.torchcompile, args.torchcompile_mode)
    generator = FittingGenerator(plain, args.batch_size)
    reader = SourceReader(sources, img_size, args.crop_pct, args.workers, args.read_timeout)
    settings = settings_of(args, classes, teacher.settings, discretizer.settings, attack, img_size)
    _logger.info("%d source images, %d classes, %s", len(sources), len(classes), runtime.device)

    def generate(batch: SourceBatch) -> Generated:
        return generator(batch.pixels(runtime.device), batch.labels, batch.keys)

    extension = EXTENSION_OF[args.image_format] if "image" in args.store else None
    if args.dry_run:
        spread = spread_over(len(sources), args.batch_size * _DRY_RUN_BATCHES)
        batches = list(reader.batches(cut(spread, args.batch_size)))
        with ShardRecorder(None, "codes" in args.store, extension, args.image_quality) as recorder:
            estimate = estimate_cost(batches, generate, recorder)
        print(estimate.describe(len(sources), args.shard_size, runtime.world_size))
        return 0

    writer = DadWriter(Path(args.dad_dir), settings, sources, args.shard_size, versions())
    # The stride goes over all shards, not over the missing ones: processes may start at different times.
    shards = resolve_shard_range(args.shard_range, writer.shard_count)[runtime.rank :: runtime.world_size]
    log = "-".join(filter(None, [args.shard_range.replace(":", "-") or "all", runtime.rank and f"rank{runtime.rank}"]))
    with (
        log_file(writer.root / "logs" / f"{log}.log"),
        ShardLock(writer.root, shards),
        ShardRecorder(writer, "codes" in args.store, extension, args.image_quality) as recorder,
    ):
        if runtime.is_primary:
            write_atomically(writer.root / "args.yaml", args_text.encode())
            if args.preview or args.gallery:
                show_some(args, writer, generator, reader, classes)
        require_same_images(writer, reader, generate, runtime.is_primary)
        pending = writer.missing(shards)
        work = [(index, part) for index in pending for part in cut(writer.indices_of(index), args.batch_size)]
        total, todo = (sum(len(writer.indices_of(index)) for index in some) for some in (shards, pending))
        _logger.info(
            "%d shards of %d images; here %d images, of which %d are still to do",
            writer.shard_count,
            args.shard_size,
            total,
            todo,
        )
        progress = Progress(total, total - todo, runtime.is_primary)
        unreadable = 0
        for (index, part), batch in zip(work, reader.batches(part for _, part in work), strict=True):
            recorder.add_unreadable(batch.unreadable)
            unreadable += len(batch.unreadable)
            if unreadable > args.max_failed:
                key, reason = next(iter(batch.unreadable.items()))
                raise DataError(
                    f"{unreadable} sources cannot be read, e.g. {key} ({reason}); mend them, or allow more by "
                    f"--max-failed (now {args.max_failed}); what is finished stays"
                )
            if batch.sources:
                recorder.add(batch.sources, generate(batch))
            progress.update(len(part))
            if part[-1] == writer.indices_of(index)[-1]:
                progress.shard_done(recorder.commit(index))
        progress.close()
        finish(writer, classes)
    return 0


def finish(writer: DadWriter, classes: ClassList) -> None:
    """Write the manifest if nobody has to wait for other processes any more."""
    _logger.setLevel(logging.INFO)  # whoever comes last says so, whatever its rank
    missing = writer.missing()
    if missing:
        _logger.info(
            "%s: %d of %d shards are left to other processes; the last one to end writes the manifest, or the same "
            "command without --shard-range", writer.root, len(missing), writer.shard_count,
        )  # fmt: skip
        return
    ledger = writer.finish(classes.names)
    _logger.info(
        "%s: %d sources = %d kept + %d rejected by the teacher + %d unreadable",
        writer.root, ledger.sources, ledger.kept, ledger.rejected, ledger.unreadable,
    )  # fmt: skip


def show_some(
    args: Namespace, writer: DadWriter, generator: FittingGenerator, reader: SourceReader, classes: ClassList
) -> None:
    """Write preview and gallery before the long work, so that wrong colours or a wrong teacher are seen at once."""
    wanted = {writer.root / "preview.png": args.preview, writer.root / "gallery.html": args.gallery}
    for path, count in wanted.items():
        if not count or path.exists():
            continue
        batches = reader.batches([spread_over(len(reader.sources), count)])
        batch = next(iter(batches))
        if not batch.sources:
            return  # none of them can be read, which the ledger will say
        inspection = inspect(generator, batch.pixels(generator.runtime.device), batch.labels, batch.keys)
        if path.suffix == ".png":
            write_preview(path, inspection, classes.names)
        else:
            write_gallery(path, inspection, classes.names, writer.settings)
        right = inspection.logits_source.argmax(1).eq(inspection.labels).sum().item()
        _logger.info("%s: the teacher is right on %d of %d sources", path, right, len(batch.sources))


def settings_of(
    args: Namespace, classes: ClassList, teacher: Settings, discretizer: Settings, attack: Attack | None, img_size: int
) -> Settings:
    """Return everything that decides what the images will be."""
    attacks = (
        {"attack": "none"} if attack is None else {f"attack_{name}": value for name, value in vars(attack).items()}
    )
    names = ["keep", "crop_pct", "store", "seed", *(["image_format", "image_quality"] if "image" in args.store else [])]
    return {
        "class_list": classes.digest,
        **teacher,
        **discretizer,
        **attacks,
        **{name: getattr(args, name) for name in names},
        "img_size": img_size,
        "amp": args.amp_dtype if args.amp else "off",
    }


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


def resolve_img_size(args: Namespace, of_teacher: int, multiple: int) -> int:
    """Return the side of the images: the teacher's, which has to suit the discretiser."""
    img_size = args.img_size or of_teacher
    if img_size != of_teacher:
        raise UsageError(f"--img-size {img_size}, but the teacher was made for {of_teacher} px")
    if img_size % multiple:
        raise UsageError(f"--img-size {img_size} is not a multiple of {multiple}, the side of a code")
    return img_size


def check_args(args: Namespace) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    for name in ("data_dir", "dad_dir", "teacher"):
        if not getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} is needed; see generate.py --help")
    for name, least in (
        ("shard_size", 1), ("batch_size", 1), ("workers", 0), ("preview", 0), ("gallery", 0), ("max_failed", 0),
        ("attack_eps", 0), ("attack_steps", 0),
    ):  # fmt: skip
        if getattr(args, name) < least:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name):g}: it must be at least {least}")
    if not 0 <= args.random_start_prob <= 1 or not 0 < args.crop_pct <= 1:
        raise UsageError("--random-start-prob must lie in [0, 1], --crop-pct above 0 and at most 1")
    if not 1 <= args.image_quality <= 100 or args.read_timeout <= 0:
        raise UsageError("--image-quality must lie in 1 to 100, --read-timeout above 0")
    if not re.fullmatch(r"(\d*:\d*)?", args.shard_range):
        raise UsageError(f"--shard-range {args.shard_range}: expected A:B, the shards from A up to but not including B")


if __name__ == "__main__":
    sys.exit(run_script(main))
