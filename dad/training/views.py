"""Views: the versions of a training image that an objective asks for.

`clean` is the image, `dad` its DAD image. Views of a batch are stacked view by view, [V*B, C, H, W], as timm's collate
does it; the label of a DAD image that is not there is -1.
"""

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data import Mixup, create_transform
from timm.data.loader import fast_collate
from torch import Tensor
from torch.utils.data import Dataset, default_collate
from torchvision.transforms import Compose

from dad.errors import DataError
from dad.images.reading import UnreadableError, decode_rgb, read_rgb
from dad.images.sources import SourceImage
from dad.shards import DadSet, DamagedSampleError

_logger = logging.getLogger(__name__)
CLEAN, DAD = "clean", "dad"
_TRIES = 50  # damaged images in a row after which it is the set, not bad luck


class ViewDataset(Dataset[Any]):
    """Training images as (image, label), or as (tuple of views, label, whether the DAD view is there) for several
    views."""

    # Set by timm's create_loader; each view draws its own augmentation. None: timm transforms what it is served.
    transform: Callable[[Image.Image], Any] | None = None

    def __init__(
        self,
        sources: Sequence[SourceImage],
        views: Sequence[str] = (CLEAN,),
        dad_set: DadSet | None = None,
        substitute: bool = True,
        paired: bool = False,
    ):
        """Serve `views` of `sources`.

        Args:
            dad_set: where the DAD view is from.
            substitute: a DAD image that is not there is another one, drawn at random; otherwise it is absent.
            paired: the views show the same part of the picture under the same augmentation.
        """
        self.sources = sources
        self.damaged = 0  # damaged DAD images that this process has met
        self.views = tuple(views)
        self.dad_set = dad_set
        self.substitute = substitute and not paired
        self.frame = _frame_of(dad_set) if paired and dad_set is not None else None
        if dad_set is not None:
            partners = [dad_set.index_of(source.key) for source in sources]
            self.partners = np.array([-1 if partner is None else partner for partner in partners])

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Any:
        clean = self._open(index)
        if self.views == (CLEAN,):
            return clean if self.transform is None else self.transform(clean), self.sources[index].label
        dad = None if self.dad_set is None else self._open_dad(self.dad_set, index)
        images = [clean if view == CLEAN or dad is None else dad for view in self.views]
        return self._transform_all(images), self.sources[index].label, self.dad_set is None or dad is not None

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

    def _open(self, index: int) -> Image.Image:
        source = self.sources[index]
        try:
            image = read_rgb(source)
            return image if self.frame is None else self.frame(image)
        except UnreadableError as error:
            raise DataError(f"{source}: cannot be read as an image ({error}); replace or remove it") from None

    def _open_dad(self, dad_set: DadSet, index: int) -> Image.Image | None:
        """Return the DAD image, or None where it is absent. One that was damaged since the set was opened is as good as
        not there: a long run goes on without it, and says so."""
        assert dad_set.image_extension is not None
        partner = int(self.partners[index])
        for _ in range(_TRIES):
            if partner < 0:
                if not self.substitute:
                    return None
                partner = random.randrange(len(dad_set))
            try:
                return decode_rgb(dad_set.read(partner, dad_set.image_extension))
            except DamagedSampleError as error:
                self._report(error)
            partner = -1
        raise DataError(f"{dad_set.root}: {_TRIES} images in a row are damaged; python -m dad.shards repair it")

    def _report(self, error: DamagedSampleError) -> None:
        self.damaged += 1
        if self.damaged & (self.damaged - 1) == 0:  # at 1, 2, 4, ...: to be noticed, not to fill the log
            _logger.warning("%s (read %d damaged images here, left out)", error, self.damaged)


def _frame_of(dad_set: DadSet) -> Callable[[Image.Image], Image.Image]:
    """Return what cuts from a source image the part that its DAD image shows, in the same size: a crop of one then has
    its like in the other."""
    size, crop_pct = dad_set.settings["img_size"], dad_set.settings["crop_pct"]
    as_generated = create_transform(size, interpolation="bicubic", crop_pct=crop_pct, crop_mode="center")
    frame: Callable[[Image.Image], Image.Image] = Compose(as_generated.transforms[:2])  # resize, crop; no tensor yet
    return frame


def collate_views(items: list[tuple[tuple[Any, ...], int, bool]]) -> tuple[Tensor, Tensor]:
    """Stack the views of B items: uint8 [V*B, C, H, W] and labels [V*B], -1 for a DAD image that is not there."""
    images, labels = fast_collate([(views, label) for views, label, _ in items])
    present = torch.tensor([present for *_, present in items])
    labels[len(items) :][~present.repeat(len(labels) // len(items) - 1)] = -1
    return images, labels


def collate_float_views(items: list[tuple[tuple[Tensor, ...], int, bool]]) -> tuple[Tensor, Tensor]:
    """Do what `collate_views` does for images that are tensors already (without timm's prefetcher)."""
    views = default_collate([views for views, *_ in items])
    labels = [label if present else -1 for _, label, present in items]
    clean = [label for _, label, _ in items]
    return torch.cat(list(views)), torch.tensor(clean + labels * (len(views) - 1))


def split_views(input: Tensor, labels: Tensor, views: int, mixup: Mixup | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Take a loader's batch apart, and mix within each view.

    Mixup is drawn once and applied to every view alike, as if views were channels, so clean images never blend with
    DAD images.

    Args:
        input: [V*B, C, H, W]. labels: [V*B], or already mixed [B, K] for one view.

    Returns:
        input [V*B, C, H, W]; the target of the clean view, [B] or, mixed, [B, K]; for several views which DAD images
        count, float [B] (one that was blended with a missing one does not), else None.
    """
    if views == 1:
        return (input, labels, None) if mixup is None else (*mixup(input, labels), None)
    batch = len(labels) // views
    present = (labels[batch:].view(views - 1, batch) >= 0).all(dim=0).float()
    target = labels[:batch]
    if mixup is None:
        return input, target, present
    as_channels = input.view(views, batch, *input.shape[1:]).transpose(0, 1).flatten(1, 2)
    mixed, target = mixup(as_channels.contiguous(), target)
    input = mixed.view(batch, views, *input.shape[1:]).transpose(0, 1).reshape(input.shape)
    blended = present * present.flip(0) if mixup.mixup_enabled else present
    return input, target, blended  # timm blends image i with image B-1-i
