"""The attacks that validate.py scores a model under (Table 12).

`--attack` names an evaluation's attacks here and the making of a DAD set in generate.py; the other flags mean the same
in both: a norm over the whole image, pixels in [0,1].
"""

from argparse import ArgumentParser

from dad.args.generate import list_norms


def add_threat_args(parser: ArgumentParser) -> None:
    """Add which attacks there are and how far they may go; what is not given has a default for each attack."""
    group = parser.add_argument_group("Attacks")
    group.add_argument(
        "--attack", default="", type=str, metavar="LIST", help="comma-separated: fgsm, pgd, autoattack (an extra)"
    )
    group.add_argument("--attack-norm", default="linf", type=str, choices=list_norms(), help="norm of the budget")
    group.add_argument(
        "--attack-eps",
        default=None,
        type=str,
        metavar="X",
        help="budget, e.g. 4/255 or 0.0157; of fgsm and pgd by default 1/255, of autoattack 4/255",
    )
    group.add_argument(
        "--attack-step-size", default=None, type=str, metavar="X", help="of pgd; by default half of the budget"
    )
    group.add_argument("--attack-steps", default=None, type=int, metavar="N", help="of pgd; by default 5")
    group.add_argument(
        "--attack-sets",
        default="",
        type=str,
        metavar="LIST",
        help="sets to attack, comma-separated, of those that are scored, own ones too; by default imagenet",
    )
    group.add_argument(
        "--attack-images",
        default="",
        type=str,
        metavar="[SET=]FILE",
        help="the images to attack, a <class folder>/<file name> or a number a line; of several sets SET=FILE, "
        "comma-separated; by default all",
    )
