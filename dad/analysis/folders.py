"""Images of any folder, in class folders or not, or of a DAD set: a random sample of them, all under one transform."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from PIL import Image
from timm.data.readers.img_extensions import get_img_extensions
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from dad.errors import DataError
from dad.images.decoding import UnreadableError, decode_rgb, open_rgb
from dad.shards import DadSet

Transform = Callable[[Image.Image], Tensor]


def open_folder(folder: Path, transform: Transform) -> Dataset[Tensor]:
    """Return the images of a folder, or of a DAD set, as a data set of normalised images [3, H, W].

    Raises:
        DataError: no such folder, no images in it, or a DAD set that is not finished or holds codes only.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one of images, in class folders or not, or a DAD set")
    if is_dad_set(folder):
        return _DadImages(folder, transform)
    return _Files(folder, transform)


def is_dad_set(folder: Path) -> bool:
    """Whether a folder is a DAD set."""
    return (folder / "settings.json").is_file()


def sample_batches(
    images: Dataset[Tensor], num_batches: int, batch_size: int, seed: int, workers: int
) -> tuple[int, Iterable[Tensor]]:
    """Draw images without replacement, so that a part of a sorted folder is not its first classes.

    Returns:
        (number of images, batches [B, 3, H, W] of them); all images, if there are fewer than were asked for.
    """
    count = len(images)  # type: ignore[arg-type]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[: num_batches * batch_size].tolist()
    return len(order), DataLoader(Subset(images, order), batch_size, num_workers=workers)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield every folder and the names in it, links followed; none twice, however links lead back."""
    seen = set[tuple[int, int]]()
    for parent, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(parent)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        yield parent, names


class _Files(Dataset[Tensor]):
    def __init__(self, folder: Path, transform: Transform):
        suffixes = get_img_extensions(as_set=True)
        self.transform = transform
        self.paths = sorted(
            os.path.join(parent, name)  # noqa: PTH118  (a million Path objects would cost a gigabyte)
            for parent, names in _walk(folder)
            for name in names
            if os.path.splitext(name)[1].lower() in suffixes  # noqa: PTH122
        )
        if not self.paths:
            raise DataError(f"{folder}: no images ({' '.join(get_img_extensions())}) in it or in folders below it")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        path = Path(self.paths[index])
        try:
            return self.transform(open_rgb(path))
        except UnreadableError as error:
            raise DataError(f"{path}: cannot be read as an image ({error}); replace or remove it") from None


class _DadImages(Dataset[Tensor]):
    def __init__(self, folder: Path, transform: Transform):
        self.transform = transform
        self.dad_set = DadSet.open(folder)
        if self.dad_set.image_extension is None:
            raise DataError(f"{folder} holds codes only; python -m dad.shards hydrate {folder} --out DIR makes images")

    def __len__(self) -> int:
        return len(self.dad_set)

    def __getitem__(self, index: int) -> Tensor:
        extension = self.dad_set.image_extension
        assert extension is not None
        try:
            return self.transform(decode_rgb(self.dad_set.read(index, extension)))
        except UnreadableError as error:
            key = self.dad_set.keys[index]
            raise DataError(f"{self.dad_set.root}: {key} cannot be read as an image ({error})") from None
