"""Before a set is continued with other package versions: do they still make the same images?"""

import logging
from collections.abc import Callable

import numpy as np

from dad.errors import SettingsError
from dad.generation.generator import Generated
from dad.images.reading import SourceBatch, SourceReader
from dad.passing import is_of_disk, read_patiently
from dad.pixels import to_uint8
from dad.shards import IMAGE_EXTENSIONS, DadWriter, Marker, decode_codes, decode_image, shard_paths

_logger = logging.getLogger(__name__)
_IMAGES = 8
_MAX_CODES_CHANGED = 0.02  # of these images; last bits of a latent between two codes differ from version to version
_MAX_LEVELS_CHANGED = 4.0  # mean over the pixels of an image, of 255; JPEG at quality 95 loses about 1


def require_same_images(
    writer: DadWriter, reader: SourceReader, generate: Callable[[SourceBatch], Generated], is_primary: bool
) -> None:
    """If versions differ from those that began the set, make a few committed images again and compare.

    Raises:
        SettingsError: another verdict of the teacher, or more than a few other codes.
    """
    index = next((index for index in range(writer.shard_count) if writer.marker(index)), None)
    marker = None if index is None else writer.marker(index)
    if not writer.changed_environment or not is_primary or index is None or marker is None:
        return
    changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in writer.changed_environment.items())
    batch = next(iter(reader.batches([writer.indices_of(index)[:_IMAGES]])))
    if not batch.sources:
        return
    verdicts, codes, levels = _compare(writer, index, marker, batch, generate(batch))
    found = (
        f"{verdicts} of {len(batch.sources)} verdicts and {100 * codes:.2f}% of the codes differ, "
        f"pixels by up to {levels:.2f} of 255 an image"
    )
    if verdicts or codes > _MAX_CODES_CHANGED or levels > _MAX_LEVELS_CHANGED:
        raise SettingsError(
            f"{writer.root} was begun with other versions ({changes}) that make other images ({found}); "
            "go back to those, or use another folder"
        )
    _logger.warning("versions have changed (%s): made %d images again, %s", changes, len(batch.sources), found)


def _compare(
    writer: DadWriter, index: int, marker: Marker, batch: SourceBatch, generated: Generated
) -> tuple[int, float, float]:
    """Return how many verdicts differ; of the kept images the mean share of codes that differ, and the largest mean
    difference of pixels, of 255."""
    entries = {entry.key: entry for entry in marker.samples}
    path = shard_paths(writer.root, index)[0]
    tar = read_patiently(path.read_bytes, path, is_of_disk)
    images = to_uint8(generated.adversarial).permute(0, 2, 3, 1).cpu().numpy()
    verdicts = 0
    shares = []
    levels = [0.0]
    for row, source in enumerate(batch.sources):
        entry = entries.get(source.key)
        verdicts += bool(generated.keep[row]) != (entry is not None)
        for extension, (offset, size, _) in (entry.payloads if entry else {}).items():
            content = tar[offset : offset + size]
            if extension == "npy" and generated.codes is not None:
                shares.append(float((generated.codes[row].cpu().numpy() != decode_codes(content)).mean()))
            elif extension in IMAGE_EXTENSIONS:
                levels.append(float(np.abs(images[row].astype(int) - decode_image(content)).mean()))
    return verdicts, sum(shares) / max(len(shares), 1), max(levels)
