"""Rows of sets in which one thing about an object or an image was changed: by factor, by patch, by edit."""

from dad.variants.variant import Variant

PUG_FACTORS = (
    "Worlds",
    "Camera_Pitch",
    "Camera_Yaw",
    "Camera_Roll",
    "Object_Pitch",
    "Object_Yaw",
    "Object_Roll",
    "Object_Scale",
    "Object_Texture",
    "Scene_Light",
)
SI_SCORE_FACTORS = {  # as its archives have them, and its bucket
    "size": ("area", "size", "object_size"),
    "location": ("location20_area02_min0pc", "location", "object_location"),
    "rotation": ("rotation", "object_rotation"),
}
# ImageNet's class that each patch of ImageNet-Patch makes models see.
PATCHES = {
    "cellular telephone": 487,
    "cornet": 513,
    "electric guitar": 546,
    "hair spray": 585,
    "soap dispenser": 804,
    "sock": 806,
    "typewriter keyboard": 878,
    "plate": 923,
    "banana": 954,
    "cup": 968,
}

EDITS = (
    # Renders of 151 objects, each in ten folders of what was changed; an object may be several classes, and two of the
    # objects are one. Read from facebookresearch/PUG (files, counts) and from an evaluation of others, which reads
    # <factor>/<object>/ beside the repository's class_to_imagenet_idx.json; it cuts 256 of the 512 pixels from the
    # middle, we cut as the model does.
    Variant(
        "pug-imagenet",
        "PUG",
        ("pug-imagenet",),
        "Bordes et al. 2023, facebookresearch/PUG",
        88_328,
        151,
        kind="rendered",
        layout="factors",
        imagenet_only=True,
        metric="mean_top1",
        groups={name: (name,) for name in PUG_FACTORS},
        class_file="class_to_imagenet_idx.json",
    ),
    # Objects of 61 classes pasted onto backgrounds: layout, names and counts as in TensorFlow Datasets' siscore. Not
    # every class has an image of every size and angle, so class folders may be without images.
    Variant(
        "si-score",
        "SI-Score",
        ("si-score", "siscore"),
        "Djolonga et al. 2021",
        673_972,
        61,
        kind="synthetic",
        layout="factors",
        imagenet_only=True,
        metric="mean_top1",
        groups=SI_SCORE_FACTORS,
        class_file="si_score.txt",
    ),
    # 5,000 validation images under each of ten patches, a folder for each, named by the class that its patch is for.
    # Layout and number as in shift-happens' imagenet_patch.py, which does not resize; classes without an image among
    # the 5,000 have empty folders.
    Variant(
        "imagenet-patch",
        "Patch",
        ("imagenet-patch",),
        "Pintor et al. 2022",
        50_000,
        kind="adversarial",
        layout="factors",
        imagenet_only=True,
        cropped=True,
        metric="mean_top1",
        groups={name: (str(number),) for name, number in PATCHES.items()},
        targets=PATCHES,
    ),
    # Edits of validation images. That there are labels.txt, ori/ and a folder for each edit was read from
    # gabrielkasmi/spectral-attribution; which edits there are, and how many images, was not.
    Variant(
        "imagenet-e",
        "E",
        ("imagenet-e",),
        "Li et al. 2023, ImageNet-E",
        0,
        0,
        kind="synthetic",
        layout="edits",
        imagenet_only=True,
        metric="mean_top1",
        reference="ori",
    ),
    # 68 validation images that good models got badly wrong, with all classes that experts found right or were not sure
    # of (shift-happens' imagenet_m.py).
    Variant(
        "imagenet-m",
        "M",
        ("imagenet-m",),
        "Vasudevan et al. 2022",
        68,
        kind="natural",
        layout="mistakes",
        imagenet_only=True,
        filtered=True,
    ),
)
