"""Where the images are and how they are read. Names and defaults are timm's."""

from argparse import ArgumentParser

from dad.args.checks import FILTERS
from dad.args.switches import Switch


def add_data_args(parser: ArgumentParser) -> None:
    """Add what every script asks about the data set."""
    group = parser.add_argument_group("Data")
    group.add_argument("data", nargs="?", metavar="DIR", help="data root; short for --data-dir")
    group.add_argument("--data-dir", metavar="DIR", help="data root in ImageNet's layout: <split>/<class>/<image>")
    group.add_argument("--class-map", default="", type=str, metavar="FILE", help="class folders, one a line, in order")


def add_unlabelled_args(parser: ArgumentParser) -> None:
    """Add the word that nobody has said what the images show."""
    group = parser.add_argument_group("Images without labels")
    group.add_argument(
        "--unlabelled",
        "--unlabeled",
        default=False,
        action=Switch,
        help="the images have no classes: all below the split's folder, at any depth (--train-split . where they lie "
        "in the data root itself)",
    )


def add_split_args(parser: ArgumentParser) -> None:
    """Add which folders of the data root are trained on and validated on."""
    group = parser.add_argument_group("Splits")
    group.add_argument("--train-split", default="train", metavar="NAME", help="folder of the training images")
    group.add_argument("--val-split", default="validation", metavar="NAME", help="validation images; empty: none")


def add_channel_args(parser: ArgumentParser) -> None:
    """Add the shape of the network's input, where `--img-size` does not say it all."""
    group = parser.add_argument_group("Shape of the input")
    group.add_argument("--in-chans", default=None, type=int, metavar="N", help="channels: 3, since pixels are RGB")
    group.add_argument(
        "--input-size", default=None, type=int, nargs=3, metavar="N", help="channels, height, width; over --img-size"
    )


def add_input_args(parser: ArgumentParser) -> None:
    """Add how an image becomes the network's input; what is not given comes from the model's own configuration."""
    group = parser.add_argument_group("Input")
    group.add_argument("--img-size", default=None, type=int, metavar="N", help="side of the square input, in pixels")
    group.add_argument("--crop-pct", default=None, type=float, metavar="X", help="share kept by the validation crop")
    group.add_argument(
        "--mean", default=None, type=float, nargs="+", metavar="X", help="mean of each channel, in [0,1]"
    )
    group.add_argument("--std", default=None, type=float, nargs="+", metavar="X", help="deviation of each channel")
    group.add_argument(
        "--interpolation", default="", type=str, metavar="NAME", help=f"resize filter: {', '.join(FILTERS)}"
    )


def add_loader_args(parser: ArgumentParser, *, batch_size: int) -> None:
    """Add the loader's flags; `batch_size` is the script's default, in images per process."""
    group = parser.add_argument_group("Loader")
    group.add_argument("-b", "--batch-size", default=batch_size, type=int, metavar="N", help="images per process")
    group.add_argument("-j", "--workers", default=4, type=int, metavar="N", help="loader workers per process")
    group.add_argument("--pin-mem", default=False, action=Switch, help="load into page-locked memory")
    group.add_argument("--no-prefetcher", default=False, action=Switch, help="load without timm's prefetcher")


def add_train_loader_args(parser: ArgumentParser) -> None:
    """Add the loader's flags that only training has."""
    group = parser.add_argument_group("Training loader")
    group.add_argument(
        "-vb", "--validation-batch-size", default=None, type=int, metavar="N", help="if it differs from --batch-size"
    )
    group.add_argument(
        "--use-multi-epochs-loader", default=False, action=Switch, help="load ahead across the end of an epoch"
    )
    group.add_argument(
        "--aug-repeats", default=0, type=float, metavar="N", help="versions of an image in one batch of all processes"
    )
    group.add_argument(
        "--max-failed", default=100, type=int, metavar="N", help="unreadable images at which a loader process stops"
    )
    group.add_argument(
        "--worker-seeding", default="all", type=str, choices=["all", "part"], help="which generators a worker seeds"
    )
