"""What happens to a training image and its label. Names and defaults are timm's."""

from argparse import ArgumentParser, Namespace
from typing import Any

from dad.args.checks import FILTERS
from dad.args.switches import Switch


def add_augment_args(parser: ArgumentParser) -> None:
    """Add the transforms of one image."""
    group = parser.add_argument_group("Augmentation")
    group.add_argument(
        "--aug-seeding",
        default="worker",
        type=str,
        choices=["worker", "sample"],
        help="what draws depend on: worker, timm's own, on all that a loader process drew before; sample, on seed, "
        "epoch and image alone, so that any number of processes, workers and restarts gives the same images",
    )
    group.add_argument("--no-aug", default=False, action=Switch, help="resize and crop only")
    group.add_argument(
        "--train-crop-mode", default=None, type=str, choices=["rrc", "rkrc", "rkrr"], help="kind of random crop"
    )
    group.add_argument("--scale", default=[0.08, 1.0], type=float, nargs="+", metavar="X", help="area of the crop")
    group.add_argument(
        "--ratio", default=[3 / 4, 4 / 3], type=float, nargs="+", metavar="X", help="aspect ratio of the crop"
    )
    group.add_argument("--hflip", default=0.5, type=float, metavar="P", help="chance of a left-right flip")
    group.add_argument("--vflip", default=0.0, type=float, metavar="P", help="chance of an upside-down flip")
    group.add_argument("--color-jitter", default=0.4, type=float, metavar="X", help="strength; unused with --aa")
    group.add_argument("--color-jitter-prob", default=None, type=float, metavar="P", help="chance of colour jitter")
    group.add_argument("--grayscale-prob", default=None, type=float, metavar="P", help="chance of losing the colour")
    group.add_argument("--gaussian-blur-prob", default=None, type=float, metavar="P", help="chance of a blur")
    group.add_argument("--aa", default=None, type=str, metavar="POLICY", help="e.g. rand-m9-mstd0.5-inc1")
    group.add_argument("--reprob", default=0.0, type=float, metavar="P", help="chance of random erasing")
    group.add_argument(
        "--remode", default="pixel", type=str, choices=["const", "rand", "pixel"], help="what fills an erased part"
    )
    group.add_argument("--recount", default=1, type=int, metavar="N", help="erased rectangles per image")
    group.add_argument("--resplit", default=False, action=Switch, help="erase nothing in the first of the splits")
    group.add_argument(
        "--aug-splits", default=0, type=int, metavar="N", help="versions of an image in a batch, the first is clean"
    )
    group.add_argument(
        "--train-interpolation",
        default="random",
        type=str,
        metavar="NAME",
        help=f"random, or one of {', '.join(FILTERS)}",
    )


def add_mixup_args(parser: ArgumentParser) -> None:
    """Add how two images of a view, and their labels, are blended."""
    group = parser.add_argument_group("Mixup")
    group.add_argument("--mixup", default=0.0, type=float, metavar="ALPHA", help="mixup's beta parameter; 0 is off")
    group.add_argument("--cutmix", default=0.0, type=float, metavar="ALPHA", help="CutMix's beta parameter; 0 is off")
    group.add_argument(
        "--cutmix-minmax", default=None, type=float, nargs="+", metavar="X", help="smallest and largest share cut out"
    )
    group.add_argument("--mixup-prob", default=1.0, type=float, metavar="P", help="chance that a batch is mixed")
    group.add_argument("--mixup-switch-prob", default=0.5, type=float, metavar="P", help="chance of CutMix over mixup")
    group.add_argument(
        "--mixup-mode", default="batch", type=str, choices=["batch", "pair", "elem"], help="what shares one draw"
    )
    group.add_argument("--mixup-off-epoch", default=0, type=int, metavar="N", help="epoch that ends it; 0 is never")


def add_label_args(parser: ArgumentParser) -> None:
    """Add how labels become the target of the classification loss."""
    group = parser.add_argument_group("Labels")
    group.add_argument("--smoothing", default=0.1, type=float, metavar="X", help="label smoothing")
    group.add_argument(
        "--jsd-loss", "--jsd", default=False, action=Switch, help="Jensen-Shannon divergence over --aug-splits"
    )
    group.add_argument("--bce-loss", default=False, action=Switch, help="binary instead of softmax cross-entropy")
    group.add_argument("--bce-sum", default=False, action=Switch, help="sum it over classes instead of averaging")
    group.add_argument(
        "--bce-target-thresh", default=None, type=float, metavar="X", help="soft targets above it become 1, others 0"
    )
    group.add_argument("--bce-pos-weight", default=None, type=float, metavar="X", help="weight of positive targets")


def resolve_criterion_args(args: Namespace) -> dict[str, Any]:
    """Return the arguments of timm's `create_classification_loss` for the label term."""
    mixed = args.mixup > 0 or args.cutmix > 0 or bool(args.cutmix_minmax)
    loss: dict[str, Any] = {"smoothing": args.smoothing, "soft_targets": mixed}
    if args.jsd_loss:
        loss |= {"loss_type": "jsd", "jsd_splits": args.aug_splits}
    elif args.bce_loss:
        names = {"bce_sum": "bce_sum", "bce_target_thresh": "bce_target_thresh", "pos_weight": "bce_pos_weight"}
        loss |= {"loss_type": "bce"} | {name: getattr(args, flag) for name, flag in names.items()}
    return loss
