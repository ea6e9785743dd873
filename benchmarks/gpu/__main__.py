"""Measure all that only a card can tell, and write it as JSON and Markdown.

    python -m benchmarks.gpu --out DIR

Ten minutes at most (`--time-limit`); the same command goes on where one has ended. What is done with the same settings,
versions and card is not run again. What is measured: benchmarks/README.md.
"""

import json
import shlex
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu import report
from benchmarks.gpu.parts import PRESETS, Part, choose, plan
from benchmarks.gpu.processes import run_module
from benchmarks.gpu.records import DONE, FAILED, SKIPPED, STOPPED, Record, Records
from dad.errors import MachineError, UsageError, run_script
from dad.files import write_atomically

_AGAIN = 1.5  # of the time in which a part did not end before
_LEFT, _FAILED = 75, 1  # exit codes: to be gone on with, as everywhere here; a part failed


def main(argv: list[str] | None = None) -> int:
    """Measure what is not done yet; return 1 if a part failed, 75 if some are left for another call."""
    args = _parse(argv)
    start = time.perf_counter()
    folder: Path = args.out
    records = Records(folder)
    identity = _look(args, folder)
    parts = _plan(args, identity)
    records.require_same_card([part.name for part in parts], identity)
    chosen = _choose(args, parts)
    left = []
    for number, part in enumerate(_in_order(chosen, records), 1):
        say = f"[{number}/{len(chosen)}] {part.name}: "
        record = records.read(part.name)
        if record is not None and record.status == DONE and record.is_of(part.command(args.device), identity):
            print(f"{say}done before", flush=True)
            continue
        remaining = 60 * args.time_limit - (time.perf_counter() - start)
        if needed := _too_long(part, record, remaining, args.device):
            left.append((part, needed))
            print(f"{say}left, it takes about {needed:.0f} s", flush=True)
            continue
        record = _run(part, args, identity, folder, remaining)
        records.write(record)
        took = f"{record.seconds:.0f} s" if record.status == DONE else record.reason
        print(f"{say}{record.status}, {took}; {_minutes(time.perf_counter() - start)} in all", flush=True)
    _write(args, parts, records, identity)
    return _conclude(args, chosen, records, left)


def _look(args: Namespace, folder: Path) -> dict[str, Any]:
    """Return what the card is, from a process of its own: this one leaves the card alone."""
    file, log = folder / "logs" / "look.json", folder / "logs" / "look.log"
    words = ["--look", "--device", args.device, "--out", str(file)]
    ended = run_module("benchmarks.gpu.card", words, log, 60 * args.time_limit, args.device)
    if ended.reason:
        raise MachineError(f"{ended.reason}; on a CPU: --preset tiny --device cpu")
    identity: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["identity"]
    return identity


def _plan(args: Namespace, identity: Mapping[str, Any]) -> list[Part]:
    """Return all parts, in a precision that the card has."""
    capability = identity["capability"]
    has_bfloat16 = capability is None or tuple(map(int, capability.split("."))) >= (8, 0)
    return plan(args.preset, "bfloat16" if has_bfloat16 else "float16")


def _choose(args: Namespace, parts: Sequence[Part]) -> list[Part]:
    try:
        return choose(parts, args.parts)
    except ValueError as error:
        known = ", ".join(part.name for part in parts)
        raise UsageError(f"--parts {error}: no such part; there are {known}") from None


def _in_order(parts: Sequence[Part], records: Records) -> list[Part]:
    """Return the parts in their order, but those last that were tried in vain: they may take all the time again."""

    def was_tried(part: Part) -> bool:
        record = records.read(part.name)
        return record is not None and record.status in (FAILED, STOPPED)

    return sorted(parts, key=was_tried)


def _too_long(part: Part, record: Record | None, remaining: float, device: str) -> float:
    """Return the seconds that a part is expected to take, if they are more than there are; else 0."""
    if not device.startswith("cuda"):
        return 0.0 if remaining > 0 else float(part.seconds)
    needed = float(part.seconds)
    if record is not None and record.status == STOPPED:
        needed = max(needed, _AGAIN * record.seconds)
    return needed if needed > remaining else 0.0


def _run(part: Part, args: Namespace, identity: Mapping[str, Any], folder: Path, seconds: float) -> Record:
    command = part.command(args.device)
    if part.needs_cuda and not args.device.startswith("cuda"):
        return Record(part.name, SKIPPED, "needs a CUDA device", 0.0, command, identity)
    out, log = folder / "logs" / f"{part.name}.json", folder / "logs" / f"{part.name}.log"
    out.unlink(missing_ok=True)
    words = [*part.words, "--device", args.device, "--out", str(out)]
    ended = run_module(part.module, words, log, seconds, args.device)
    if ended.reason:
        status = STOPPED if ended.is_late else FAILED
        return Record(part.name, status, ended.reason, ended.seconds, command, identity)
    results = json.loads(out.read_text(encoding="utf-8"))
    table = log.with_suffix(".md").read_text(encoding="utf-8")
    return Record(part.name, DONE, "", ended.seconds, command, identity, results, table)


def _write(args: Namespace, parts: Sequence[Part], records: Records, identity: Mapping[str, Any]) -> None:
    """Write all that is known as one file of JSON and one page of Markdown."""
    found = {part.name: record for part in parts if (record := records.read(part.name)) is not None}
    current = {
        part.name: found[part.name]
        for part in parts
        if part.name in found and found[part.name].is_of(part.command(args.device), identity)
    }
    settings = {"preset": args.preset, "device": args.device, "parts": args.parts or "all"}
    content = {
        "identity": identity, "settings": settings, "parts": {name: vars(record) for name, record in current.items()},
    }  # fmt: skip
    write_atomically(args.out / "gpu.json", (json.dumps(content, indent=1, default=str) + "\n").encode())
    page = report.render(parts, current, settings, _command(args, args.time_limit))
    write_atomically(args.out / "gpu.md", page.encode())


def _conclude(args: Namespace, chosen: Sequence[Part], records: Records, left: Sequence[tuple[Part, float]]) -> int:
    """Say what failed, what is left and how to go on; return the exit code."""
    tried = [record for part in chosen if (record := records.read(part.name)) is not None]
    waiting = [part.name for part, _ in left]
    failed = [record for record in tried if record.status == FAILED and record.part not in waiting]
    stopped = [record for record in tried if record.status == STOPPED and record.part not in waiting]
    for record in failed:
        print(f"failed: {record.part}: {record.reason}")
    print(f"written: {args.out / 'gpu.md'}, {args.out / 'gpu.json'}")
    if left or stopped:
        names = [*waiting, *(record.part for record in stopped)]
        longest = max([*(needed for _, needed in left), *(_AGAIN * record.seconds for record in stopped)])
        limit = max(args.time_limit, -(-longest // 60) + 1 if longest > 60 * args.time_limit else 0)
        print(f"left for the next call: {', '.join(names)}; go on with: {_command(args, limit)}")
    if failed:
        return _FAILED
    return _LEFT if left or stopped else 0


def _command(args: Namespace, limit: float) -> str:
    words = ["python", "-m", "benchmarks.gpu", "--out", str(args.out), "--preset", args.preset, "--device", args.device]
    words += ["--parts", args.parts] if args.parts else []
    return shlex.join([*words, "--time-limit", f"{limit:g}"])


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for a file a part, gpu.json and gpu.md")
    parser.add_argument("--preset", default="paper", choices=PRESETS, help="paper: real sizes; tiny: a CPU, to try it")
    parser.add_argument("--device", default="cuda", metavar="NAME")
    names = ", ".join(part.name for part in plan("paper", "bfloat16"))
    parser.add_argument("--parts", default="", metavar="A,B", help=f"default: all, {names}")
    parser.add_argument("--time-limit", default=10.0, type=float, metavar="MINUTES", help="what does not fit is left")
    args = parser.parse_args(argv)
    if not args.time_limit > 0:
        raise UsageError(f"--time-limit {args.time_limit:g}: it must be above 0")
    if args.preset == "paper" and not args.device.startswith("cuda"):
        raise UsageError(f"--device {args.device}: --preset paper takes hours there; --preset tiny does not")
    _choose(args, plan(args.preset, "bfloat16"))
    return args


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the part in work ends too
    sys.exit(run_script(main))
