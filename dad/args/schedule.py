"""Learning rate over time. Names and defaults are timm's; `timm.scheduler.create_scheduler_v2` says what each does."""

from argparse import ArgumentParser

from dad.args.switches import Switch

SCHEDULES = ("cosine", "tanh", "step", "multistep", "plateau", "poly", "wsd", "rsqrt", "constant", "none")  # timm's


def add_schedule_args(parser: ArgumentParser) -> None:
    """Add the length of the run and the learning-rate schedule; lengths are in epochs."""
    group = parser.add_argument_group("Schedule")
    group.add_argument("--epochs", default=300, type=int, metavar="N", help="epochs, without --cooldown-epochs")
    group.add_argument("--start-epoch", default=None, type=int, metavar="N", help="overrides what --resume found")
    group.add_argument("--sched", default="cosine", type=str, metavar="NAME", help=f"one of {', '.join(SCHEDULES)}")
    group.add_argument("--sched-on-updates", default=False, action=Switch, help="step per update, not per epoch")
    group.add_argument("--warmup-epochs", default=5, type=int, metavar="N", help="epochs of linear warm-up")
    group.add_argument("--warmup-prefix", default=False, action=Switch, help="warm-up comes before --epochs")
    group.add_argument("--warmup-lr", default=1e-5, type=float, metavar="X", help="learning rate that it starts from")
    group.add_argument("--cooldown-epochs", default=0, type=int, metavar="N", help="epochs at --min-lr at the end")
    group.add_argument("--min-lr", default=0, type=float, metavar="X", help="lowest learning rate")
    group.add_argument(
        "--decay-milestones", default=[90, 180, 270], type=int, nargs="+", metavar="N", help="for --sched multistep"
    )
    group.add_argument("--decay-epochs", default=90, type=float, metavar="X", help="length of a step, --sched step")
    group.add_argument("--decay-rate", "--dr", default=0.1, type=float, metavar="X", help="factor at a step")
    group.add_argument("--patience-epochs", default=10, type=int, metavar="N", help="for --sched plateau")


def add_learning_rate_args(parser: ArgumentParser) -> None:
    """Add the peak learning rate, by value or by rule."""
    group = parser.add_argument_group("Learning rate")
    group.add_argument("--lr", default=None, type=float, metavar="X", help="overrides the rule of --lr-base")
    group.add_argument(
        "--lr-base", default=0.1, type=float, metavar="X", help="rate at a global batch of the base size"
    )
    group.add_argument("--lr-base-size", default=256, type=int, metavar="N", help="base size, in images")
    group.add_argument("--lr-base-scale", default="", type=str, metavar="RULE", help="linear or sqrt; by optimiser")
    group.add_argument(
        "--lr-noise",
        default=None,
        type=float,
        nargs="+",
        metavar="X",
        help="noise is on in this range, in shares of the epochs",
    )
    group.add_argument("--lr-noise-pct", default=0.67, type=float, metavar="X", help="bound of the noise")
    group.add_argument("--lr-noise-std", default=1.0, type=float, metavar="X", help="its standard deviation")
    group.add_argument("--lr-cycle-mul", default=1.0, type=float, metavar="X", help="a cycle's length over the last's")
    group.add_argument("--lr-cycle-decay", default=0.5, type=float, metavar="X", help="a cycle's peak over the last's")
    group.add_argument("--lr-cycle-limit", default=1, type=int, metavar="N", help="number of cycles")
    group.add_argument("--lr-k-decay", default=1.0, type=float, metavar="X", help="shape of the cosine or polynomial")
