"""What validate.py scores, and where the scores go. `--variants` is ours, the others are timm's."""

from argparse import ArgumentParser


def add_evaluate_args(parser: ArgumentParser) -> None:
    """Add the checkpoints, the test sets and the results file."""
    group = parser.add_argument_group("Evaluation")
    group.add_argument(
        "--checkpoint", default=[], type=str, nargs="+", metavar="FILE", help="checkpoints; each is scored"
    )
    group.add_argument("--use-ema", default=False, action="store_true", help="score the averaged weights")
    group.add_argument("--variants", default="all", type=str, metavar="LIST", help="test sets, comma-separated, or all")
    group.add_argument("--results-file", default="", type=str, metavar="FILE", help="where the scores are written")
    group.add_argument("--log-freq", default=10, type=int, metavar="N", help="batches from one line to the next")
