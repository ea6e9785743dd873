"""Means of loss terms over the images of an epoch, summed on the device."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from dad.runtime import Runtime


class TermMeter:
    """Running sums of named loss terms, on the device: reading them costs a synchronisation, adding to them none."""

    def __init__(self) -> None:
        self.sums: OrderedDict[str, Tensor] = OrderedDict()
        self.images = 0

    def update(self, terms: dict[str, Tensor], images: int) -> None:
        """Add terms that are means over `images` images."""
        for name, value in terms.items():
            weighted = value.detach().double() * images
            if name in self.sums:
                weighted = self.sums[name] + weighted
            self.sums[name] = weighted
        self.images += images

    def state_dict(self) -> dict[str, Any]:
        """Return the sums as plain data for a checkpoint."""
        return {"sums": {name: value.cpu() for name, value in self.sums.items()}, "images": self.images}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Continue from sums that `state_dict` has returned."""
        self.sums = OrderedDict((name, value.to(device)) for name, value in state["sums"].items())
        self.images = state["images"]

    @staticmethod
    def shared(states: Sequence[dict[str, Any]], rank: int, count: int) -> dict[str, Any]:
        """Return the state of the meter of process `rank`, if `count` of them together stand for those of others."""
        sums = {name: torch.stack([state["sums"][name] for state in states]).sum(dim=0) for name in states[0]["sums"]}
        images = sum(state["images"] for state in states)
        return {
            "sums": {name: total / count for name, total in sums.items()},
            "images": images // count + (rank < images % count),
        }

    def averages(self, runtime: Runtime | None = None) -> OrderedDict[str, float]:
        """Return the mean of each term over all images so far; with `runtime`, over those of all processes."""
        totals = torch.stack([*self.sums.values(), torch.tensor(float(self.images)).to(next(iter(self.sums.values())))])
        if runtime is not None and runtime.distributed:
            dist.all_reduce(totals)
        means = (totals[:-1] / totals[-1]).tolist()
        return OrderedDict(zip(self.sums, means, strict=True))
