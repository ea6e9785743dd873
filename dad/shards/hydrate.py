"""From codes back to images: what is small enough to share becomes what training can read."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dad.errors import DataError, SettingsError
from dad.files import Settings
from dad.images.sources import SourceImage
from dad.passing import is_of_disk, read_patiently
from dad.pixels import to_uint8
from dad.shards.encoding import EXTENSION_OF, decode_codes, encode_image
from dad.shards.layout import OWN, Layout
from dad.shards.listing import read_listings
from dad.shards.lock import ShardLock
from dad.shards.manifest import read_manifest
from dad.shards.marker import Entry, Ledger, Marker, Sample, shard_paths
from dad.shards.reader import committed_markers
from dad.shards.rejects import REJECTED
from dad.shards.writer import DadWriter


def hydrate(
    root: Path,
    target: Path,
    decode: Callable[[Tensor], Tensor],
    discretizer: Settings,
    image_format: str,
    quality: int,
    batch_size: int,
) -> Ledger:
    """Write the set at `root` once more to `target`, with images decoded from its codes; go on where it was stopped,
    or where the set has been extended since.

    The codes stay bit for bit what they are. An image may differ from the one that generation saw by one level of 255
    in a pixel, since networks round differently in batches of another size, and by what `image_format` loses.

    Args:
        decode: codes [B, h, w] to pixels [B, 3, H, W] in [0, 1].
        discretizer: its settings, to be those of the set.
        image_format: a key of `EXTENSION_OF`; only jpeg heeds `quality`, 1 to 100.

    Raises:
        DataError: the set is not finished, damaged, of format 1, or without codes.
        SettingsError: it was made with another discretiser.
    """
    manifest = read_manifest(root)
    settings = manifest["settings"]
    labels = read_listings(root, settings)
    _require_codes(root, settings)
    differing = [name for name, value in discretizer.items() if settings.get(name) != value]
    if differing:
        name = differing[0]
        raise SettingsError(f"{root} was made with {name} {settings.get(name)}, not {discretizer[name]}")
    own = {name: value for name, value in settings.items() if name not in OWN}
    own |= {"store": "codes,image", "image_format": image_format, "image_quality": quality}
    sources = [SourceImage(key, Path(key), label) for key, label in labels.items()]
    segments = [segment.sources for segment in Layout.of(settings).segments]
    writer = DadWriter(target, own, sources, settings["shard_size"], manifest["environment"], segments)
    with ShardLock(target, range(writer.shard_count)):
        missing = set(writer.missing())
        for index, marker in enumerate(committed_markers(root, manifest)):
            if index in missing:
                tar = shard_paths(root, index)[0]
                extension = EXTENSION_OF[image_format]
                samples = _decoded(tar, marker, decode, extension, quality, batch_size)
                writer.commit(index, samples, marker.rejected, marker.unreadable)
        return writer.finish(rejected=(root / REJECTED).read_bytes())  # with the classes' names


def coded_by(root: Path) -> str:
    """Return the name of the discretiser whose codes a set holds.

    Raises:
        DataError: the set is not finished, of format 1, or without codes.
    """
    settings = read_manifest(root)["settings"]
    read_listings(root, settings)
    _require_codes(root, settings)
    return str(settings["discretizer"])


def _require_codes(root: Path, settings: Mapping[str, Any]) -> None:
    if "codes" not in settings["store"]:
        raise DataError(f"{root} holds no codes (--store {settings['store']}), so there is nothing to decode")


@torch.no_grad()
def _decoded(
    tar: Path, marker: Marker, decode: Callable[[Tensor], Tensor], extension: str, quality: int, batch_size: int
) -> list[Sample]:
    content = read_patiently(tar.read_bytes, tar, is_of_disk)
    samples = []
    if hashlib.sha256(content).hexdigest() != marker.sha256:
        raise DataError(f"{tar}: its bytes have changed; mend it: python -m dad.shards repair {tar.parents[1]}")
    for start in range(0, len(marker.samples), batch_size):
        entries = marker.samples[start : start + batch_size]
        stored = [_payload(content, entry) for entry in entries]
        codes = torch.stack([torch.from_numpy(decode_codes(payload)) for payload in stored])
        images = to_uint8(decode(codes)).permute(0, 2, 3, 1).cpu().numpy()
        for entry, payload, image in zip(entries, stored, images, strict=True):
            payloads = {"npy": payload, extension: encode_image(image, extension, quality)}
            samples.append(Sample(entry.key, entry.label, payloads, entry.metadata))
    return samples


def _payload(tar: bytes, entry: Entry) -> bytes:
    offset, size = entry.payloads["npy"][:2]
    return tar[offset : offset + size]
