"""Discretisers: one file each; the file name is the name on the command line."""

import argparse
from typing import Any

import torch

from dad.plugins import load_plugin


def create_discretizer(args: argparse.Namespace, device: torch.device) -> Any:
    """Build the discretiser that `--discretizer` names: a frozen network from pixels to pixels, with `settings`."""
    return load_plugin("discretizers", args.discretizer).create_discretizer(args, device)
