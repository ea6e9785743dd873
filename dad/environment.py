"""What a result was made with besides its settings: versions of the packages, which may differ between runs."""

import platform
from importlib.metadata import PackageNotFoundError, version

from PIL import features

_PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", "taming-transformers", "diffusers", "pillow", "numpy")


def pixel_versions() -> str:
    """Return the versions of what decodes and augments images, e.g. "pillow 12.0.0 (libjpeg-turbo 3.1.2), ...": another
    one may give other pixels."""
    found = versions()
    codec = features.version("libjpeg_turbo") or features.version("jpg")
    others = ", ".join(f"{name} {found[name]}" for name in ("numpy", "timm", "torch", "torchvision"))
    return f"pillow {found['pillow']} (jpeg {codec}), {others}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that touch pixels, e.g. {"torch": "2.9.1"}."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
