"""What a result was made with besides its settings: versions of the packages, which may differ between runs."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("torch", "torchvision", "timm", "open_clip_torch", "taming-transformers", "diffusers", "pillow", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that touch pixels, e.g. {"torch": "2.9.1"}."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
