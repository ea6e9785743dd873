"""The machine: device, precision, seed, processes. Names and defaults are timm's."""

from argparse import ArgumentParser

from dad.args.switches import Switch


def add_runtime_args(parser: ArgumentParser) -> None:
    """Add what every script asks about the machine."""
    group = parser.add_argument_group("Runtime")
    group.add_argument("--device", default="cuda", type=str, metavar="NAME", help="cuda, cuda:1, cpu, mps")
    group.add_argument("--amp", default=False, action=Switch, help="mixed precision")
    # float16 because a V100 has no bfloat16: PyTorch emulates it there, slowly and without a word.
    group.add_argument(
        "--amp-dtype", default="float16", type=str, choices=["float16", "bfloat16"], help="the lower precision"
    )
    group.add_argument("--channels-last", default=False, action=Switch, help="memory layout for convolutions")
    group.add_argument("--seed", default=42, type=int, metavar="N", help="of every random draw")


def add_dtype_args(parser: ArgumentParser) -> None:
    """Add the precision of weights."""
    group = parser.add_argument_group("Precision of weights")
    group.add_argument(
        "--model-dtype", default=None, type=str, metavar="DTYPE", help="of weights: float32, bfloat16 or float16"
    )


def add_compile_args(parser: ArgumentParser) -> None:
    """Add compilation."""
    group = parser.add_argument_group("Compilation")
    group.add_argument(
        "--torchcompile", default=None, type=str, nargs="?", const="inductor", metavar="BACKEND", help="torch.compile"
    )
    group.add_argument("--torchcompile-mode", default=None, type=str, metavar="MODE", help="torch.compile's mode")


def add_train_runtime_args(parser: ArgumentParser) -> None:
    """Add what processes that train together agree on."""
    group = parser.add_argument_group("Runtime of training")
    group.add_argument("--local_rank", default=0, type=int, metavar="N", help="ignored: the launcher's variable counts")
    group.add_argument(
        "--device-modules", default=None, type=str, nargs="+", metavar="MODULE", help="imported for further devices"
    )
    group.add_argument(
        "--no-ddp-bb", default=False, action=Switch, help="processes do not share buffers before every step"
    )
    group.add_argument(
        "--synchronize-step", default=False, action=Switch, help="wait for the device after every update"
    )
    group.add_argument("--sync-bn", default=False, action=Switch, help="batch norm over all processes")
    group.add_argument(
        "--dist-bn", default="reduce", type=str, choices=["broadcast", "reduce", ""], help="statistics after an epoch"
    )
