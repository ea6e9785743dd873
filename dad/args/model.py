"""The student: which timm model, with which weights. Names and defaults are timm's."""

from argparse import ArgumentParser, Namespace

from dad.args.checks import flag_of
from dad.args.key_values import KeyValues
from dad.args.switches import Switch
from dad.errors import UsageError


def add_model_args(parser: ArgumentParser, *aliases: str, default: str) -> None:
    """Add what names a model; `aliases` are further spellings of `--model`, `default` its default."""
    group = parser.add_argument_group("Model")
    group.add_argument("--model", *aliases, default=default, type=str, metavar="NAME", help="name of a timm model")
    group.add_argument("--pretrained", default=False, action=Switch, help="start from timm's published weights")
    group.add_argument("--num-classes", default=None, type=int, metavar="N", help="default: as the data has")
    group.add_argument(
        "--model-kwargs", default={}, nargs="*", action=KeyValues, metavar="NAME=VALUE", help="passed to create_model"
    )


def add_network_args(parser: ArgumentParser) -> None:
    """Add what training and evaluation may change in a model."""
    group = parser.add_argument_group("Network")
    group.add_argument("--gp", default=None, type=str, metavar="NAME", help="global pooling: avg, max, token, ...")
    group.add_argument("--fast-norm", default=False, action=Switch, help="norm layers in low precision under AMP")


def add_train_model_args(parser: ArgumentParser) -> None:
    """Add where the student's first weights come from and how it is regularised."""
    group = parser.add_argument_group("Model in training")
    group.add_argument(
        "--pretrained-path", default=None, type=str, metavar="FILE", help="file that replaces the published weights"
    )
    group.add_argument(
        "--initial-checkpoint", default="", type=str, metavar="FILE", help="weights to start from, loaded last"
    )
    group.add_argument(
        "--resume", default="", type=str, metavar="FILE", help="checkpoint of a run to continue; auto: its newest"
    )
    group.add_argument(
        "--no-resume-opt", default=False, action=Switch, help="take weights and epoch alone from --resume"
    )
    group.add_argument(
        "--head-only",
        default=False,
        action=Switch,
        help="train the classifier alone, on the features of --initial-checkpoint (or of published weights), which "
        "stay what they are, batch norms included; for --objective ce",
    )
    group.add_argument("--head-init-scale", default=None, type=float, metavar="X", help="factor on the head's weights")
    group.add_argument("--head-init-bias", default=None, type=float, metavar="X", help="the head's first bias")
    group.add_argument("--bn-momentum", default=None, type=float, metavar="X", help="batch norm's momentum")
    group.add_argument("--bn-eps", default=None, type=float, metavar="X", help="batch norm's epsilon")
    group.add_argument("--split-bn", default=False, action=Switch, help="a batch norm for each of --aug-splits")
    group.add_argument("--drop", default=0.0, type=float, metavar="P", help="dropout rate")
    group.add_argument("--drop-path", default=None, type=float, metavar="P", help="stochastic depth rate")
    group.add_argument("--drop-connect", default=None, type=float, metavar="P", help="older name of --drop-path")
    group.add_argument("--drop-block", default=None, type=float, metavar="P", help="rate of dropped blocks")
    group.add_argument(
        "--grad-checkpointing", default=False, action=Switch, help="recompute activations to save memory"
    )


def require_features(args: Namespace) -> None:
    """Refuse flags that do not go with `--head-only`.

    Raises:
        UsageError: another objective, no weights to begin with, or what would change features in training.
    """
    if not args.head_only:
        return
    if args.objective != "ce":
        raise UsageError(f"--head-only: --objective {args.objective} trains the whole student; use --objective ce")
    if not (args.initial_checkpoint or args.pretrained or args.pretrained_path or args.resume):
        raise UsageError("--head-only: there are no features yet; give --initial-checkpoint FILE, or --pretrained")
    for name in ("drop", "drop_path", "drop_connect", "drop_block", "split_bn", "sync_bn"):
        if value := getattr(args, name):
            raise UsageError(f"{flag_of(name)} {value}: --head-only leaves features as they are; leave it out")
