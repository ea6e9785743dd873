"""The teacher and the distillation objective. `--kd-*` and the loss weights are timm's, the others ours."""

from argparse import ArgumentParser


def add_teacher_args(parser: ArgumentParser) -> None:
    """Add the teacher, and what a CLIP teacher's zero-shot head is made from."""
    group = parser.add_argument_group("Teacher")
    group.add_argument(
        "--teacher",
        "--kd-model-name",
        default=None,
        type=str,
        metavar="SPEC",
        help="clip/<open_clip model>/<weights>, e.g. clip/ViT-L-14-quickgelu/openai, or the name of a timm model",
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
        "--teacher-cache", default="output/teachers", type=str, metavar="DIR", help="where zero-shot heads are kept"
    )


def add_distill_args(parser: ArgumentParser) -> None:
    """Add the objective, its weights and the DAD set."""
    group = parser.add_argument_group("Distillation")
    group.add_argument("--objective", default="dad", type=str, metavar="NAME", help="a file of dad/objectives")
    group.add_argument("--kd-temperature", default=4.0, type=float, metavar="T", help="softens teacher and student")
    group.add_argument(
        "--distill-loss-weight", default=None, type=float, metavar="A", help="default: the objective's own"
    )
    group.add_argument("--task-loss-weight", default=None, type=float, metavar="X", help="default: the objective's own")
    group.add_argument("--dad-dir", default=None, type=str, metavar="DIR", help="DAD set, made by generate.py")
    group.add_argument(
        "--dad-missing",
        default="substitute",
        type=str,
        choices=["substitute", "skip"],
        help="a clean image whose DAD image was not kept: take another image's, or leave its term out",
    )
