#!/usr/bin/env python
"""Make a DAD set: the teacher's adversarial images, discretised by Q, of every training image the teacher still gets
right; with --unlabelled, of every image of which it still says the same.

    python generate.py --config hparams/generate_clip_vitl14.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad

Killed or interrupted, the same command goes on where it stopped. Processes share the shards without talking to each
other: those of torchrun by their rank, those of a job array by --shard-range.
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import logging
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from dad.args import create_generate_parser
from dad.args.generate import require_generation
from dad.args.hparams import parse_args
from dad.attacks import create_attack
from dad.discretizers import create_discretizer
from dad.doctor.at_start import require_card, warn_of_space
from dad.doctor.writes import find_dad_set_need
from dad.environment import versions
from dad.errors import UsageError, run_script
from dad.files import write_atomically
from dad.generation.batch_size import resolve_batch_size
from dad.generation.estimate import estimate_cost
from dad.generation.extension import resolve_listing
from dad.generation.finish import finish_set
from dad.generation.first_look import write_first_look
from dad.generation.fitting import create_generator
from dad.generation.places import to_keep
from dad.generation.precision import resolve_attack_precision
from dad.generation.progress import ProgressBar, log_file, log_name
from dad.generation.recheck import require_same_images
from dad.generation.recorder import create_recorder
from dad.generation.redo import resolve_redo
from dad.generation.settings import resolve_img_size, resolve_settings
from dad.generation.sizing import resolve_sizes
from dad.generation.tuning import tune_attack
from dad.generation.workload import plan_workload, resolve_shard_range
from dad.images.classes import resolve_class_list, resolve_vocabulary
from dad.images.cutting import Cut
from dad.images.reading import SourceReader
from dad.images.sources import class_folders, find_split, list_sources, list_unlabelled
from dad.runtime import setup_runtime
from dad.shards import DadWriter
from dad.shards.lock import ShardLock
from dad.teachers import create_teacher

_logger = logging.getLogger("generate")


def main(argv: list[str] | None = None) -> int:
    """Generate whatever the DAD set still lacks."""
    args, args_text, split = resolve_args(argv)
    runtime = setup_runtime(args, communicate=False)
    require_card(runtime)

    # What it is made of: the sources, Q and the teacher, whose size the images have.
    if args.unlabelled:
        classes, sources = resolve_vocabulary(args.class_map, args.class_names), list_unlabelled(split)
    else:
        classes = resolve_class_list(args.class_map, args.class_names, class_folders(split))
        sources = list_sources(split, classes)
    args, args_text = resolve_sizes(args, args_text, len(sources))
    args, args_text = resolve_attack_precision(args, args_text)
    listed = resolve_listing(args, split, sources)
    discretizer = create_discretizer(args, runtime.device)
    if "codes" in args.store and not discretizer.has_codes:
        raise UsageError(f"--discretizer {args.discretizer} has no codes; use --store image")
    teacher = create_teacher(args, classes, runtime.device)
    img_size = resolve_img_size(args, teacher.data_config["input_size"][-1], discretizer.downscale)
    if args.channels_last:
        teacher.to(memory_format=torch.channels_last)
    attack = create_attack(args)
    generator = create_generator(args, teacher.on_pixels(), discretizer, attack, runtime, teacher.twins)
    args, args_text = resolve_batch_size(args, args_text, generator, img_size)
    cut = replace(Cut.of(teacher.data_config, args.crop_pct), side=img_size)
    reader = SourceReader(listed.sources, cut, args.workers, args.read_timeout)
    settings = resolve_settings(args, classes, teacher.settings, discretizer.settings, attack, cut)
    kind = "classes that the teacher chooses from" if args.unlabelled else "classes"
    _logger.info("%d source images, %d %s, %s", len(listed.sources), len(classes), kind, runtime.device)

    if args.tune_attack:
        if runtime.is_primary:
            print(tune_attack(generator, reader, args.batch_size, report_tuning).describe())
        return 0
    if args.dry_run:
        with create_recorder(args, writer=None) as recorder:
            estimate = estimate_cost(reader, args.batch_size, generator.make, recorder, runtime.device)
        shards_of_all = listed.shards(args.shard_size)
        print(estimate.describe(len(listed.sources), shards_of_all, runtime.world_size, listed.new))
        if teacher.cost:
            print(teacher.cost)
        return 0

    warn_of_space(runtime, find_dad_set_need(args, listed.sources, cut))

    # Where earlier runs stopped: what they committed is known from the folder alone.
    writer = DadWriter(
        Path(args.dad_dir), settings, listed.sources, args.shard_size, versions(), listed.segments
    )  # fmt: skip
    # The stride goes over all shards, not over the missing ones: processes may start at different times.
    shards = resolve_shard_range(args.shard_range, writer.shard_count)[runtime.rank :: runtime.world_size]
    with (
        log_file(writer.root / "logs" / log_name(args.shard_range, runtime.rank)),
        ShardLock(writer.root, shards),
        create_recorder(args, writer) as recorder,
    ):
        if runtime.is_primary:
            write_atomically(writer.root / "args.yaml", to_keep(args_text).encode())
            write_first_look(
                writer.root, writer.settings, generator, reader, classes.names, args.preview, args.gallery,
                args.min_teacher_right,
            )  # fmt: skip
        writer.make_again(resolve_redo(args, writer, shards))
        require_same_images(writer, reader, generator.make, runtime.is_primary)
        workload = plan_workload(writer, shards, args.batch_size)
        _logger.info(
            "%d shards of %d images; here %d images, of which %d are still to do",
            writer.shard_count, args.shard_size, workload.images, workload.to_do,
        )  # fmt: skip

        progress = ProgressBar(workload.images, workload.images - workload.to_do, runtime.is_primary)
        batches = reader.batches(part.indices for part in workload.parts)
        for part, batch in zip(workload.parts, batches, strict=True):
            recorder.add_unreadable(batch.unreadable)
            if batch.sources:
                recorder.add(batch.sources, generator.make(batch))
            progress.update(len(part.indices))
            if part.is_last:
                progress.shard_done(recorder.commit(part.shard))
        progress.close()
        finish_set(writer, classes.names)
    return 0


def resolve_args(argv: Sequence[str] | None) -> tuple[Namespace, str, Path]:
    """Return the flags, their YAML and the folder of the sources; refuse all that can be refused before anything is
    loaded."""
    args, args_text = parse_args(create_generate_parser(), argv)
    require_generation(args)
    return args, args_text, find_split(args.data_dir, args.train_split)


def report_tuning(done: int, total: int) -> None:
    """Say how far the ladder is."""
    _logger.info("tune: [%d/%d]", done, total)


if __name__ == "__main__":
    sys.exit(run_script(main))
