"""What validate.py scores, and where the scores go. `--variants` and `--extra-set` are ours, the others are timm's."""

from argparse import ArgumentParser

from dad.args.repeatable import Repeatable
from dad.args.switches import Switch


def add_evaluate_args(parser: ArgumentParser) -> None:
    """Add the checkpoints and the test sets."""
    group = parser.add_argument_group("Evaluation")
    group.add_argument(
        "--checkpoint", default=[], type=str, nargs="+", metavar="FILE", help="checkpoints, or folders of them"
    )
    group.add_argument(
        "--onnx",
        default=[],
        type=str,
        nargs="+",
        action=Repeatable,
        metavar="FILE",
        help="files that python -m dad.export wrote, fp32 or int8, scored as they are, by ONNX Runtime",
    )
    group.add_argument("--use-ema", default=False, action=Switch, help="score the averaged weights")
    group.add_argument(
        "--variants", default="all", type=str, metavar="LIST", help="test sets, comma-separated, or all, or none"
    )
    group.add_argument(
        "--extra-set",
        default=[],
        type=str,
        nargs="+",
        action=Repeatable,
        metavar="NAME=FOLDER",
        help="further test sets: folders of class folders, of all or a part of the class list, scored among all of it "
        "and, beside that, among their own classes; repeatable; without --data-dir they alone are scored",
    )
    group.add_argument(
        "--extra-set-groups",
        default=[],
        type=str,
        nargs="+",
        action=Repeatable,
        metavar="NAME",
        help="those of --extra-set that lie as FOLDER/<group>/<class>/<image>: scored by group too",
    )
    group.add_argument(
        "--folder-map",
        default="",
        type=str,
        metavar="FILE",
        help="class folders of val and of --extra-set that have other names (English ones, say): "
        "<folder> <class folder or index> a line",
    )
    group.add_argument(
        "--split", default="validation", metavar="NAME", help="of --dataset; of folders, one to score in place of val"
    )
    group.add_argument("--num-samples", default=None, type=int, metavar="N", help="of --dataset, if it does not say")
    group.add_argument(
        "--valid-labels", default="", type=str, metavar="FILE", help="of --dataset: class indices that labels count"
    )
    group.add_argument(
        "--retry", default=False, action=Switch, help="halve the batch when the device's memory runs out"
    )


def add_results_args(parser: ArgumentParser) -> None:
    """Add what is told and written."""
    group = parser.add_argument_group("Results")
    group.add_argument(
        "--results-file", default="", type=str, metavar="FILE", help="default: results.json beside one checkpoint"
    )
    group.add_argument(
        "--results-format",
        default="csv",
        type=str,
        choices=["csv", "json"],
        help="csv: beside results.json, a table in timm's columns; json: results.json alone",
    )
    group.add_argument(
        "--rescore", default=False, action=Switch, help="score and attack sets again that the results file has already"
    )
    group.add_argument("--log-freq", default=10, type=int, metavar="N", help="batches from one line to the next")
    group.add_argument(
        "--metrics-avg",
        default=None,
        type=str,
        choices=["micro", "macro", "weighted"],
        help="also precision, recall and F1, averaged over images, classes, or classes by their images",
    )


def add_preprocessing_args(parser: ArgumentParser) -> None:
    """Add how validation images are cut, and what goes with it in the network."""
    group = parser.add_argument_group("Validation images")
    group.add_argument(
        "--use-train-size", default=False, action=Switch, help="a published model's training size and crop"
    )
    group.add_argument("--crop-mode", default=None, type=str, metavar="MODE", help="center, squash or border")
    group.add_argument(
        "--crop-border-pixels", default=None, type=int, metavar="N", help="cut off at each side before all else"
    )
    group.add_argument("--test-pool", default=False, action=Switch, help="pool over larger images than trained")
    group.add_argument(
        "--reparam", default=False, action=Switch, help="merge the branches that a model has for training"
    )
