"""The images of an `Ask`: the views of `dad.training.views`, with draws that are a function of what is asked for."""

from collections.abc import Callable
from typing import Any

from PIL import Image
from torch.utils.data import Dataset

from dad.draws import Ask, drawing
from dad.training.batches import ImageLabel
from dad.training.views import ViewDataset


class SampledViews(Dataset[Any]):
    """Training images by `Ask` as (tuple of views, `ImageLabel`), or as (image, `ImageLabel`) for one view.

    Which DAD image stands in for one that was not kept, and every transform, is drawn by (seed, virtual epoch, key,
    view); views that are to show the same part of a picture share their draws.
    """

    def __init__(self, inner: ViewDataset, names: tuple[str, ...], paired: bool, seed: int):
        """`names` are those of the views of `inner`."""
        self.inner = inner
        self.seed = seed
        self.draw_names = ("",) * len(names) if paired else names

    @property
    def transform(self) -> Callable[[Image.Image], Any] | None:
        """Set by timm's create_loader."""
        return self.inner.transform

    @transform.setter
    def transform(self, transform: Callable[[Image.Image], Any]) -> None:
        self.inner.transform = transform

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, ask: Ask) -> tuple[Any, ImageLabel]:
        key = self.inner.sources[ask.image].key
        with drawing(self.seed, ask.view, key, "serve"):
            images, label = self.inner.serve(ask.image)
        label = label._replace(ask=ask)
        views = tuple(
            self._transform(image, ask.view, key, name) for image, name in zip(images, self.draw_names, strict=True)
        )
        return views[0] if len(views) == 1 else views, label

    def _transform(self, image: Image.Image, view: int, key: str, name: str) -> Any:
        assert self.inner.transform is not None
        with drawing(self.seed, view, key, name, "transform"):
            return self.inner.transform(image)
