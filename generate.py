#!/usr/bin/env python
"""Make a DAD set: the teacher's adversarial images, discretised by Q, of every training image the teacher still gets
right.

    python generate.py --config hparams/generate_clip_vitl14.yaml --data-dir /data/imagenet --dad-dir /data/imagenet-dad

Killed or interrupted, the same command goes on where it stopped; under torchrun, processes share the shards.
"""

import logging
import sys
import time
from argparse import Namespace
from pathlib import Path

import torch
from numpy.typing import NDArray

from dad.args import create_generate_parser
from dad.args.hparams import parse_args
from dad.attacks import NORMS, Attack
from dad.classes import resolve_class_list
from dad.discretizers import create_discretizer
from dad.errors import UsageError, run_script
from dad.generation import Generated, Generator, SourceBatch, SourceDataset, load_shard
from dad.pixels import to_uint8
from dad.preview import write_preview
from dad.runtime import setup_runtime
from dad.shards import DadWriter, Sample, encode_codes, encode_image
from dad.sources import class_folders, list_sources
from dad.teachers import create_teacher

_logger = logging.getLogger("generate")


def main(argv: list[str] | None = None) -> int:
    """Generate whatever the DAD set still lacks."""
    args, _ = parse_args(create_generate_parser(), argv)
    check_args(args)
    runtime = setup_runtime(args)
    split = Path(args.data_dir) / args.train_split
    classes = resolve_class_list(args.class_map, args.class_names, class_folders(split))
    sources = list_sources(split, classes)
    teacher = create_teacher(args, classes, runtime.device)
    discretizer = create_discretizer(args, runtime.device)
    attack = create_attack(args)
    if args.attack_steps == 0 and not args.random_start_prob:
        _logger.warning("no steps and no random start: the images are Q(x), samples without gradient (Table 11)")
    img_size = args.img_size or teacher.data_config["input_size"][-1]
    if img_size != teacher.data_config["input_size"][-1]:
        raise UsageError(
            f"--img-size {img_size}, but the teacher was made for {teacher.data_config['input_size'][-1]} px"
        )
    if img_size % discretizer.downscale:
        raise UsageError(f"--img-size {img_size} is not a multiple of {discretizer.downscale}, the side of a code")
    settings = {
        "class_list": classes.digest,
        **teacher.settings,
        **discretizer.settings,
        **{f"attack_{name}": value for name, value in vars(attack).items()},
        **{
            name: getattr(args, name) for name in ("keep", "crop_pct", "store", "image_format", "image_quality", "seed")
        },
        "img_size": img_size,
        "amp": args.amp_dtype if args.amp else "off",
    }
    writer = DadWriter(Path(args.dad_dir), settings, sources, args.shard_size)
    generator = Generator(teacher.on_pixels(), discretizer, attack, runtime, args.seed, args.keep == "all")
    dataset = SourceDataset(sources, img_size, args.crop_pct)

    preview = writer.root / "preview.png"
    if runtime.is_primary and args.preview and not preview.exists():
        spread = range(0, len(sources), -(-len(sources) // args.preview))
        write_preview(preview, generator, next(load_shard(dataset, spread, args.preview, 0)), classes)
        _logger.info("preview: %s", preview)

    pending = writer.pending(runtime.rank, runtime.world_size)
    todo = sum(len(writer.sources_of(index)) for index in pending)
    _logger.info("%d images in %d shards, %d images still to do here", len(sources), writer.shard_count, todo)
    done, kept, start = 0, 0, time.perf_counter()
    for index in pending:
        samples, rejected, unreadable = [], {}, {}
        first = index * args.shard_size
        for batch in load_shard(
            dataset, range(first, first + len(writer.sources_of(index))), args.batch_size, args.workers
        ):
            unreadable |= batch.unreadable
            if batch.sources:
                generated = generator(batch.pixels, labels_of(batch), [source.key for source in batch.sources])
                sort_out(batch, generated, args, samples, rejected)
        writer.commit(index, samples, rejected, unreadable)
        done, kept = done + len(writer.sources_of(index)), kept + len(samples)
        speed = done / (time.perf_counter() - start)
        _logger.info(
            "Generate: [%d/%d (%3.0f%%)]  kept %.1f%%  %.1f img/s  ETA %.0f s",
            done, todo, 100 * done / todo, 100 * kept / done, speed, (todo - done) / speed,
        )  # fmt: skip

    runtime.barrier()
    if runtime.is_primary:
        ledger = writer.finish()
        _logger.info(
            "%s: %d sources = %d kept + %d rejected by the teacher + %d unreadable",
            writer.root, ledger.sources, ledger.kept, ledger.rejected, ledger.unreadable,
        )  # fmt: skip
    runtime.close()
    return 0


def check_args(args: Namespace) -> None:
    """Refuse flags that cannot work, before anything is loaded."""
    for name in ("data_dir", "dad_dir", "teacher"):
        if not getattr(args, name):
            raise UsageError(f"--{name.replace('_', '-')} is needed; see generate.py --help")
    for name in ("shard_size", "batch_size"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} {getattr(args, name)}: it must be at least 1")
    if not 0 <= args.random_start_prob <= 1 or not 0 < args.crop_pct <= 1:
        raise UsageError("--random-start-prob must lie in [0, 1], --crop-pct above 0 and at most 1")
    if args.attack_norm not in NORMS or args.attack_eps < 0 or args.attack_steps < 0:
        raise UsageError("--attack-eps and --attack-steps must not be negative")
    if "codes" in args.store and args.discretizer == "identity":
        raise UsageError("--discretizer identity has no codes; use --store image")


def create_attack(args: Namespace) -> Attack:
    """Build the attack from the `--attack-*` flags."""
    return Attack(args.attack_norm, args.attack_eps, args.attack_step_size, args.attack_steps, args.random_start_prob)


def labels_of(batch: SourceBatch) -> torch.Tensor:
    """Return the class indices [B] of a batch."""
    return torch.tensor([source.label for source in batch.sources])


def sort_out(
    batch: SourceBatch, generated: Generated, args: Namespace, samples: list[Sample], rejected: dict[str, float]
) -> None:
    """Append a batch's kept images to `samples` and enter the others, with the teacher's probability, in `rejected`."""
    before, after = (
        logits.softmax(1).gather(1, labels_of(batch).to(logits.device)[:, None])[:, 0].tolist()
        for logits in (generated.logits_before, generated.logits_after)
    )
    images = to_uint8(generated.adversarial).permute(0, 2, 3, 1).cpu().numpy()
    for row, source in enumerate(batch.sources):
        if not generated.keep[row]:
            rejected[source.key] = after[row]
            continue
        metadata = {"probability_before": before[row], "probability_after": after[row]}
        if generated.codes is not None:
            metadata["codes_changed"] = generated.codes_changed[row].item()
        samples.append(Sample(source.key, source.label, payloads(images[row], generated, row, args), metadata))


def payloads(image: NDArray, generated: Generated, row: int, args: Namespace) -> dict[str, bytes]:
    """Return the files to store of one kept image, by extension."""
    stored = {}
    if "codes" in args.store and generated.codes is not None:
        stored["npy"] = encode_codes(generated.codes[row].cpu().numpy())
    if "image" in args.store:
        extension = {"jpeg": "jpg"}.get(args.image_format, args.image_format)
        stored[extension] = encode_image(image, extension, args.image_quality)
    return stored


if __name__ == "__main__":
    sys.exit(run_script(main))
