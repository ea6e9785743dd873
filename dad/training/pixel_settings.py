"""All that decides the pixels of a virtual epoch's rows, as plain settings: equal settings, equal pixels."""

import argparse
from typing import Any

from dad.training.sampled_loader import SampledImages
from dad.training.views import DAD

_TRANSFORMS = (
    "no_aug", "train_crop_mode", "scale", "ratio", "hflip", "vflip", "color_jitter", "color_jitter_prob",
    "grayscale_prob", "gaussian_blur_prob", "aa", "reprob",
)  # fmt: skip
_MIXES = ("mixup", "cutmix", "cutmix_minmax", "mixup_prob", "mixup_switch_prob")


def resolve_pixel_settings(
    args: argparse.Namespace, data_config: dict[str, Any], images: SampledImages
) -> dict[str, Any]:
    """Return the settings of the views that `images` demands, but for the names of the views."""
    listing: Any = images.images.sources
    settings: dict[str, Any] = {
        "images": len(images),
        "listing": listing.keys.digest(),
        "seed": args.seed,
        "paired": images.demands.paired,
        "img_size": " ".join(map(str, data_config["input_size"])),
        "interpolation": images.transform_args["interpolation"],
        **{name: getattr(args, name) for name in _TRANSFORMS},
    }
    for name in ("grayscale_prob", "gaussian_blur_prob"):  # none of it is as good as no flag
        settings[name] = settings[name] or 0.0
    if images.epochs.mixes:
        settings |= {name: getattr(args, name) for name in _MIXES}
    if args.reprob > 0:
        settings |= {name: getattr(args, name) for name in ("remode", "recount")}
    if args.aa or args.reprob > 0:  # what fills a corner that was turned in, or an erased part
        settings |= {name: data_config[name] for name in ("mean", "std")}
    plain: dict[str, Any] = {name: _plain(value) for name, value in settings.items()}
    return plain | _of_dad_images(images)


def _of_dad_images(images: SampledImages) -> dict[str, Any]:
    """Return which DAD set a view is from, by its contents, and what stands in for an image that was not kept."""
    dad = images.images.dad_images
    if DAD not in images.demands.views or dad is None:
        return {}
    return {"dad_set": dad.dad_set.digest, "dad_missing": "substitute" if dad.substitute else "skip"}


def _plain(value: Any) -> Any:
    """Return a value as a settings file may hold it."""
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
