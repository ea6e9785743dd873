"""What a row of the table of test sets says of one of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# Photographs and drawings as people made them; changed or made by a program; shown to a camera under other light or
# settings; renders of 3D models; optimised against models; a user's own.
Kind = Literal["natural", "synthetic", "camera", "rendered", "adversarial", "own"]
Layout = Literal[
    "folders",
    "corruptions",
    "real",
    "objectnet",
    "outliers",
    "labels",
    "attributes",
    "cue_conflict",
    "stream",
    "mistakes",
    "groups",
    "factors",
    "edits",
]
Metric = Literal["top1", "mce", "mean_top1", "aupr", "shape_bias"]


@dataclass(frozen=True, eq=False)
class Variant:
    """A row of the table."""

    name: str
    title: str  # of its column in a report
    folders: tuple[str, ...]  # names below the data root; case counts as little as the difference of "-" and "_"
    source: str
    images: int  # of the published set, 0 if it is none or unknown; of each severity, where there are corruptions
    classes: int = 1000  # that it has images of
    kind: Kind = "own"  # of its images
    layout: Layout = "folders"  # how its files lie, and where what is right for each comes from (labels.py)
    # file of the class folders that it holds and is scored among, beside this one or timm's (subsets.py); "": all
    subset: str = ""
    any_classes: bool = False  # it may hold any part of the classes, and is scored among all of them (extra.py)
    part_of: str = ""  # the row that it is a part of: it holds images of some of its classes (part.py)
    folder_map: Mapping[str, str] = field(default_factory=dict)  # its class, by a folder (folder_map.py)
    numbered: bool = False  # class folders are named by class index
    merged: bool = False  # classes that one object folder stands for are scored as one (ObjectNet among 113)
    # file of the superclasses that its class folders are, each with the ImageNet classes in it (superclasses.py)
    superclasses: str = ""
    # what decides between columns that stand for several classes: the highest logit among these, or their mean
    # probability after a softmax over all classes
    pooling: Literal["max", "mean_probability"] = "max"
    imagenet_only: bool = False  # what is right for its images is told in ImageNet's classes
    cropped: bool = False  # images were resized and cropped when the set was made, so they are not cropped again
    border: int = 0  # pixels that are cut off at each side before anything else
    watermark: bool = False  # a watermark is laid over the resized and cropped image (package imagenet-w)
    filtered: bool = False  # made of a plain model's mistakes, or against its habits: accuracy may lie below chance
    metric: Metric = "top1"  # the headline number among its scores
    # group of images: the names that its folder may have (factors.py); its number is the mean over groups
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reference: str = ""  # the group of the images as they were before: it is told, and does not count
    class_file: str = ""  # what its class folders are (factors.py): a file beside this one, or JSON in the set's folder
    targets: Mapping[str, int] = field(default_factory=dict)  # ImageNet's class that a group is to be taken for
    corruptions: tuple[str, ...] = ()  # it has folders <corruption>/<severity>/<class> of these, which the metric needs
    extra_corruptions: tuple[str, ...] = ()  # and maybe of these, which do not count
    levels: int = 5  # severities of each corruption
    axes: tuple[str, str] = ("corruption", "severity")  # what these are, in a chart's words
    severity_folders: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # where not "1", "2" ..., by corruption
