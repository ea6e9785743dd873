"""Adversarial training of the student on pixels: the flags that its objectives share.

What is not given has the value of the objective's authors. Lengths are in pixels in [0, 1]; the authors count in
[-1, 1], where the same length is twice the number.
"""

from argparse import ArgumentParser, Namespace

from dad.args.checks import length_of
from dad.errors import UsageError


def add_adversarial_args(parser: ArgumentParser) -> None:
    """Add the student's norms and passes, and its adversary on pixels."""
    group = parser.add_argument_group("Adversarial training")
    group.add_argument(
        "--bn-passes",
        default="joint",
        type=str,
        choices=["joint", "separate"],
        help="several views of the images, as one batch of the student's batch norms (DAD's authors), or each view as "
        "a batch of its own (those of DAT, ARD and RSLAD)",
    )
    group.add_argument(
        "--aux-norms",
        default=None,
        type=str,
        choices=["none", "batch", "layer"],
        help="norms of which advprop, fast_advprop, debiased and pyramid_at have a second copy for adversarial images; "
        "default: batch, for pyramid_at none",
    )
    group.add_argument(
        "--adv-eps",
        default=None,
        type=str,
        metavar="X",
        help="largest change of a value, e.g. 1/255; default: 1/255 for advprop and fast_advprop, and 3/255 for each "
        "level of pyramid_at, before its multiplier",
    )
    group.add_argument(
        "--adv-step-size",
        default=None,
        type=str,
        metavar="X",
        help="of a step; default: 1/255, and 0.5/255 for pyramid_at",
    )
    group.add_argument(
        "--adv-steps", default=None, type=int, metavar="N", help="default: 1 for advprop, 5 for pyramid_at"
    )
    group.add_argument(
        "--adv-start-clean",
        default=0.2,
        type=float,
        metavar="P",
        help="chance that advprop or fast_advprop begins at the image itself instead of a random point of the budget",
    )


def resolve_pixel_budget(args: Namespace, epsilon: float, step_size: float) -> tuple[float, float]:
    """Return the pixel adversary's largest change of a value and the size of its step, by default those given.

    Raises:
        UsageError: one is no length, or as long as from black to white.
    """
    if args.adv_eps is not None:
        epsilon = length_of("--adv-eps", args.adv_eps)
    if args.adv_step_size is not None:
        step_size = length_of("--adv-step-size", args.adv_step_size)
    for flag, value in (("--adv-eps", epsilon), ("--adv-step-size", step_size)):
        if value >= 1:
            raise UsageError(f"{flag} {value:g}: pixels lie in [0, 1]; did you mean {value:g}/255?")
    return epsilon, step_size
