"""The making of a DAD set (paper, section 3.3 and appendix C)."""

import re
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from pathlib import Path

from dad.ahead import ask_ahead
from dad.args.checks import AUTO, count_or_auto, missing_flags, require_given, require_numbers
from dad.args.switches import Switch
from dad.errors import UsageError
from dad.plugins import ask_plugin, list_plugins

CORRECT, UNCHANGED = "teacher-correct", "teacher-unchanged"
STATS_BEFORE = ("sample", "all", "none")


def add_generate_args(parser: ArgumentParser) -> None:
    """Add what is read, what is kept and how it is stored."""
    group = parser.add_argument_group("DAD set")
    group.add_argument("--dad-dir", default=None, type=str, metavar="DIR", help="where the DAD set is written")
    group.add_argument("--train-split", default="train", metavar="NAME", help="folder of the source images")
    group.add_argument("--img-size", default=None, type=int, metavar="N", help="side in pixels; default: the teacher's")
    # The paper is silent; 1.0 keeps the whole short side and leaves the student's random crop the most to choose from.
    group.add_argument("--crop-pct", default=1.0, type=float, metavar="X", help="share of the short side in the crop")
    group.add_argument(
        "--keep",
        default=None,
        type=str,
        choices=[CORRECT, UNCHANGED, "all"],
        help=f"drop images that the teacher no longer gets right ({CORRECT}, the default), of --unlabelled ones those "
        f"whose first choice is no longer the source's ({UNCHANGED}, the default there), or none",
    )
    group.add_argument("--shard-size", default=1000, type=int, metavar="N", help="source images per shard")
    group.add_argument(
        "--store",
        default="codes,image",
        type=str,
        choices=["codes,image", "codes", "image"],
        metavar="KINDS",
        help="codes (VQ codes: exact, small), image (encoded images: fast to read) or codes,image",
    )
    group.add_argument(
        "--image-format", default="jpeg", type=str, choices=["jpeg", "png", "webp"], help="of the encoded images"
    )
    group.add_argument("--image-quality", default=95, type=int, metavar="Q", help="of jpeg, 1 to 100")
    group.add_argument(
        "-b",
        "--batch-size",
        default=64,
        type=count_or_auto,
        metavar="N",
        help="images per process; auto: the largest power of two that the device's memory holds",
    )
    group.add_argument("-j", "--workers", default=4, type=int, metavar="N", help="threads that read images")
    group.add_argument(
        "--read-timeout",
        default=60.0,
        type=float,
        metavar="S",
        help="seconds that a file may take, twice, before the run stops",
    )
    group.add_argument(
        "--max-failed", default=100, type=int, metavar="N", help="unreadable files at which a process stops"
    )
    _add_share_args(group)
    _add_look_args(group)


def _add_share_args(group: _ArgumentGroup) -> None:
    """Add which part of a set a run makes, or makes again."""
    group.add_argument(
        "--shard-range", default="", type=str, metavar="A:B", help="shards A to B-1 alone, for a job array"
    )
    group.add_argument(
        "--retry-unreadable", default=False, action=Switch, help="make shards with unreadable images again"
    )
    group.add_argument(
        "--extend",
        default=False,
        action=Switch,
        help="add the images that are new in the source to the set in --dad-dir, as further shards; the others stay",
    )
    group.add_argument("--redo-shards", default="", type=str, metavar="LIST", help="shards to make again, e.g. 3,17")


def _add_look_args(group: _ArgumentGroup) -> None:
    """Add what is looked at besides the images themselves, before and while they are made."""
    # What the teacher says of Q(x) is a tenth of an image's work, and decides nothing where there is an attack.
    group.add_argument(
        "--stats-before",
        default="sample",
        type=str,
        choices=STATS_BEFORE,
        help="the teacher's verdict on Q(x), which is a statistic: of a fixed 1 %% of the images and of those whose "
        "attack starts there anyway (sample), of all, or of none",
    )
    group.add_argument("--preview", default=8, type=int, metavar="N", help="images in preview.png, made first")
    group.add_argument("--gallery", default=16, type=int, metavar="N", help="images in gallery.html, made first")
    group.add_argument(
        "--min-teacher-right",
        default=0.05,
        type=float,
        metavar="X",
        help="share of the sources in the preview or gallery that the teacher has to be right on, else the run stops; "
        "of --unlabelled ones, the share on whose Q(x) it has to say the same",
    )
    group.add_argument("--dry-run", default=False, action=Switch, help="time a few batches, print the cost, stop")
    group.add_argument(
        "--tune-attack",
        default=False,
        action=Switch,
        help="try a ladder of --attack-eps on 256 images, print what each does, and stop; writes nothing",
    )


def require_generation(args: Namespace) -> None:
    """Refuse values that generate.py cannot work with, before anything is loaded.

    Raises:
        UsageError: the first such value, by its flag; or every flag that is missing.
    """
    require_numbers(args)
    lacking = missing_flags(args, {"data_dir": "", "dad_dir": "", "teacher": ""})
    are = "are" if " and " in lacking else "is"
    general = f"{lacking} {are} needed; see generate.py --help" if lacking else ""
    require_given([general, missing_discretizer_flags(args)])
    if not 0 < args.crop_pct <= 1:
        raise UsageError(f"--crop-pct {args.crop_pct:g}: it must be above 0 and at most 1")
    require_attack_precision(args)
    _require_place_beside(args)
    if args.tune_attack and args.attack == "none":
        raise UsageError("--tune-attack: --attack none has no epsilon to tune; leave one of the two out")
    if args.unlabelled and args.keep == CORRECT:
        raise UsageError(f"--keep {CORRECT}: of --unlabelled images nobody knows what is right; use {UNCHANGED}")
    if args.keep == UNCHANGED and not args.unlabelled:
        raise UsageError(f"--keep {UNCHANGED}: it is for --unlabelled images; of these, use {CORRECT}")
    if not re.fullmatch(r"(\d*:\d*)?", args.shard_range):
        raise UsageError(f"--shard-range {args.shard_range}: expected A:B, the shards from A up to but not including B")


def resolve_keep(args: Namespace) -> str:
    """Return which DAD images are kept: `--keep`, or what it is by default."""
    return str(args.keep or (UNCHANGED if args.unlabelled else CORRECT))


def _require_place_beside(args: Namespace) -> None:
    """Refuse a DAD set among the images that it is made of, where it would be read as a class of theirs, or its preview
    as one of them."""
    root, place = Path(args.data_dir).resolve(), Path(args.dad_dir).resolve()
    split = (root / args.train_split).resolve()
    splits = {folder for folder in (place, *place.parents) if folder.parent == root}
    if (
        place == root
        or split in (place, *place.parents)
        or any(folder.name in ("train", "training", "val", "validation") for folder in splits)
    ):
        among = f"it lies among the images of --data-dir {args.data_dir}"
        raise UsageError(f"--dad-dir {args.dad_dir}: {among}; give a folder of its own")


def missing_discretizer_flags(args: Namespace) -> str:
    """Return in words what `--discretizer` needs and is not given."""
    needed = ask_plugin("discretizers", args.discretizer, lambda part: getattr(part, "NEEDS", {}))
    lacking = missing_flags(args, needed)
    return f"--discretizer {args.discretizer} needs {lacking}" if lacking else ""


def add_discretizer_args(parser: ArgumentParser) -> None:
    """Add the discretiser Q: of generate.py, and of the objectives dat and dad_dat, which use it in every step."""
    group = parser.add_argument_group("Discretiser")
    known = ", ".join(list_plugins("discretizers"))
    group.add_argument("--discretizer", default="vqgan", type=str, metavar="NAME", help=f"one of {known}")
    configs = ", ".join(ask_plugin("discretizers", "vqgan", lambda part: list(part.CONFIGS)))
    group.add_argument(
        "--vqgan-config", default="vq-f8-16384", type=str, metavar="NAME", help=f"one of {configs}, or a JSON file"
    )
    group.add_argument("--vqgan-checkpoint", default=None, type=str, metavar="FILE", help="the VQGAN's weights")


def list_norms() -> list[str]:
    """Return the names of the norms that attacks have."""
    return ask_ahead("dad.attacks", lambda attacks: sorted(attacks.NORMS))


def _precisions() -> list[str]:
    return ask_ahead("dad.attacks", lambda attacks: list(attacks.PRECISIONS))


def add_attack_args(parser: ArgumentParser) -> None:
    """Add the attack: of generate.py on the teacher, of dat and dad_dat on the student itself.

    Lengths are measured over the whole image, pixels in [0,1].
    """
    group = parser.add_argument_group("Attack")
    group.add_argument(
        "--attack",
        default="gradient",
        type=str,
        choices=["gradient", "none"],
        help="none gives samples of Q without gradient (Table 11)",
    )
    group.add_argument("--attack-norm", default="l2", type=str, choices=list_norms(), help="norm of the budget")
    # Appendix C gives step size and one iteration; norm, budget and random start are those of DAT's public code.
    group.add_argument("--attack-eps", default=0.1, type=float, metavar="X", help="budget")
    group.add_argument(
        "--attack-step-size", "--attack-lr", default=0.1, type=float, metavar="X", help="length of one step"
    )
    group.add_argument("--attack-steps", default=1, type=int, metavar="N", help="number of steps")
    group.add_argument(
        "--random-start-prob",
        default=0.8,
        type=float,
        metavar="P",
        help="chance that an image starts at a random point of the budget",
    )
    group.add_argument(
        "--attack-precision",
        default=AUTO,
        type=str,
        choices=[AUTO, *_precisions()],
        help="in which its gradients are taken; auto: in generate.py that of the set in --dad-dir, of a new set "
        "--amp-dtype's with --amp, else fp32; in training fp32",
    )


def require_attack_precision(args: Namespace) -> None:
    """Refuse a precision that no device of this kind has.

    Raises:
        UsageError: TF32, and no CUDA card.
    """
    if args.attack_precision == "tf32" and args.attack != "none" and not args.device.startswith("cuda"):
        others = ", ".join(name for name in _precisions() if name != "tf32")
        raise UsageError(f"--attack-precision tf32: --device {args.device} has none; use {others} or {AUTO}")


def add_stable_diffusion_args(parser: ArgumentParser) -> None:
    """Add what `--discretizer stable_diffusion` reads; where the paper is silent, defaults are diffusers' own."""
    group = parser.add_argument_group("Stable Diffusion")
    group.add_argument(
        "--diffusion-model",
        default=None,
        type=str,
        metavar="NAME",
        help="a folder or a Hugging Face hub id (the paper does not say which)",
    )
    group.add_argument(
        "--diffusion-prompt", default="A photo of an object", type=str, metavar="TEXT", help="the paper's prompt"
    )
    group.add_argument(
        "--diffusion-strength",
        default=0.8,
        type=float,
        metavar="X",
        help="share of the noise schedule that an image goes through, above 0 to 1 (the paper does not say)",
    )
    group.add_argument(
        "--diffusion-steps",
        default=50,
        type=int,
        metavar="N",
        help="steps of the whole schedule (the paper does not say)",
    )
    group.add_argument(
        "--diffusion-guidance",
        default=7.5,
        type=float,
        metavar="X",
        help="weight of the prompt; 1 or less: no classifier-free guidance (the paper does not say)",
    )
