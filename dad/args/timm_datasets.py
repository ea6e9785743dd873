"""timm's own data sets, and batches of several image sizes. Names and defaults are timm's."""

from argparse import ArgumentParser

from dad.args.switches import Switch


def add_dataset_args(parser: ArgumentParser) -> None:
    """Add what is read from elsewhere than folders and tars."""
    group = parser.add_argument_group("timm's data sets")
    group.add_argument("--dataset", default="", metavar="KIND/NAME", help="e.g. wds/..., torch/..., hfds/...")
    group.add_argument("--dataset-download", default=False, action=Switch, help="download it, if timm can")
    group.add_argument(
        "--dataset-trust-remote-code", default=False, action=Switch, help="run the code that comes with it"
    )
    group.add_argument("--input-img-mode", default=None, type=str, metavar="MODE", help="RGB, as every image here")
    group.add_argument("--input-key", default=None, type=str, metavar="NAME", help="where a sample has its image")
    group.add_argument("--target-key", default=None, type=str, metavar="NAME", help="where a sample has its label")


def add_train_dataset_args(parser: ArgumentParser) -> None:
    """Add how much of it is an epoch, for objectives of one view."""
    group = parser.add_argument_group("timm's data sets in training")
    group.add_argument("--train-num-samples", default=None, type=int, metavar="N", help="images, if it does not say")
    group.add_argument("--val-num-samples", default=None, type=int, metavar="N", help="images, if it does not say")
    group.add_argument("--epoch-repeats", default=0.0, type=float, metavar="X", help="passes of a stream an epoch")


def add_size_args(parser: ArgumentParser) -> None:
    """Add batches of several image sizes, for objectives of one view and without a teacher."""
    group = parser.add_argument_group("Image sizes")
    group.add_argument("--train-img-sizes", default=None, type=int, nargs="+", metavar="N", help="in pixels, square")
    group.add_argument("--train-batch-sizes", default=None, type=int, nargs="+", metavar="N", help="one for each size")
    group.add_argument("--train-size-probs", default=None, type=float, nargs="+", metavar="P", help="one for each size")
    group.add_argument(
        "--train-size-schedule",
        default="constant",
        type=str,
        choices=["constant", "progressive"],
        help="sizes at random, or from the first to the last",
    )
    group.add_argument("--train-size-schedule-spread", default=0.65, type=float, metavar="X", help="blur of the latter")
    group.add_argument("--train-size-random-mix", default=0.1, type=float, metavar="P", help="chance of any size in it")
    group.add_argument(
        "--train-batches-per-epoch",
        "--train-steps-per-epoch",
        default=None,
        type=int,
        metavar="N",
        help="default: as many as the images fill",
    )
    group.add_argument(
        "--variable-batch-loss-scale",
        default="none",
        type=str,
        choices=["none", "sqrt", "linear"],
        help="weight of a batch by its size over --batch-size",
    )
