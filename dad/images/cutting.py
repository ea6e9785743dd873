"""How an image is resized and cropped to what a network sees, without any augmentation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from timm.data import create_transform
from torchvision.transforms import Compose

from dad.images.decoding import MAX_PIXELS

BICUBIC, CENTER = "bicubic", "center"


@dataclass(frozen=True)
class Cut:
    """What timm's evaluation transform does before the image becomes a tensor.

    Attributes:
        side: pixels a side of the result.
        crop_pct: the share of the resized image's side that the crop keeps.
        interpolation: the filter, in timm's words.
        crop_mode: `center` resizes the shorter side and crops, `squash` resizes both, `border` resizes the longer one
            and fills up.
    """

    side: int
    crop_pct: float = 1.0
    interpolation: str = BICUBIC
    crop_mode: str = CENTER
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)  # the colour of borders

    @classmethod
    def of(cls, data_config: Mapping[str, Any], crop_pct: float | None = None) -> "Cut":
        """Return the cut of a network that wants its images as `data_config` says (`timm.data.resolve_data_config`);
        `crop_pct` is another share than its own."""
        return cls(
            max(data_config["input_size"][-2:]),
            data_config.get("crop_pct", 1.0) if crop_pct is None else crop_pct,
            data_config.get("interpolation") or BICUBIC,
            data_config.get("crop_mode") or CENTER,
            tuple(data_config.get("mean", cls.mean)),
        )

    @property
    def settings(self) -> dict[str, str]:
        """What a DAD set's settings say beyond side and share: nothing of a bicubic cut from the centre."""
        found = {"interpolation": self.interpolation, "crop_mode": self.crop_mode}
        if self.crop_mode == "border":
            found["border"] = " ".join(f"{round(255 * value)}" for value in self.mean)
        if self.crop_mode == CENTER:
            del found["crop_mode"]
        if self.interpolation == BICUBIC:
            del found["interpolation"]
        return found

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> "Cut":
        """Return the cut that the images of a DAD set were made by."""
        border = [int(level) / 255 for level in settings.get("border", "0 0 0").split()]
        return cls(
            settings["img_size"],
            settings["crop_pct"],
            settings.get("interpolation", BICUBIC),
            settings.get("crop_mode", CENTER),
            tuple(border),
        )

    @property
    def longest(self) -> float:
        """How long an image may be, in shorter sides, so that resizing it makes neither gigabytes nor nothing of it."""
        resized = self.side / self.crop_pct
        if self.crop_mode == "squash":
            return math.inf
        if self.crop_mode == "border":
            return resized
        return MAX_PIXELS / resized**2

    def to_array(self) -> Callable[[Image.Image], Any]:
        """Return what makes of an RGB image a uint8 array [3, side, side]."""
        transform: Callable[[Image.Image], Any] = self._transform(use_prefetcher=True)
        return transform

    def to_image(self) -> Callable[[Image.Image], Image.Image]:
        """Return what makes of an image one of `side` x `side` pixels."""
        resize_and_crop = self._transform().transforms[:2]  # no tensor yet
        frame: Callable[[Image.Image], Image.Image] = Compose(resize_and_crop)
        return frame

    def _transform(self, **options: Any) -> Any:
        return create_transform(
            self.side, interpolation=self.interpolation, crop_pct=self.crop_pct, crop_mode=self.crop_mode,
            mean=self.mean, **options,
        )  # fmt: skip
