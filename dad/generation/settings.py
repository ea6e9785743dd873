"""What decides the images of a DAD set, gathered from the flags and from what they build."""

from argparse import Namespace

from dad.args.generate import resolve_keep
from dad.attacks import Attack
from dad.errors import UsageError
from dad.files import Settings
from dad.images.classes import ClassList
from dad.images.cutting import Cut
from dad.shards.manifest import OWN_LABELS


def resolve_settings(
    args: Namespace, classes: ClassList, teacher: Settings, discretizer: Settings, attack: Attack | None, cut: Cut
) -> Settings:
    """Return everything that decides what the images will be: the fingerprint of a set is made of it."""
    names = ["crop_pct", "store", "seed"]
    if "image" in args.store:
        names += ["image_format", "image_quality"]
    return {
        "class_list": classes.digest,
        "keep": resolve_keep(args),
        **({"labels": OWN_LABELS} if args.unlabelled else {}),
        **teacher,
        **discretizer,
        **_attack_settings(attack),
        **{name: getattr(args, name) for name in names},
        "img_size": cut.side,
        **cut.settings,
        "amp": args.amp_dtype if args.amp else "off",
    }


def resolve_img_size(args: Namespace, of_teacher: int, multiple: int) -> int:
    """Return the side of the images: the teacher's, which has to be a multiple of what a code stands for.

    Raises:
        UsageError: `--img-size` is another one, or the teacher's does not suit the discretiser.
    """
    img_size: int = args.img_size or of_teacher
    if img_size != of_teacher:
        raise UsageError(
            f"--img-size {img_size}, but the teacher was made for {of_teacher} px; a CLIP scales them with "
            f"--teacher-img-size {img_size}"
        )
    if img_size % multiple:
        raise UsageError(f"--img-size {img_size} is not a multiple of {multiple}, the side of a code")
    return img_size


def _attack_settings(attack: Attack | None) -> Settings:
    """Return what decides what the attack does; sets from before there was a choice of precision are of float32."""
    if attack is None:
        return {"attack": "none"}
    told = {name: value for name, value in vars(attack).items() if name != "precision" or value != "fp32"}
    return {f"attack_{name}": value for name, value in told.items()}
