"""Flags whose values come from the number of training images (`--size-to-data`): which, by what rule, and said how.

A folder of two hundred pictures and one of a million want other epochs and batches. The rules are our own rules of
thumb, for a first run that ends; what is given, on the command line or in a YAML, is never touched.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Collection, Mapping
from typing import Any

import yaml

from dad.args.config import Setting
from dad.args.switches import Switch
from dad.errors import UsageError

TRAINED = ("epochs", "warmup_epochs", "batch_size", "img_size")
MADE = ("shard_size", "batch_size")
FLAG = "size_to_data"

_SEEN = 6_000  # images that a short run sees in all its epochs: a minute or two on two cores
_EPOCHS = (10, 40)
_UPDATES = 12  # of an epoch, at least
_BATCHES = (8, 128)  # images an update
_SIDES = ((1_000, 64), (10_000, 128))  # pixels a side, for fewer images than that; few do not teach fine detail
_LARGE = 224
_SHARDS = 8  # of a set, at least: what a kill costs, and what processes can share
_SHARD_SIZES = (50, 1_000)
_MADE_AT_ONCE = 32


def add_sizing_args(parser: ArgumentParser, names: Collection[str]) -> None:
    """Add the switch; `names` are the flags that it decides where they are not given."""
    group = parser.add_argument_group("Size of the data")
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in names)
    group.add_argument(
        f"--{FLAG.replace('_', '-')}",
        default=False,
        action=Switch,
        help=f"take {flags}, where they are not given, from the number of training images, and say what was taken",
    )


def left_open(settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return as None those settings that the switch, if it is on, leaves to the data: nobody has given them."""
    switch = settings.get(FLAG)
    if switch is None or not switch.value:
        return {}
    names = TRAINED if "epochs" in settings else MADE
    return {name: Setting(None, FLAG) for name in names if settings[name].origin == "default"}


def open_names(args: Namespace) -> list[str]:
    """Return the flags that still are to be taken from the data."""
    flags = vars(args)
    names = TRAINED if "epochs" in flags else MADE
    return [name for name in names if flags.get(FLAG) and flags[name] is None]


def sizes_for_training(images: int, processes: int = 1) -> dict[str, int]:
    """Return values of `TRAINED` for so many images and processes, which share a batch.

    Raises:
        UsageError: there are more processes than images.
    """
    if images < processes:
        raise UsageError(f"{processes} processes, but {images} training images; use as many processes at most")
    epochs = _within(_SEEN // images, _EPOCHS)
    batch = min(_within(_power_of_two(images // _UPDATES), _BATCHES), images)
    return {
        "epochs": epochs,
        "warmup_epochs": max(1, epochs // 10),
        "batch_size": max(1, batch // processes),
        "img_size": next((side for below, side in _SIDES if images < below), _LARGE),
    }


def sizes_for_generation(images: int) -> dict[str, int]:
    """Return values of `MADE` for so many images. They decide bits of a set, so a set has them once and for all."""
    shard_size = _within(-(-images // _SHARDS), _SHARD_SIZES)
    return {"shard_size": shard_size, "batch_size": min(_MADE_AT_ONCE, shard_size)}


def with_sizes(args: Namespace, args_text: str, sizes: Mapping[str, Any]) -> tuple[Namespace, str]:
    """Return flags and their YAML with what was open filled in: given back through `--config`, nothing is open."""
    return with_values(args, args_text, {name: sizes[name] for name in open_names(args)})


def with_values(args: Namespace, args_text: str, values: Mapping[str, Any]) -> tuple[Namespace, str]:
    """Return flags and their YAML with other values."""
    content = yaml.safe_load(args_text) | dict(values)
    text = "".join(f"{line(name, content[name])}\n" for name in sorted(content))
    return Namespace(**{**vars(args), **values}), text


def describe(sizes: Mapping[str, Any]) -> str:
    """Return sizes in words."""
    return ", ".join(f"--{name.replace('_', '-')} {value}" for name, value in sizes.items())


def line(dest: str, value: Any) -> str:
    """Return `dest: value` in one line: a flow mapping of one entry without its braces."""
    return yaml.safe_dump({dest: value}, default_flow_style=True, width=float("inf")).strip()[1:-1]


def _within(value: int, ends: tuple[int, int]) -> int:
    return min(max(value, ends[0]), ends[1])


def _power_of_two(value: int) -> int:
    """Return the largest power of two that is not larger."""
    return 1 << max(value, 1).bit_length() - 1
