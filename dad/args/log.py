"""What a run prints and writes. Names and defaults are timm's."""

from argparse import ArgumentParser

from dad.args.repeatable import Repeatable
from dad.args.switches import Switch

_TRACKERS = ("tensorboard", "wandb", "trackio", "none")


def add_log_args(parser: ArgumentParser) -> None:
    """Add how often a line is printed."""
    group = parser.add_argument_group("Log")
    group.add_argument("--log-interval", default=50, type=int, metavar="N", help="updates from one line to the next")


def add_output_args(parser: ArgumentParser) -> None:
    """Add the run's folder and its checkpoints."""
    group = parser.add_argument_group("Output")
    group.add_argument("--output", default="", type=str, metavar="DIR", help="parent of the run's folder")
    group.add_argument("--experiment", default="", type=str, metavar="NAME", help="name of the run's folder")
    group.add_argument(
        "--overwrite",
        default=False,
        action=Switch,
        help="begin anew where a run has left its checkpoints, which are then renamed; else only --resume goes there",
    )
    group.add_argument(
        "--eval-metric",
        default="top1",
        type=str,
        metavar="NAME",
        help="loss, top1 or top5: decides the best checkpoint",
    )
    group.add_argument(
        "--val-interval",
        default=1,
        type=int,
        metavar="N",
        help="epochs from one validation, and checkpoint, to the next; the last has one in any case",
    )
    group.add_argument("--tta", default=0, type=int, metavar="N", help="more than one is refused")
    group.add_argument(
        "--save-images", default=False, action=Switch, help="save the batch of every log line as a picture"
    )
    group.add_argument("--checkpoint-hist", default=10, type=int, metavar="N", help="number of checkpoints kept")
    group.add_argument(
        "--recovery-interval",
        default=0,
        type=int,
        metavar="N",
        help="updates from one checkpoint amid an epoch to the next; 0: only when interrupted",
    )


def add_tracking_args(parser: ArgumentParser) -> None:
    """Add who is told how a run goes."""
    group = parser.add_argument_group("Tracking")
    group.add_argument(
        "--report-to",
        nargs="+",
        default=["tensorboard"],
        choices=_TRACKERS,
        action=Repeatable,
        help="who is told how the run goes, one or several; wandb and trackio are extras (requirements-wandb.txt, "
        "requirements-trackio.txt), and a run that is taken up goes on there",
    )
    group.add_argument("--report-project", default="dad", type=str, metavar="NAME", help="project of wandb and trackio")
