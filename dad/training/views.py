"""Views: the versions of a training image that an objective asks for, the clean image first.

Adding a view is one function with `@view("<name>")` here: from the data set, an image's number and the clean image to
the view's image, or None where this image has none (it is then absent, and does not count).
"""

import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset

from dad.errors import DataError, UsageError
from dad.images.cutting import Cut
from dad.images.decoding import UnreadableError, decode_rgb
from dad.images.reading import read_rgb
from dad.images.source_list import SourceList
from dad.images.sources import SourceImage
from dad.shards import DadSet, DamagedSampleError
from dad.training.batches import ImageLabel

_logger = logging.getLogger(__name__)
CLEAN, DAD = "clean", "dad"
_BLANK = 32  # pixels a side of what stands in for an unreadable image of an evaluation
_TRIES = 50  # damaged images in a row after which it is the set, not bad luck

Serve = Callable[["ViewDataset", int, Image.Image], Image.Image | None]


@dataclass(frozen=True)
class Demands:
    """What an objective demands of the loader.

    Attributes:
        views: versions of a training image, the clean one first.
        needs_partner: a DAD image has to be the clean image's own.
        paired: also, all views are the same part of the picture under the same augmentation.
    """

    views: tuple[str, ...] = (CLEAN,)
    needs_partner: bool = False
    paired: bool = False


@dataclass(frozen=True)
class View:
    """How a view is served, and whether from a DAD set."""

    serve: Serve
    needs_dad_set: bool = False


VIEWS: dict[str, View] = {}


def view(name: str, needs_dad_set: bool = False) -> Callable[[Serve], Serve]:
    """Return the decorator that makes a function the view `name`."""

    def register(serve: Serve) -> Serve:
        assert name not in VIEWS, f"two functions serve the view '{name}'"
        VIEWS[name] = View(serve, needs_dad_set)
        return serve

    return register


@view(CLEAN)
def serve_clean(dataset: "ViewDataset", index: int, clean: Image.Image) -> Image.Image:
    """Return the image itself."""
    return clean


@view(DAD, needs_dad_set=True)
def serve_dad(dataset: "ViewDataset", index: int, clean: Image.Image) -> Image.Image | None:
    """Return the image's DAD image, or another's that stands in for it (`--dad-missing`)."""
    assert dataset.dad_images is not None
    return dataset.dad_images.open(index)


def resolve_views(objective: str, names: Sequence[str]) -> tuple[View, ...]:
    """Return the views that an objective names.

    Raises:
        UsageError: a view that nothing serves, a name that stands there twice, or another one than the clean first.
    """
    for name in names:
        if name not in VIEWS:
            known = ", ".join(VIEWS)
            raise UsageError(
                f"--objective {objective} asks for the view '{name}', which nothing serves; known are {known}"
            )
        if list(names).count(name) > 1:
            raise UsageError(f"--objective {objective} asks for the view '{name}' twice; each has a name of its own")
    if not names or names[0] != CLEAN:
        raise UsageError(f"--objective {objective} has the views {tuple(names)}; the first has to be '{CLEAN}'")
    return tuple(VIEWS[name] for name in names)


class ViewDataset(Dataset[Any]):
    """Training images as (image, `ImageLabel`), or as (tuple of views, `ImageLabel`) for several views."""

    # Set by timm's create_loader; each view draws its own augmentation. None: timm transforms what it is served.
    transform: Callable[[Image.Image], Any] | None = None

    def __init__(
        self,
        sources: Sequence[SourceImage],
        views: Sequence[View] = (VIEWS[CLEAN],),
        dad_images: "DadImages | None" = None,
        paired: bool = False,
        max_failed: int | None = None,
        longest: float = math.inf,
    ):
        """Serve `views` of `sources`, the clean one first.

        Args:
            dad_images: what views that need a DAD set are from.
            paired: the views show the same part of the picture under the same augmentation.
            max_failed: images that this process may fail to read, each of which is named; another one, drawn at
                random, then stands in. None is for evaluation: such an image is black and has the label -1.
            longest: how long an image may be, in shorter sides (`dad.images.cutting.Cut.longest`).
        """
        self.sources = sources
        self.max_failed = max_failed
        self.longest = longest
        self.failed: set[str] = set()  # keys
        self.views = tuple(views)
        self.dad_images = dad_images
        self.frame = None
        if paired and dad_images is not None:
            cut = frame_of(dad_images.dad_set)
            self.frame = cut.to_image()
            self.longest = min(longest, cut.longest)

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> tuple[Any, ImageLabel]:
        images, label = self.serve(index)
        if len(images) == 1:
            return images[0] if self.transform is None else self.transform(images[0]), label
        return self._transform_all(images), label

    def serve(self, index: int) -> tuple[list[Image.Image], ImageLabel]:
        """Return an image's views before augmentation, and what is known of it."""
        source = self.sources[index]
        try:
            clean = self._open(source)
        except UnreadableError as error:
            self._note_unreadable(source, error)
            if self.max_failed is None:
                return [Image.new("RGB", (_BLANK, _BLANK))], ImageLabel(-1, (True,), "")
            return self.serve(random.randrange(len(self)))
        served = [view.serve(self, index, clean) for view in self.views]
        present = tuple(image is not None for image in served)
        images = [clean if image is None else image for image in served]
        # nobody reads the class of images without any, but mixing wants one, and -1 means unreadable
        return images, ImageLabel(max(source.label, 0), present, source.key)

    def _transform_all(self, images: list[Image.Image]) -> tuple[Any, ...]:
        assert self.transform is not None
        if self.frame is None:
            return tuple(self.transform(image) for image in images)
        state = random.getstate(), np.random.get_state(), torch.get_rng_state()
        views = []
        for image in images:
            random.setstate(state[0])
            np.random.set_state(state[1])
            torch.set_rng_state(state[2])
            views.append(self.transform(image))
        return tuple(views)

    def _open(self, source: SourceImage) -> Image.Image:
        image = read_rgb(source, self.longest)
        return image if self.frame is None else self.frame(image)

    def _note_unreadable(self, source: SourceImage, error: UnreadableError) -> None:
        if source.key in self.failed:
            return
        self.failed.add(source.key)
        _logger.warning("%s: cannot be read as an image (%s); left out", source, error)
        limit = len(self.sources) - 1
        if self.max_failed is not None:
            limit = min(limit, self.max_failed)
        if len(self.failed) > limit:
            raise DataError(
                f"{len(self.failed)} images cannot be read, e.g. {source} ({error}); mend them, or allow more of them "
                f"by --max-failed (now {self.max_failed})"
            )


class DadImages:
    """The DAD images of some source images, by the sources' numbers."""

    def __init__(self, dad_set: DadSet, sources: Sequence[SourceImage], substitute: bool):
        """`substitute`: a DAD image that is not there is another one, drawn at random; otherwise it is absent."""
        self.dad_set = dad_set
        self.substitute = substitute
        self.damaged = 0  # images that this process has met
        self.partners = _partners(dad_set, sources)
        self._tell_of_partners(len(sources))

    def open(self, index: int) -> Image.Image | None:
        """Return the DAD image of source `index`, or None where it is absent.

        One that was damaged since the set was opened is as good as not there: a long run continues without it, and says
        so.

        Raises:
            DataError: many are damaged.
        """
        assert self.dad_set.image_extension is not None
        partner = int(self.partners[index])
        for _ in range(_TRIES):
            if partner < 0:
                if not self.substitute:
                    return None
                partner = random.randrange(len(self.dad_set))
            try:
                return decode_rgb(self.dad_set.read(partner, self.dad_set.image_extension))
            except (DamagedSampleError, UnreadableError) as error:
                self._report(partner, error)
            partner = -1
        raise DataError(f"{self.dad_set.root}: {_TRIES} images in a row are damaged; python -m dad.shards repair it")

    def _tell_of_partners(self, images: int) -> None:
        """Say how many images have a DAD image of their own: of a set that was made of other files none may have.

        Raises:
            DataError: none has one.
        """
        own = int((self.partners >= 0).sum())
        line = f"{own:,} of {images:,} training images have a DAD image of their own; {self.dad_set.root} holds "
        line += f"{len(self.dad_set):,} of {self.dad_set.ledger.sources:,} source images"
        if not own:
            example = self.dad_set.keys[0] if len(self.dad_set) else "nothing"
            raise DataError(
                f"{line}, e.g. '{example}': was it made of other files, or of tars? Names have to be the same"
            )
        if 2 * own < images:
            _logger.warning("%s; fewer than half, is it the set of this data?", line)
        else:
            _logger.info(line)

    def _report(self, partner: int, error: Exception) -> None:
        self.damaged += 1
        if self.damaged & (self.damaged - 1) == 0:  # at 1, 2, 4, ...: to be noticed, not to fill the log
            place = error if isinstance(error, DamagedSampleError) else f"{self.dad_set.keys[partner]}: {error}"
            _logger.warning("%s (read %d damaged images here, left out)", place, self.damaged)


def _partners(dad_set: DadSet, sources: Sequence[SourceImage]) -> NDArray[np.int64]:
    """Return the place in the set of each source's own DAD image, -1 where there is none."""
    if not isinstance(sources, SourceList) or not sources.keys.is_ascending():
        found = (dad_set.index_of(source.key) for source in sources)
        return np.array([-1 if partner is None else partner for partner in found], np.int64)
    partners = dad_set.positions_of(sources.keys)
    return partners if sources.order is None else partners[sources.order]


def frame_of(dad_set: DadSet) -> Cut:
    """Return what cuts from a source image the part that its DAD image shows, in the same size: a crop of one then has
    its like in the other."""
    return Cut.of_settings(dad_set.settings)
