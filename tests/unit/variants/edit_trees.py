"""Made-up trees of the sets in which one thing was changed (`dad.variants.edits`), of empty files."""

import json
from pathlib import Path

from dad.images.classes import imagenet_folders
from dad.variants.edits import PATCHES, PUG_FACTORS

WNIDS = imagenet_folders()


def make_tree(folder: Path, *names: str) -> Path:
    """Make empty files below `folder`, which is returned."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def val_name(number: int) -> str:
    """The file name of ImageNet's validation image `number`, from 1 on."""
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def make_pug(folder: Path, mapping: object = None) -> Path:
    """Make PUG of three objects, one of which is two classes, in its ten factors."""
    found = {"Goldfish": [1], "Wolf": [269, 270], "Shirt": [841]} if mapping is None else mapping
    names = [f"{factor}/{name}/0.png" for factor in PUG_FACTORS for name in ("GoldFish", "Wolf", "Shirt")]
    make_tree(folder, *names, "labels_pug_imagenet.csv")
    (folder / "class_to_imagenet_idx.json").write_text(json.dumps(found))
    return folder


def make_si_score(folder: Path) -> Path:
    """Make SI-Score of two classes, one of which has no image of any angle."""
    make_tree(folder, "area/kite/0.jpg", "area/zebra/1.jpg", "rotation/zebra/0.jpg", "area/backgrounds.csv")
    make_tree(folder, "location20_area02_min0pc/zebra/0.jpg")
    (folder / "rotation" / "kite").mkdir()
    return folder


def make_patch(folder: Path) -> Path:
    """Make ImageNet-Patch of three classes, one of them without images."""
    for number in PATCHES.values():
        make_tree(folder, f"{number}/{WNIDS[954]}/0.png", f"{number}/{WNIDS[3]}/0.png")
        (folder / str(number) / WNIDS[0]).mkdir()
    return folder


def make_edits(folder: Path, labels: str = "") -> Path:
    """Make ImageNet-E of two images in two edits."""
    names = [val_name(number).removesuffix(".JPEG") for number in (7, 2)]
    make_tree(folder, *(f"{edit}/{name}.png" for edit in ("bg_20", "0.08") for name in names), "eval.py")
    make_tree(folder, *(f"ori/{name}.JPEG" for name in names))
    (folder / "labels.txt").write_text(labels or f"{names[0]}.JPEG\t65\n{names[1]}.JPEG\t970\n")
    return folder


def make_mistakes(folder: Path, content: object = None) -> Path:
    """Make ImageNet-M of three validation images of `make_val`."""
    notes = {
        val_name(1): {"correct": [WNIDS[5], WNIDS[0]], "unclear": [WNIDS[9]], "wrong": [WNIDS[1]]},
        val_name(3): {"correct": [WNIDS[7]], "wrong": [WNIDS[2]]},
        val_name(4): {"correct": [], "unclear": [WNIDS[3]]},
        val_name(8): {"correct": [WNIDS[7]]},  # none of the 68
    }
    folder.mkdir(parents=True, exist_ok=True)
    found = {"imagenet_m": [val_name(4), val_name(1), val_name(3)], "initial_annots": notes}
    (folder / "human_accuracy_v3.0.0.json").write_text(json.dumps(found if content is None else content))
    return folder


MAKERS = {
    "pug-imagenet": make_pug,
    "si-score": make_si_score,
    "imagenet-patch": make_patch,
    "imagenet-e": make_edits,
    "imagenet-m": make_mistakes,
}
