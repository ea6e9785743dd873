"""What it costs to open a DAD set of a million images: by its index, and by its markers as sets without one are opened.

    python -m benchmarks.dad_set_index --images 1281167 --out results.json      # writes 4 GB to --folder, for minutes

The set is made up: tiny payloads, class folders and names like ImageNet's. Each number is measured in a process of its
own, whose private memory counts beyond what it held before; pages of a mapped file are shared by all processes.
"""

import gc
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measures import PeakMemory, machine
from dad.errors import run_script
from dad.images.source_list import SourceList
from dad.images.sources import SourceImage
from dad.markdown import format_rows
from dad.shards import DadSet, DadWriter, Sample
from dad.shards.index import INDEX, index_of_markers
from dad.shards.manifest import read_manifest
from dad.shards.reader import committed_markers
from dad.training.views import DadImages

_PER_CLASS = 1300
_SETTINGS = {"class_list": "benchmark", "store": "codes,image"}
_PAYLOADS = {"npy": b"codes", "jpg": b"pixels"}
_LOOKS = 50_000  # images that a worker is asked for
_MB = 1e6


def main(argv: list[str] | None = None) -> int:
    """Make the set, measure and print."""
    args = _parse(argv)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = Path(folder) / "dad"
        written = _write_set(root, args.images)
        sizes = {"index": (root / INDEX).stat().st_size, "markers": sum(_sizes(root / "shards", "*.json"))}
        measured = {name: _apart(function, root, args.images) for name, function in _MEASURES.items()}
    cpu = torch.device("cpu")
    results = {"machine": machine(cpu), "settings": vars(args), "written": written, "bytes": sizes, "runs": measured}
    _print(results)
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1))
    return 0


def _sources(images: int) -> list[SourceImage]:
    names = sorted(f"n{1_000_000 + n // _PER_CLASS:08d}/n{1_000_000 + n // _PER_CLASS:08d}_{n}" for n in range(images))
    return [SourceImage(name, Path(f"/data/train/{name}.JPEG"), int(name[1:9]) - 1_000_000) for name in names]


def _write_set(root: Path, images: int) -> dict[str, float]:
    writer = DadWriter(root, _SETTINGS, _sources(images), shard_size=1000)
    about = {"probability_before": 0.75, "probability_after": 0.5, "codes_changed": 0.25}
    start = time.perf_counter()
    for index in range(writer.shard_count):
        samples = [Sample(source.key, source.label, _PAYLOADS, dict(about)) for source in writer.sources_of(index)]
        writer.commit(index, samples, {}, {})
    committed = time.perf_counter()
    with PeakMemory(torch.device("cpu")) as memory:
        writer.finish()
    seconds = {"shards_s": committed - start, "finish_s": time.perf_counter() - committed}
    return {**seconds, "finish_peak_mb": (memory.bytes or 0) / _MB}


def _open_by_index(root: Path, images: int) -> dict[str, float]:
    return _cost(lambda: DadSet.open(root))


def _open_by_markers(root: Path, images: int) -> dict[str, float]:
    manifest = read_manifest(root)
    return _cost(lambda: DadSet(root, manifest, index_of_markers(committed_markers(root, manifest))))


def _find_partners(root: Path, images: int) -> dict[str, float]:
    dad_set, sources = DadSet.open(root), SourceList.pack(_sources(images))
    return _cost(lambda: DadImages(dad_set, sources, substitute=False))


def _missing_by_glance(root: Path, images: int) -> dict[str, float]:
    writer = DadWriter(root, _SETTINGS, _sources(images), shard_size=1000)
    return _cost(writer.missing)


def _missing_by_markers(root: Path, images: int) -> dict[str, float]:
    writer = DadWriter(root, _SETTINGS, _sources(images), shard_size=1000)
    return _cost(lambda: [index for index in range(writer.shard_count) if writer.marker(index) is None])


def _worker_of_arrays(root: Path, images: int) -> dict[str, float]:
    return _worker(DadSet.open(root), SourceList.pack(_sources(images)))


def _worker_of_objects(root: Path, images: int) -> dict[str, float]:
    return _worker(DadSet.open(root), _sources(images))


_MEASURES = {
    "open, index": _open_by_index,
    "open, markers": _open_by_markers,
    "find each source's own image": _find_partners,
    "missing(), ends of markers": _missing_by_glance,
    "missing(), whole markers": _missing_by_markers,
    "a worker, arrays": _worker_of_arrays,
    "a worker, objects": _worker_of_objects,
}


def _worker(dad_set: DadSet, sources: Sequence[SourceImage]) -> dict[str, float]:
    """Measure a forked worker that is asked for images at random, as a DataLoader's."""
    partners = DadImages(dad_set, sources, substitute=False).partners

    def look() -> None:
        draw = random.Random(0)
        for _ in range(min(_LOOKS, len(sources))):
            place = draw.randrange(len(sources))
            _ = sources[place].key
            dad_set.read(int(partners[place]), "jpg")

    gc.collect()
    gc.freeze()
    return _in_fork(lambda: _cost(look))


def _cost(work: Callable[[], object]) -> dict[str, float]:
    """Return seconds and megabytes of private memory: held after the work, and resident at its peak."""
    gc.collect()
    with PeakMemory(torch.device("cpu")):
        pass  # gives back what was freed
    private = _private()
    with PeakMemory(torch.device("cpu")) as peak:
        start = time.perf_counter()
        result = work()
        seconds = time.perf_counter() - start
    held = _private() - private
    del result
    return {"seconds": seconds, "private_mb": held / _MB, "peak_mb": (peak.bytes or 0) / _MB}


def _private() -> int:
    """Return the bytes that this process has written and shares with none; pages of a file are not among them."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * sum(int(size) for size in re.findall(r"^Private_Dirty:\s*(\d+)", text, re.MULTILINE))


def _apart(function: Callable[[Path, int], dict[str, float]], root: Path, images: int) -> dict[str, float]:
    """Run a function in a process that has only imported this file."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, (root, images))


def _in_fork(work: Callable[[], dict[str, float]]) -> dict[str, float]:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, json.dumps(work()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    measured: dict[str, float] = json.loads(os.read(reader, 1 << 16))
    return measured


def _sizes(folder: Path, pattern: str) -> list[int]:
    return [path.stat().st_size for path in folder.glob(pattern)]


def _print(results: dict[str, Any]) -> None:
    print("Machine:", ", ".join(f"{name} {value}" for name, value in results["machine"].items()))
    print("Settings:", ", ".join(f"{name} {value}" for name, value in results["settings"].items()))
    print("Written:", ", ".join(f"{name} {value:.1f}" for name, value in results["written"].items()))
    print("Size, MB:", ", ".join(f"{name} {value / _MB:.0f}" for name, value in results["bytes"].items()))
    rows = [
        [name, f"{run['seconds']:.2f}", f"{run['private_mb']:.0f}", f"{run['peak_mb']:.0f}"]
        for name, run in results["runs"].items()
    ]
    print(format_rows([["", "seconds", "own memory, MB", "peak with shared, MB"], *rows]))


def _parse(argv: list[str] | None) -> Namespace:
    parser = ArgumentParser(prog="python -m benchmarks.dad_set_index", description=__doc__.splitlines()[0])
    parser.add_argument("--images", default=1_281_167, type=int, metavar="N", help="default: ImageNet's")
    parser.add_argument("--folder", default=None, metavar="DIR", help="where the set is written, and removed again")
    parser.add_argument("--out", default=None, metavar="FILE", help="write all numbers there too, as JSON")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(run_script(main))
