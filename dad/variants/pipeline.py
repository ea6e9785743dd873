"""How the images of a test set become what a model sees: the model's own way, but for the set's rules."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image
from timm.data import create_transform

from dad.errors import UsageError
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

Pipeline = Callable[[Image.Image], Any]


def create_pipeline(
    data_config: Mapping[str, Any],
    variant: Variant | None = None,
    *,
    is_cropped: bool = False,
    use_prefetcher: bool = False,
) -> Pipeline:
    """Return timm's evaluation transform with the rules of `variant`.

    Sets that were cropped when they were made are not cropped again; at the model's size they pass unchanged.

    Args:
        data_config: as `timm.data.resolve_data_config` returns it.
        is_cropped: of images that are in no row of the table.
    """
    settings = dict(data_config)
    if is_cropped or (variant is not None and variant.cropped):
        settings["crop_pct"] = 1.0
    if variant is not None and variant.border:
        settings["crop_border_pixels"] = variant.border
    pipeline: Pipeline = create_transform(is_training=False, use_prefetcher=use_prefetcher, **settings)
    if variant is not None and variant.watermark:
        _add_watermark(pipeline, data_config["input_size"][-1])
    return pipeline


def find_rule(name: str, folder: Path) -> Variant | None:
    """Return the row whose rules hold for the images of a folder: that of its `name`, else of the folder's own name or
    of one above it (a corruption's, say)."""
    named = next((variant for variant in VARIANTS if variant.name == _plain(name)), None)
    if named is not None:
        return named
    parts = [_plain(part) for part in folder.resolve().parts]
    for variant in VARIANTS:
        if not (variant.cropped or variant.border):  # the others are shown as any folder is
            continue
        for place in variant.folders:
            wanted = [_plain(part) for part in Path(place).parts]
            if any(parts[start : start + len(wanted)] == wanted for start in range(len(parts))):
                return variant
    return None


def _add_watermark(pipeline: Any, size: int) -> None:
    """Lay ImageNet-W's watermark over what the crop leaves of an image, before it becomes a tensor."""
    if find_spec("imagenet_w") is None:
        raise UsageError("imagenet-w needs the package that draws its watermark: pip install imagenet-w")
    from imagenet_w import AddWatermark

    crop = next(place for place, step in enumerate(pipeline.transforms) if "Crop" in type(step).__name__)
    pipeline.transforms.insert(crop + 1, AddWatermark(size))


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")
