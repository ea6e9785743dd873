"""Make soft targets and look after them: `python -m dad.soft_targets build|verify|stats`.

python -m dad.soft_targets build --config hparams/vitb_dad.yaml --soft-targets DIR
torchrun --nproc-per-node=8 -m dad.soft_targets build --config hparams/vitb_dad.yaml --soft-targets DIR
"""

from dad.ahead import refuse_ahead

if __name__ == "__main__":  # before what takes seconds to import
    refuse_ahead(__file__, "resolve_args")

import logging
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from dad.args import create_ask_parser
from dad.args.checks import require_names, require_numbers, require_preprocessing
from dad.args.hparams import parse_args
from dad.args.tools import ToolParser
from dad.asking.again import Difference, ask_again, payload_errors
from dad.asking.build import PartBatches, build, bytes_per_row, finish
from dad.asking.session import Session, check_args_recordable, create_session, resolve_head, views_read
from dad.asking.stats import format_stats, resolve_labels, sample_answers
from dad.doctor.at_start import require_card, setup_workers, warn_of_space
from dad.doctor.writes import find_soft_target_need
from dad.environment import versions
from dad.errors import DataError, UsageError, run_script
from dad.files import write_atomically
from dad.generation.places import to_keep
from dad.generation.progress import format_duration, log_file, log_name
from dad.generation.workload import resolve_shard_range
from dad.runtime import Runtime, setup_runtime
from dad.shards.lock import ShardLock
from dad.soft_targets.reader import SoftTargets
from dad.soft_targets.shards import Division, as_ranges
from dad.soft_targets.verify import find_damage, take_back
from dad.soft_targets.writer import SoftTargetWriter
from dad.teachers._recorded import load_recorded_teacher
from dad.training.resumable_loader import end_workers
from dad.training.sizing import resolve_sizes

_CONFIG = "args.yaml"
_logger = logging.getLogger("dad.soft_targets")


def main(argv: list[str] | None = None) -> int:
    """Run one of the commands."""
    try:
        code: int = resolve_args(argv)()
        return code
    finally:
        end_workers()


def resolve_args(argv: list[str] | None) -> Callable[[], int]:
    """Return the command, with its flags; refuse a command line that is wrong, whatever the files hold."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["build"]:
        args, args_text, taken = resolve_sizes(*parse_args(create_ask_parser(), words[1:]))
        _require_values(args)
        return partial(_build, args, args_text, taken)
    args, given = create_parser().parse_known_args(words)
    require_numbers(args)
    return partial(args.run, args, given)


def create_parser() -> ToolParser:
    """Return the parser of the commands; build has the flags of train.py besides."""
    program = "python -m dad.soft_targets"
    parser = ToolParser(prog=program, description="The teacher's answers, asked for once.", words="COMMAND DIR")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", prog=program)
    known = create_ask_parser()._option_string_actions
    commands.add_parser("build", help="ask the teacher what a training run with the same flags will want to know")
    flags = "; the teacher is that of the folder's args.yaml, and flags of build after DIR replace its flags"

    def add(name: str, run: object, text: str, sample: str) -> ToolParser:
        command = commands.add_parser(name, help=text, description=text + flags, words="DIR", left_over=known)
        command.add_argument("root", type=Path, metavar="DIR", help="folder of the soft targets")
        command.add_argument("--sample", type=int, default=0, metavar="N", help=sample)
        command.set_defaults(run=run)
        return command

    command = add(
        "verify", _verify, "read every file and compare with the hashes that were written",
        "also ask the teacher again about N images: largest difference of logits, KL at T",
    )  # fmt: skip
    command.add_argument("--take-back", action="store_true", help="let damaged shards be made anew by the next build")
    command = add(
        "stats",
        _stats,
        "show how soft the answers are, how often they are right, and what they take",
        "also ask the teacher about N images: what each --payload costs",
    )
    command.add_argument(
        "--rows", type=int, default=10_000, metavar="N", help="answers of each view that are looked at"
    )
    return parser


def _build(args: Namespace, args_text: str, taken: str) -> int:
    """Ask about whatever the folder still lacks."""
    session, writer = _open(args)
    if taken:
        _logger.info(taken)
    if args.dry_run:
        print(_estimate(args, session))
        return 0
    assert writer is not None
    runtime = session.runtime
    numbers = [number for view in session.views for number in writer.division.numbers(view)]
    chosen = resolve_shard_range(args.shard_range, len(numbers))[runtime.rank :: runtime.world_size]
    shards = [numbers[place] for place in chosen]
    with ExitStack() as stack:
        stack.enter_context(log_file(writer.root / "logs" / log_name(args.shard_range, runtime.rank)))
        for part in as_ranges(shards):
            stack.enter_context(ShardLock(writer.root, part))
        if runtime.is_primary:
            write_atomically(writer.root / _CONFIG, to_keep(args_text).encode())
        left = set(writer.missing(session.views))
        missing = [number for number in shards if number in left]
        _logger.info(
            "%s of %d images, %d shards; here %d, of which %d are still to do",
            views_read(session.views), len(session.images), len(numbers), len(shards), len(missing),
        )  # fmt: skip
        build(session, writer, missing, args.batch_size)
        finish(writer, session.views)
    return 0


def _verify(args: Namespace, given: Sequence[str]) -> int:
    """Compare every byte, and if asked to, some answers with the teacher's own."""
    damage = find_damage(args.root)
    for name, reason in damage.items():
        print(f"{name}: {reason}")
    if damage:
        print(f"{args.root}: {len(damage)} damaged files or shards")
        if args.take_back:
            print("\n".join(take_back(args.root, damage)))
            print("make them anew: rerun the same build command")
        else:
            print(f"let them be made anew: python -m dad.soft_targets verify {args.root} --take-back")
        return DataError.exit_code
    print(f"{args.root}: every file is as it was written")
    if args.sample:
        flags = _flags(args.root, given)
        session, _ = _open(flags, write=False)
        then, now = ask_again(session, SoftTargets(args.root), args.sample, flags.batch_size)
        if not session.classes:
            print(
                f"{len(now)} answers asked for again: largest difference of embeddings {(now - then).abs().max():.2g}"
            )
            return 0
        live, stored = (session.teacher.logits_of(answers.to(session.runtime.device)).cpu() for answers in (now, then))
        temperature = flags.kd_temperature
        error = Difference.between(live, stored, temperature)
        print(f"{len(now)} answers asked for again: {error} at T = {temperature:g}")
    return 0


def _stats(args: Namespace, given: Sequence[str]) -> int:
    """Print what the answers are like."""
    targets = SoftTargets(args.root)
    flags = _flags(args.root, given)
    teacher, classes = load_recorded_teacher(targets)
    if not classes:
        print(f"{format_stats(targets, [])}no classes were named, so there are no logits to look at")
        return 0
    samples = sample_answers(targets, teacher.logits_of, *resolve_labels(flags, targets, classes), args.rows)
    print(format_stats(targets, samples))
    if args.sample:
        session, _ = _open(flags, write=False)
        _, now = ask_again(session, targets, args.sample, flags.batch_size)
        print(f"\nwhat storing {len(now)} answers costs, against the teacher itself:")
        for temperature in (1.0, 4.0):
            for payload, error in payload_errors(now, teacher.logits_of, teacher.answers, temperature).items():
                print(f"{payload}: {error} at T = {temperature:g}")
    return 0


def _require_values(args: Namespace) -> None:
    """Refuse flags that no teacher can be asked with."""
    require_numbers(args)
    require_names(args)
    require_preprocessing(args)
    check_args_recordable(args)
    if not args.soft_targets:
        raise UsageError("--soft-targets DIR is needed: the folder that the answers go to")
    if args.shard_size % 2 or args.shard_size < args.batch_size:
        raise UsageError(
            f"--shard-size {args.shard_size}: it has to be even, and at least --batch-size {args.batch_size}"
        )
    if args.batch_size % 2:
        raise UsageError(f"--batch-size {args.batch_size}: images are asked about in pairs; use an even one")


def _open(args: Namespace, write: bool = True) -> tuple[Session, SoftTargetWriter | None]:
    """Build what is asked about, and open the folder that the answers go to."""
    _require_values(args)
    args.model_dtype = None  # the teacher is asked in float32, or --amp
    runtime: Runtime = setup_runtime(args, communicate=False)
    require_card(runtime)
    session = create_session(args, runtime)
    views = len(session.images.demands.views)
    setup_workers(args, runtime, views, session.teacher.data_config["input_size"][-1])
    if args.dry_run or not write:
        return session, None
    warn_of_space(runtime, find_soft_target_need(args, len(session.images), views, session.teacher.answer_width))
    root, division = Path(args.soft_targets), Division(len(session.images), args.shard_size)
    writer = SoftTargetWriter(root, session.settings, session.about_teacher, division, versions())
    writer.add_classes(session.classes.folders, session.classes.names, resolve_head(args, session))
    return session, writer


def _estimate(args: Namespace, session: Session) -> str:
    """Time two batches, one of them to warm up, and say what all will cost."""
    division = Division(len(session.images), args.shard_size)
    batches = PartBatches(
        division, session.images.epochs.seed, [division.numbers(session.views[0])[0]], args.batch_size
    )
    batches.parts = (batches.parts * 2)[:2]
    seconds = 0.0
    for batch in session.images.loader(batches, session.runtime, checks=True):
        start = time.perf_counter()
        session.ask(batch, args.batch_size).cpu()
        seconds = time.perf_counter() - start
    rows = sum(view.rows(division.images) for view in session.views)
    views = len(session.images.demands.views)
    size = bytes_per_row(session.teacher.answer_width, args.payload, views)
    processes = session.runtime.world_size
    took = format_duration(seconds / args.batch_size * rows / processes)
    lines = [
        f"{views_read(session.views)} of {division.images:,} images, {views} views each: {rows * views:,} answers",
        f"time    about {took} of the teacher's, for {processes} process(es) like this one "
        f"({args.batch_size / seconds:.1f} img/s a process)",
        f"disk    {rows * size / 1e9:.2f} GB ({division.images * size / 1e9:.2f} GB a virtual epoch, {args.payload})",
        *([session.teacher.cost] if session.teacher.cost else []),
    ]
    return "\n".join(lines)


def _flags(root: Path, given: Sequence[str]) -> Namespace:
    """Return the flags that a folder was made with, but for those that are given."""
    config = root / _CONFIG
    words = ["--config", str(config)] if config.is_file() else []
    args, _ = parse_args(create_ask_parser(), [*words, *given, "--soft-targets", str(root)])
    return args


if __name__ == "__main__":
    sys.exit(run_script(main))
