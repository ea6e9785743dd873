"""timm's rules of how images and classes are listed, looked up when they are asked for: whoever only looks after a DAD
set does not have to wait until timm is imported."""

from functools import cache


def image_suffixes() -> tuple[str, ...]:
    """Return the suffixes of what counts as an image, in small letters, with their dots."""
    from timm.data.readers.img_extensions import get_img_extensions

    return tuple(get_img_extensions())


def natural_key(text: str) -> list[int | str]:
    """Return what `text` is sorted by in natural order, 9 before 10."""
    from timm.utils.misc import natural_key as key

    return list(key(text))


@cache
def imagenet_folders() -> tuple[str, ...]:
    """Return ImageNet's 1,000 WordNet ids in class order, which is their own."""
    from timm.data import ImageNetInfo

    return tuple(ImageNetInfo().label_names())
