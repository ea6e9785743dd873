"""The update of the student's weights. Names and defaults are timm's."""

from argparse import ArgumentParser

from dad.args.key_values import KeyValues
from dad.args.switches import Switch


def add_optim_args(parser: ArgumentParser) -> None:
    """Add the optimiser, gradient accumulation and clipping."""
    group = parser.add_argument_group("Optimiser")
    group.add_argument("--opt", default="sgd", type=str, metavar="NAME", help="name of a timm optimiser")
    group.add_argument("--opt-eps", default=None, type=float, metavar="X", help="epsilon; default: the optimiser's")
    group.add_argument(
        "--opt-betas", default=None, type=float, nargs="+", metavar="X", help="betas; default: the optimiser's"
    )
    group.add_argument("--momentum", default=0.9, type=float, metavar="X", help="momentum")
    group.add_argument("--weight-decay", default=2e-5, type=float, metavar="X", help="weight decay")
    group.add_argument(
        "--opt-kwargs", default={}, nargs="*", action=KeyValues, metavar="NAME=VALUE", help="passed to the optimiser"
    )
    group.add_argument("--layer-decay", default=None, type=float, metavar="X", help="learning rate's factor a layer")
    group.add_argument("--layer-decay-min-scale", default=0, type=float, metavar="X", help="its lower bound")
    group.add_argument(
        "--layer-decay-no-opt-scale",
        default=None,
        type=float,
        metavar="X",
        help="layers whose factor is below it are frozen",
    )
    group.add_argument("--grad-accum-steps", default=1, type=int, metavar="N", help="batches per update")
    group.add_argument("--clip-grad", default=None, type=float, metavar="X", help="clipping value; default: none")
    group.add_argument(
        "--clip-mode", default="norm", type=str, choices=["norm", "value", "agc"], help="what --clip-grad bounds"
    )
    group.add_argument(
        "--max-nonfinite",
        default=10,
        type=int,
        metavar="N",
        help="updates in a row that are skipped for a loss that is not finite before the run stops",
    )


def add_ema_args(parser: ArgumentParser) -> None:
    """Add the moving average of the student's weights."""
    group = parser.add_argument_group("Moving average of the weights")
    group.add_argument("--model-ema", default=False, action=Switch, help="keep and validate an average")
    group.add_argument("--model-ema-force-cpu", default=False, action=Switch, help="keep it in main memory")
    group.add_argument("--model-ema-decay", default=0.9998, type=float, metavar="X", help="decay per update")
    group.add_argument("--model-ema-warmup", default=False, action=Switch, help="start with a smaller decay")
