"""The table of test sets: one row each. The files beside this one find and list their images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Layout = Literal["folders", "corruptions", "real", "objectnet", "outliers", "labels", "attributes"]


@dataclass(frozen=True, eq=False)
class Variant:
    """A row of the table."""

    name: str
    title: str  # of its column in a report
    folders: tuple[str, ...]  # names below the data root; case counts as little as the difference of "-" and "_"
    source: str
    images: int  # of the published set, 0 if it is none; of each severity, where there are corruptions
    classes: int = 1000  # that it has images of
    layout: Layout = "folders"  # how its files lie, and where what is right for each comes from (labels.py)
    # file of the class folders that it holds and is scored among, beside this one or timm's (subsets.py); "": all
    subset: str = ""
    any_classes: bool = False  # it may hold any part of the classes, and is scored among all of them (extra.py)
    numbered: bool = False  # class folders are named by class index
    merged: bool = False  # classes that one object folder stands for are scored as one (ObjectNet among 113)
    imagenet_only: bool = False  # what is right for its images is told in ImageNet's classes
    cropped: bool = False  # images were resized and cropped when the set was made, so they are not cropped again
    border: int = 0  # pixels that are cut off at each side before anything else
    watermark: bool = False  # a watermark is laid over the resized and cropped image (package imagenet-w)
    filtered: bool = False  # made of a plain model's mistakes, so accuracy may lie below chance
    metric: Literal["top1", "mce", "mean_top1", "aupr"] = "top1"  # the headline number among its scores
    corruptions: tuple[str, ...] = ()  # it has folders <corruption>/<severity>/<class> of these, which the metric needs
    extra_corruptions: tuple[str, ...] = ()  # and maybe of these, which do not count
    severity_folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # where not "1" to "5", by corruption


# Error of AlexNet, mean over the five severities, by which mCE divides (Hendrycks and Dietterich 2019, section 4.1).
ALEXNET_ERRORS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
# The four of extra.tar, which the 15 and mCE leave out.
EXTRA_CORRUPTIONS = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
SEVERITIES = range(1, 6)

# Mintun et al. name the folder of a severity by the strength that they chose for it.
C_BAR_SEVERITIES = {
    "blue_noise_sample": ("0.80", "1.60", "2.40", "4.00", "5.60"),
    "brownish_noise": ("1.00", "2.00", "3.00", "4.00", "5.00"),
    "caustic_refraction": ("2.35", "3.20", "4.90", "6.60", "9.15"),
    "checkerboard_cutout": ("2.00", "3.00", "4.00", "5.00", "6.00"),
    "cocentric_sine_waves": ("3.00", "5.00", "8.00", "9.00", "10.00"),
    "inverse_sparkles": ("1.00", "2.00", "4.00", "9.00", "10.00"),
    "perlin_noise": ("4.60", "5.20", "5.80", "7.60", "8.80"),
    "plasma_noise": ("4.75", "7.00", "8.50", "9.25", "10.00"),
    "single_frequency_greyscale": ("1.00", "1.50", "2.00", "4.50", "5.00"),
    "sparkles": ("1.00", "2.00", "3.00", "5.00", "6.00"),
}
CORRUPTIONS_3D = (
    "near_focus",
    "far_focus",
    "bit_error",
    "color_quant",
    "flash",
    "fog_3d",
    "h265_abr",
    "h265_crf",
    "iso_noise",
    "low_light",
    "xy_motion_blur",
    "z_motion_blur",
)

_VAL_FOLDERS = ("val", "validation", "imagenet-val", "ILSVRC2012_img_val")
_OBJECTNET_FOLDERS = ("objectnet-1.0", "objectnet", "objectnet-1.0-beta")

VARIANTS = (
    Variant("imagenet", "ImageNet", _VAL_FOLDERS, "Russakovsky et al. 2015", 50_000),
    Variant(
        "imagenetv2",
        "V2",
        ("imagenetv2-matched-frequency-format-val", "imagenetv2-matched-frequency", "imagenetv2"),
        "Recht et al. 2019, matched frequency",
        10_000,
        numbered=True,
    ),
    Variant("imagenet-r", "R", ("imagenet-r",), "Hendrycks et al. 2021a", 30_000, 200, subset="imagenet_r_synsets.txt"),
    Variant("imagenet-sketch", "Sketch", ("imagenet-sketch", "sketch"), "Wang et al. 2019", 50_889),
    Variant(
        "imagenet-c",
        "C",
        ("imagenet-c",),
        "Hendrycks and Dietterich 2019",
        50_000,
        layout="corruptions",
        cropped=True,
        metric="mce",
        corruptions=tuple(ALEXNET_ERRORS),
        extra_corruptions=EXTRA_CORRUPTIONS,
    ),
    Variant(
        "imagenet-style",
        "Stylized",
        ("imagenet-style", "imagenet-stylized", "stylized-imagenet/val", "stylized"),
        "Geirhos et al. 2019, validation images",
        50_000,
        cropped=True,
    ),
    Variant(
        "imagenet-a",
        "A",
        ("imagenet-a",),
        "Hendrycks et al. 2021b",
        7_500,
        200,
        subset="imagenet_a_synsets.txt",
        filtered=True,
    ),
    Variant(  # images on whose labels its annotators did not agree are left out
        "imagenet-real", "ReaL", _VAL_FOLDERS, "Beyer et al. 2020", 46_837, layout="real", imagenet_only=True
    ),
    Variant(
        "imagenetv2-threshold",
        "V2 threshold 0.7",
        ("imagenetv2-threshold0.7-format-val", "imagenetv2-threshold0.7", "imagenetv2-threshold"),
        "Recht et al. 2019, threshold 0.7",
        10_000,
        numbered=True,
    ),
    Variant(
        "imagenetv2-top",
        "V2 top images",
        ("imagenetv2-top-images-format-val", "imagenetv2-top-images", "imagenetv2-topimages-format-val"),
        "Recht et al. 2019, top images",
        10_000,
        numbered=True,
    ),
    Variant(  # every image of an object that ImageNet has, among all 1,000 classes
        "objectnet",
        "ObjectNet",
        _OBJECTNET_FOLDERS,
        "Barbu et al. 2019",
        18_574,
        113,
        layout="objectnet",
        imagenet_only=True,
        border=2,
    ),
    Variant(  # the same images among the 113 objects: the convention of CLIP's papers, with higher numbers
        "objectnet-113",
        "ObjectNet 113",
        _OBJECTNET_FOLDERS,
        "Barbu et al. 2019, among the 113 objects alone",
        18_574,
        113,
        layout="objectnet",
        merged=True,
        imagenet_only=True,
        border=2,
    ),
    Variant(  # 2,000 outliers, and the validation images of the 200 classes that a ResNet-50 took them for
        "imagenet-o",
        "O",
        ("imagenet-o",),
        "Hendrycks et al. 2021b",
        12_000,
        200,
        layout="outliers",
        metric="aupr",
    ),
    Variant(
        "imagenet-c-bar",
        "C-bar",
        ("imagenet-c-bar", "imagenet-cbar", "inc-bar"),
        "Mintun et al. 2021",
        50_000,
        layout="corruptions",
        cropped=True,
        metric="mean_top1",
        corruptions=tuple(C_BAR_SEVERITIES),
        severity_folders=C_BAR_SEVERITIES,
    ),
    Variant(  # AlexNet's errors are not known to us, so there is no mCE
        "imagenet-3dcc",
        "3DCC",
        ("imagenet-3dcc", "3dcc"),
        "Kar et al. 2022",
        50_000,
        layout="corruptions",
        cropped=True,
        metric="mean_top1",
        corruptions=CORRUPTIONS_3D,
    ),
    Variant(
        "imagenet-hard",
        "Hard",
        ("imagenet-hard",),
        "Taesiri et al. 2023",
        10_980,
        layout="labels",
        imagenet_only=True,
        filtered=True,
    ),
    Variant(
        "imagenet-d",
        "D",
        ("imagenet-d",),
        "Zhang et al. 2024",
        4_835,
        113,
        layout="attributes",
        imagenet_only=True,
        filtered=True,
    ),
    Variant("imagenet-w", "W", _VAL_FOLDERS, "Li et al. 2023, the validation images", 50_000, watermark=True),
    Variant("imagenet-cartoon", "Cartoon", ("imagenet-cartoon",), "Salvador and Oberman 2022", 50_000),
    Variant("imagenet-drawing", "Drawing", ("imagenet-drawing",), "Salvador and Oberman 2022", 50_000),
)
