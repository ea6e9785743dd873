"""The teacher and the distillation objective. `--kd-*` and the loss weights are timm's, the others ours."""

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Any

from dad.errors import UsageError
from dad.plugins import ask_plugin, ask_plugins, list_plugins


def add_teacher_args(parser: ArgumentParser) -> None:
    """Add the teacher, and what a CLIP teacher's zero-shot head is made from."""
    group = parser.add_argument_group("Teacher")
    group.add_argument(
        "--teacher",
        "--kd-model-name",
        default=None,
        type=str,
        metavar="SPEC",
        help="clip/<open_clip model>/<tag>, e.g. clip/ViT-L-14-quickgelu/openai, or <tag>@<file> for a file of it; "
        "clip/local-dir:<folder>; or <timm model>, <timm model>@<file>",
    )
    group.add_argument("--class-names", default="", type=str, metavar="FILE", help="readable names, one a line")
    group.add_argument(
        "--templates",
        default="",
        type=str,
        metavar="FILE",
        help="prompts, one a line, {} is the name; default: OpenAI's 80",
    )
    group.add_argument("--logit-scale", default=None, type=float, metavar="X", help="replaces CLIP's learned scale")
    group.add_argument(
        "--teacher-img-size",
        default=None,
        type=int,
        metavar="N",
        help="side of the images that a CLIP teacher is given, which it scales to its own (default: its own)",
    )
    group.add_argument(
        "--teacher-cache", default="output/teachers", type=str, metavar="DIR", help="where zero-shot heads are kept"
    )


def add_distill_args(parser: ArgumentParser) -> None:
    """Add the objective, its weights and the DAD set."""
    group = parser.add_argument_group("Distillation")
    known = ", ".join(list_plugins("objectives"))
    group.add_argument(
        "--objective",
        default="dad",
        type=str,
        metavar="NAME",
        help=f"one of {known}; ce for a YAML that names a model, but no teacher and no DAD set",
    )
    group.add_argument(
        "--kd-temperature",
        default=4.0,
        type=float,
        metavar="T",
        help="softens teacher and student; the paper's is 4, that of ard's authors 30; dist and rslad have their own",
    )
    group.add_argument(
        "--distill-loss-weight",
        default=None,
        type=float,
        metavar="A",
        help="of every term of the teacher; default: 0.5 (the paper), 2 for dist and 5/6 for rslad (their authors); "
        "ard's authors have 1",
    )
    group.add_argument(
        "--task-loss-weight",
        default=None,
        type=float,
        metavar="X",
        help="of the label's term; default: 1 (the paper); rslad has the teacher's on clean images in its place, "
        "default 1/6 (its authors); ard's authors have 0; given alone, the distillation has 1 - X, as in timm",
    )
    group.add_argument("--dad-dir", default=None, type=str, metavar="DIR", help="DAD set, made by generate.py")
    group.add_argument(
        "--dad-missing",
        default="substitute",
        type=str,
        choices=["substitute", "skip"],
        help="a clean image whose DAD image was not kept: take another image's, or leave its term out; ard, "
        "rslad, kdiga_dad and dad_data_only need the image's own and never take another's",
    )
    group.add_argument(
        "--dad-share",
        default=1.0,
        type=float,
        metavar="S",
        help="share of a batch's DAD images that dad trains on, above 0 and up to 1, each of which weighs what it does "
        "among all; 0.5 spares a quarter of the student's and the teacher's work, not that of reading them",
    )
    group.add_argument(
        "--dad-cache",
        default="none",
        type=str,
        choices=["none", "ram"],
        help="ram: read the DAD images' files into memory before training, once for all workers of a process",
    )


def add_objective_args(parser: ArgumentParser) -> None:
    """Add the flags that objectives have of their own, each under its name; they stand in the objectives' files."""
    for name in list_plugins("objectives"):
        parser._add_container_actions(ask_plugin("objectives", name, partial(_flags_of, name)))


def _flags_of(name: str, part: Any) -> ArgumentParser:
    """Return a parser of the flags that an objective has of its own; those that it inherits are another's."""
    flags = ArgumentParser(add_help=False)
    if "add_args" in vars(part.Objective):
        part.Objective.add_args(flags.add_argument_group(f"Objective {name}"))
    return flags


def require_whole_dad(args: Namespace, takes_share: bool) -> None:
    """Refuse a share of the DAD images for an objective that trains on all of them.

    Raises:
        UsageError: with the objectives that take one.
    """
    if args.dad_share != 1 and not takes_share:
        known = ask_plugins("objectives", lambda part: vars(part.Objective).get("takes_share", False))
        takers = ", ".join(name for name, takes in known.items() if takes)
        raise UsageError(f"--dad-share {args.dad_share:g}: --objective {args.objective} takes none; {takers} does")


def require_labels(args: Namespace, needed: bool) -> None:
    """Refuse an objective that needs labels, if `needed`, where there are none; and one that looks at none unless that
    is said.

    Raises:
        UsageError: with the flag to change.
    """
    if args.unlabelled and needed:
        known = ask_plugins("objectives", lambda part: part.Objective)
        others = ", ".join(name for name, objective in known.items() if not objective.needs_classes)
        raise UsageError(f"--unlabelled: --objective {args.objective} needs labels; {others} do not")
    if not args.unlabelled and not needed:
        raise UsageError(f"--objective {args.objective} looks at no labels, even if there are any; say --unlabelled")
