"""Before a set is continued: are its sources still those that it was made of, and do other package versions still make
the same images of them?"""

import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

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
# Of one image that is another picture's: more than re-encoding, half precision or another order of summation changes.
_OTHER_CODES, _OTHER_LEVELS = 0.9, 25.0


def require_same_images(
    writer: DadWriter, reader: SourceReader, generate: Callable[[SourceBatch], Generated], is_primary: bool
) -> None:
    """Make a few committed images again and compare.

    Raises:
        SettingsError: most are other pictures, so that the sources have changed under the same names; or, where
            versions differ from those that began the set, another verdict of the teacher, or more than a few other
            codes.
    """
    index = writer.first_kept()
    marker = None if index is None else writer.marker(index)
    if not is_primary or index is None or marker is None:
        return
    indices = list(writer.indices_of(index))
    if not writer.changed_environment:  # pictures are compared, which there are of kept ones alone
        kept = {entry.key for entry in marker.samples}
        indices = [one for one in indices if writer.sources[one].key in kept]
    batch = next(iter(reader.batches([indices[:_IMAGES]]))) if indices else None
    if batch is None or not batch.sources:
        return
    found = _compare(writer, index, marker, batch, generate(batch))
    if not writer.changed_environment:
        if found.others > len(batch.sources) / 2:
            raise SettingsError(
                f"{writer.root} was made of other images than these: {found.others} of {len(batch.sources)} that were "
                "made again are other pictures; put back the files that have changed under the same names, or use "
                "another folder"
            )
        return
    changes = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in writer.changed_environment.items())
    codes, levels = sum(found.codes) / max(len(found.codes), 1), max([0.0, *found.levels])
    told = (
        f"{found.verdicts} of {len(batch.sources)} verdicts and {100 * codes:.2f}% of the codes differ, "
        f"pixels by up to {levels:.2f} of 255 an image"
    )
    if found.verdicts or codes > _MAX_CODES_CHANGED or levels > _MAX_LEVELS_CHANGED:
        raise SettingsError(
            f"{writer.root} was begun with other versions ({changes}) that make other images ({told}); "
            "go back to those, or use another folder"
        )
    _logger.warning("versions have changed (%s): made %d images again, %s", changes, len(batch.sources), told)


@dataclass
class _Found:
    """What differs of images that were made again.

    Attributes:
        verdicts: how many of the teacher's.
        others: how many are other pictures.
        codes: share of each kept image's that differ.
        levels: mean difference of each kept image's pixels, of 255.
    """

    verdicts: int = 0
    others: int = 0
    codes: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)


def _compare(writer: DadWriter, index: int, marker: Marker, batch: SourceBatch, generated: Generated) -> _Found:
    entries = {entry.key: entry for entry in marker.samples}
    path = shard_paths(writer.root, index)[0]
    tar = read_patiently(path.read_bytes, path, is_of_disk)
    images = to_uint8(generated.adversarial).permute(0, 2, 3, 1).cpu().numpy()
    found = _Found()
    for row, source in enumerate(batch.sources):
        entry = entries.get(source.key)
        found.verdicts += bool(generated.keep[row]) != (entry is not None)
        is_other = False
        for extension, (offset, size, check) in (entry.payloads if entry else {}).items():
            content = tar[offset : offset + size]
            if zlib.crc32(content) != check:  # damaged, which others tell
                continue
            if extension == "npy" and generated.codes is not None:
                found.codes.append(float((generated.codes[row].cpu().numpy() != decode_codes(content)).mean()))
                is_other |= found.codes[-1] > _OTHER_CODES
            elif extension in IMAGE_EXTENSIONS:
                found.levels.append(float(np.abs(images[row].astype(int) - decode_image(content)).mean()))
                is_other |= found.levels[-1] > _OTHER_LEVELS
        found.others += is_other
    return found
