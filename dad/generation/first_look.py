"""Preview and gallery, made before the long work, so that wrong colours or a wrong teacher are seen at once."""

import logging
from collections.abc import Sequence
from pathlib import Path

from dad.errors import DataError
from dad.files import Settings, to_json, write_atomically
from dad.generation.fitting import FittingGenerator
from dad.generation.gallery import write_gallery
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
    attack does to its images; what is there already stays. One that shows a teacher who is wrong too often has
    `-refused` in its name.

    Args:
        least_right: the share of the sources that the teacher has to be right on, once enough are looked at; of those
            without labels, the share on whose Q(x) it has to say the same.

    Raises:
        DataError: a file cannot be written, or the teacher is right on fewer sources.
    """
    pages = [(root / "preview.png", preview), (root / "gallery.html", gallery)]
    judge_by = max(pages, key=lambda page: page[1])[0]  # more images, less chance
    for path, count in pages:
        if not count or path.exists():
            continue
        inspection = _inspect(generator, reader, count)
        if inspection is None:
            return  # none of them can be read, which the ledger will say
        complaint = _complaint(path, inspection, least_right if path == judge_by else 0.0)
        refused = path.with_stem(f"{path.stem}-refused")
        place = refused if complaint else path  # so that the next run looks again
        if path.suffix == ".png":
            write_preview(place, inspection, class_names)
        else:
            write_gallery(place, inspection, class_names, settings)
        if complaint:
            raise DataError(
                f"{complaint}: look at {place}, and check the teacher's weights and {_culprit(inspection)}; if it is "
                "right as it is, --min-teacher-right 0"
            )
        refused.unlink(missing_ok=True)
        if path.suffix != ".png":
            write_atomically(root / FIRST_LOOK, to_json(inspection.strength.to_plain(), indent=1))
            _logger.info("%s: attack: %s", path, judge(inspection.strength))


def _complaint(path: Path, inspection: Inspection, least_right: float) -> str:
    """Say how often the teacher is right on the sources; of sources without labels, how often it says the same of
    Q(x). Return in words that this is too seldom, or nothing."""
    logits, found = inspection.logits_source, "is right on %d of %d sources"
    if inspection.own_labels:
        logits, found = inspection.logits_discretized, "says the same of Q(x) as of x for %d of %d sources"
    right, count = int(inspection.right(logits).sum()), len(inspection.keys)
    said = f"the teacher {found % (right, count)}"
    _logger.info("%s: %s", path, said)
    if count < _ENOUGH or right >= least_right * count:
        return ""
    return f"{said} (--min-teacher-right {least_right:g}), so the set would be of little use"


def _culprit(inspection: Inspection) -> str:
    """Return what is wrong besides, where the teacher is wrong."""
    return "Q's weights" if inspection.own_labels else "the class list"


def _inspect(generator: FittingGenerator, reader: SourceReader, count: int) -> Inspection | None:
    """Return what is made of images from all over the listing; None if none of them can be read."""
    batch = next(reader.batches([spread_over(len(reader.sources), count)]))
    if not batch.sources:
        return None
    return inspect(generator, batch.pixels(generator.runtime.device), batch.labels, batch.keys)
