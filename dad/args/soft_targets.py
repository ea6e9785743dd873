"""The teacher's answers on disk: how they are made, and who reads them."""

from argparse import ArgumentParser

from dad.args.switches import Switch


def add_soft_target_args(parser: ArgumentParser) -> None:
    """Add what the teacher said when it was asked beforehand."""
    group = parser.add_argument_group("Soft targets")
    group.add_argument(
        "--soft-targets",
        default=None,
        type=str,
        metavar="DIR",
        help="the teacher's answers, made by python -m dad.soft_targets build; the teacher is then not loaded",
    )
    group.add_argument(
        "--teacher-views",
        default=None,
        type=int,
        metavar="V",
        help="epoch e has the draws of epoch e mod V, so that the teacher is asked V times of each image; default: "
        "every epoch its own; needs --aug-seeding sample",
    )


def add_build_args(parser: ArgumentParser) -> None:
    """Add what `python -m dad.soft_targets build` asks beyond the flags of the run that will read the answers."""
    group = parser.add_argument_group("Soft targets, building")
    group.add_argument(
        "--payload",
        default="fp16",
        type=str,
        choices=["fp16", "int8", "fp32"],
        help="how an answer is stored; int8 is for CLIP's embeddings",
    )
    group.add_argument("--shard-size", default=4096, type=int, metavar="N", help="images in one shard, an even number")
    group.add_argument(
        "--shard-range", default="", type=str, metavar="A:B", help="only these of the shards, e.g. of one array task"
    )
    group.add_argument(
        "--dry-run", default=False, action=Switch, help="ask about two batches, say what all will cost, and exit"
    )
