"""A DAD set of ten sources in three shards, small enough to be written in a millisecond."""

import json
from pathlib import Path

import numpy as np

from dad.files import to_json
from dad.images.sources import SourceImage
from dad.shards import DadSet, DadWriter, Sample, encode_codes

ROOT = Path(__file__).parents[3]
GOLDEN_V1 = ROOT / "tests" / "golden" / "dad_set_v1"
SETTINGS = {"epsilon": 0.1, "teacher": "clip/ViT-L-14/openai", "class_list": "abc"}
SOURCES = [SourceImage(f"ant/{number}.x", Path(f"ant/{number}.x.jpg"), 3) for number in range(10)]
KEPT = {"probability_before": 0.75, "probability_after": 0.5, "codes_changed": 0.25}
REJECTED = {"probability_before": 0.5, "probability_after": 0.25, "predicted": 1}


def make_sample(source: SourceImage) -> Sample:
    payloads = {"png": source.key.encode() * 100, "npy": encode_codes(np.full((2, 2), int(source.key[4])))}
    return Sample(source.key, source.label, payloads, dict(KEPT))


def commit(writer: DadWriter, *indices: int, backwards: bool = False) -> None:
    """Commit shards with their first source rejected, the second unreadable and the others kept."""
    for index in indices:
        rejected, unreadable, *kept = writer.sources_of(index)
        samples = [make_sample(source) for source in (reversed(kept) if backwards else kept)]
        writer.commit(index, samples, {rejected.key: REJECTED}, {unreadable.key: "truncated"})


def open_writer(root: Path, **changes: object) -> DadWriter:
    return DadWriter(root, {**SETTINGS, **changes}, SOURCES, shard_size=4)


def make_set(root: Path) -> DadSet:
    writer = open_writer(root)
    commit(writer, *writer.missing())
    writer.finish()
    return DadSet.open(root)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def flip(tar: Path, place: int) -> None:
    """Flip a bit of a tar; the tiny set's shards hold two samples, whose first payload begins at byte 512."""
    content = bytearray(tar.read_bytes())
    content[place] ^= 1
    tar.write_bytes(content)


def as_written_before(root: Path) -> None:
    """Turn a set into what earlier versions wrote: no index, and no hashes but those of the tars."""
    manifest = json.loads((root / "manifest.json").read_text())
    for name in ("files", "digest"):
        del manifest[name]
    for shard in manifest["shards"]:
        del shard["marker"]
    (root / "manifest.json").write_bytes(to_json(manifest, indent=1))
    (root / "index.bin").unlink()
