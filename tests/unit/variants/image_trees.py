"""Made-up trees of every test set, of empty files: what is listed is decided by names."""

import io
import json
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from edit_trees import MAKERS, make_tree, val_name

from dad.images.classes import ClassList, imagenet_folders
from dad.variants import ImageSet
from dad.variants.subsets import load_subset
from dad.variants.superclasses import load_superclasses
from dad.variants.table import VARIANTS
from dad.variants.variant import Variant

BY_NAME = {variant.name: variant for variant in VARIANTS}
WNIDS = imagenet_folders()
IMAGENET = ClassList(WNIDS, WNIDS)
CLASSES = ClassList(("zebra", "ant", "cat"), ("zebra", "ant", "cat"))
ALL = tuple(f"{name}/0.jpg" for name in CLASSES.folders)
OBJECTS = {"alarm_clock": ("Alarm clock", "analog clock; digital clock"), "tie": ("Tie", "bow tie"), "rug": ("Rug", "")}
OBJECTNET_LINES = {"409": 3, "530": 1, "457": 0}  # ImageNet's class: line of its name
OBJECTNET_NAMES = ("bow tie", "digital clock", "a name that nobody maps", "analog clock")


def parts(*names: str) -> tuple[str, ...]:
    """An image of every class of `CLASSES` in each of the folders `names`."""
    return tuple(f"{name}/{image}" for name in names for image in ALL)


def objects_of_d() -> list[str]:
    """The object folders of ImageNet-D."""
    import dad.variants

    lines = (Path(dad.variants.__file__).parent / "imagenet_d.txt").read_text().splitlines()
    return [line.split()[0] for line in lines]


def make_objectnet(folder: Path) -> Path:
    """Make ObjectNet of two objects that ImageNet has, one of them twice, and one that it has not."""
    make_tree(folder, *(f"images/{name}/0.png" for name in OBJECTS), "README")
    mappings = folder / "mappings"
    mappings.mkdir()
    labels = {name: label for name, (label, _) in OBJECTS.items()}
    known = {label: names for label, names in OBJECTS.values() if names}
    (mappings / "folder_to_objectnet_label.json").write_text(json.dumps(labels))
    (mappings / "objectnet_to_imagenet_1k.json").write_text(json.dumps(known))
    (mappings / "pytorch_to_imagenet_2012_id.json").write_text(json.dumps(OBJECTNET_LINES))
    (mappings / "imagenet_to_label_2012_v2").write_text("\n".join(OBJECTNET_NAMES) + "\n")
    return folder


def make_hard(folder: Path, labels: dict[str, object], names: list[str]) -> Path:
    """Make ImageNet-Hard of the files `names`, with the content of labels.json."""
    make_tree(folder, *(f"images/{name}" for name in names))
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder


def make_val(root: Path, folders: tuple[str, ...] = WNIDS) -> Path:
    """Make an image in each class folder of `root/val`, numbered as ImageNet's validation images are."""
    return make_tree(root / "val", *(f"{name}/{val_name(number)}" for number, name in enumerate(folders, start=1)))


def superclasses_of(variant: Variant) -> tuple[str, ...]:
    """The folders of the superclasses of a row."""
    return load_superclasses(variant, IMAGENET).folders.folders


def first_folder(variant: Variant, place: int = 0) -> str:
    """The folder of a corruption's first severity, as the set was published."""
    corruption = variant.corruptions[place]
    return f"{corruption}/{variant.severity_folders.get(corruption, ('1',))[0]}"


def write_sample(
    archive: tarfile.TarFile, number: int, label: int, content: bytes = b"pixels", source: str | None = None
) -> None:
    """Write a sample as CCC's generate.py does; `source` is the folder that it tells, None: that of the class."""
    told = f"++dir++{WNIDS[label] if source is None else source}++name++ILSVRC2012_val_00000001.JPEG++n1++fog++s1++1.0"
    for suffix, value in ((".info", told.encode()), (".input.jpg", content), (".output.cls", str(label).encode())):
        member = tarfile.TarInfo(f"sample_{number}{suffix}")
        member.size = len(value)
        archive.addfile(member, io.BytesIO(value))


def write_stream(folder: Path, *tars: Iterable[int], first: int = 0) -> Path:
    """Write a stream's tars, each of images of these classes, from the serial number `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for serial, labels in enumerate(tars, start=first):
        with tarfile.open(folder / f"serial_{serial:05d}.tar", "w") as archive:
            for number, label in enumerate(labels):
                write_sample(archive, number, label)
    return folder


def make_set(folder: Path, variant: Variant, val: Path) -> Path:
    """Make a small, whole tree of `variant` for ImageNet's class list, mostly of links into `val` (of `make_val`)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if variant.name in MAKERS:
        return MAKERS[variant.name](folder)
    if variant.layout == "objectnet":
        return make_objectnet(folder)
    if variant.layout == "labels":
        return make_hard(folder, {"0.png": [2, 1], "1.png": [5]}, ["0.png", "1.png"])
    if variant.layout == "attributes":
        pairs = [(part, name) for part in ("background", "texture", "material") for name in objects_of_d()]
        return make_tree(folder, *(f"{part}/{name}/0.png" for part, name in pairs), "questions/texture.csv")
    if variant.layout == "outliers":
        return link(folder, {name: val / name for name in WNIDS[100:300]})
    if variant.layout == "stream":
        for names in variant.severity_folders.values():
            write_stream(folder / names[0], [3], [0])
        return folder
    if variant.layout == "cue_conflict":
        names = superclasses_of(variant)
        pairs = [*zip(names, (*names[1:], names[0]), strict=True), ("cat", "cat")]
        return make_tree(folder, *(f"{shape}/{shape}1-{texture}2.png" for shape, texture in pairs))
    if variant.superclasses:
        places = (first_folder(variant), first_folder(variant, -1))
        return make_tree(folder, *(f"{place}/{name}/0.jpg" for place in places for name in superclasses_of(variant)))
    if variant.layout == "corruptions" and variant.subset:
        places = (first_folder(variant), first_folder(variant, -1))
        return link(folder, {f"{place}/{name}": val / name for place in places for name in load_subset(variant)})
    if variant.layout == "corruptions":
        return link(folder, {f"{variant.corruptions[0]}/1": val, f"{variant.corruptions[-1]}/5": val})
    if variant.numbered:
        return link(folder, {str(index): val / name for index, name in enumerate(WNIDS)})
    if variant.subset:
        return link(make_tree(folder, "README.txt"), {name: val / name for name in load_subset(variant)})
    folder.symlink_to(val)
    return folder


def link(folder: Path, targets: dict[str, Path]) -> Path:
    """Make links below `folder`, which is returned."""
    for name, target in targets.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)
    return folder


def by_place(image_set: ImageSet) -> dict[str, int]:
    """Label of each image by the end of its path."""
    places = ["/".join(os.fsdecode(path).split("/")[-2:]) for path in image_set.paths]
    return dict(zip(places, image_set.labels.tolist(), strict=True))


def accepted(image_set: ImageSet) -> list[list[int]]:
    """The columns that are right for each image, where they are more than its label's."""
    offsets, columns = image_set.accepted
    return [part.tolist() for part in np.split(columns, offsets[1:-1])]
