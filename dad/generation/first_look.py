"""Preview and gallery, made before the long work, so that wrong colours or a wrong teacher are seen at once."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dad.errors import DataError
from dad.files import Settings, to_json, write_atomically
from dad.generation.gallery import write_gallery
from dad.generation.generator import FittingGenerator
from dad.generation.preview import Inspection, inspect, write_preview
from dad.generation.workload import spread_over
from dad.images.reading import SourceReader
from dad.shards.strength import FIRST_LOOK, judge

_logger = logging.getLogger(__name__)
_ENOUGH = 8  # images; of fewer none may be right by chance


def write_first_look(
    root: Path, settings: Settings, generator: FittingGenerator, reader: SourceReader, class_names: Sequence[str],
    preview: int, gallery: int, least_right: float = 0.0,
) -> None:  # fmt: skip
    """Write `preview.png` and `gallery.html` to `root`, of as many images as asked for, and with the latter what the
    attack does to its images; what is there already stays.

    Args:
        least_right: the share of the sources that the teacher has to be right on, once enough are looked at.

    Raises:
        DataError: a file cannot be written, or the teacher is right on fewer sources.
    """
    for path, count in ((root / "preview.png", preview), (root / "gallery.html", gallery)):
        if not count or path.exists():
            continue
        inspection = _inspect(generator, reader, count)
        if inspection is None:
            return  # none of them can be read, which the ledger will say
        if path.suffix == ".png":
            write_preview(path, inspection, class_names)
        else:
            write_gallery(path, inspection, class_names, settings)
            write_atomically(root / FIRST_LOOK, to_json(inspection.strength.to_plain(), indent=1))
            _logger.info("%s: attack: %s", path, judge(inspection.strength))
        right = int(inspection.right(inspection.logits_source).sum())
        count = len(inspection.keys)
        _logger.info("%s: the teacher is right on %d of %d sources", path, right, count)
        if count >= _ENOUGH and right < least_right * count:
            raise DataError(
                f"the teacher is right on {right} of {count} sources (--min-teacher-right {least_right:g}), so the "
                f"set would be of little use: look at {path}, and check the teacher's weights and the class list"
            )


def _inspect(generator: FittingGenerator, reader: SourceReader, count: int) -> Inspection | None:
    """Return what is made of images from all over the listing; None if none of them can be read."""
    batch = next(reader.batches([spread_over(len(reader.sources), count)]))
    if not batch.sources:
        return None
    return inspect(generator, batch.pixels(generator.runtime.device), batch.labels, batch.keys)
