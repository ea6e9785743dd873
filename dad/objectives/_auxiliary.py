"""What objectives with auxiliary norms share: the student's norms, and what a checkpoint holds of them."""

import argparse
import logging
from typing import Any

import torch
from timm.utils import unwrap_model
from torch import nn

from dad.errors import UsageError
from dad.models.auxiliary_norms import add_auxiliary_norms, auxiliary_state, load_auxiliary_state, two_norms
from dad.objectives import Supervised
from dad.teachers import Teacher

_logger = logging.getLogger(__name__)
_STATE = "auxiliary_norms"


class AuxiliaryNorms(Supervised):
    """Base of the objectives that give the student auxiliary norms (`dad.models.auxiliary_norms`).

    Checkpoints hold the student as timm has it, without the auxiliary norms, which evaluation never uses; those are in
    the task's own state, so that a run that is continued has both.

    Attributes:
        default_norms: which norms have a copy, where `--aux-norms` does not say.
        route: which norms the student's images go through.
    """

    input_gradients = True
    default_norms = "batch"

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse what would go through other norms in the backward pass than in the forward pass."""
        super().check_args(args)
        if args.grad_checkpointing and (args.aux_norms or cls.default_norms) != "none":
            raise UsageError(
                f"--grad-checkpointing: --objective {args.objective} chooses norms in the forward pass, which is over "
                "when it would be repeated; leave it out"
            )

    @classmethod
    def images_at_once(cls, images: int, passes: str = "joint") -> int:
        """Main and auxiliary norms see their images apart."""
        return images

    def __init__(self, args: argparse.Namespace, student: nn.Module, teacher: Teacher | None, device: torch.device):
        kind = args.aux_norms or self.default_norms
        route = add_auxiliary_norms(student, kind)
        super().__init__(args, student, teacher, device)
        self.route = route
        count = len(two_norms(student))
        if kind != "none" and not count:
            _logger.info("the student has no %s norms: all of its images go through the same ones", kind)
        _logger.info("%d auxiliary norms (--aux-norms %s)", count, kind)

    def get_task_state(self, module: nn.Module | None = None, ema: bool = False) -> dict[str, Any]:
        """Return the auxiliary norms; a moving average has none, since nothing is ever evaluated through them."""
        if ema:
            return {}
        state = auxiliary_state(self._network(module))
        return {_STATE: state} if state else {}

    def load_task_state(
        self, state: dict[str, Any] | None, strict: bool = True, module: nn.Module | None = None, ema: bool = False
    ) -> None:
        """Load the auxiliary norms; where the checkpoint has none, they begin as the main ones are."""
        if ema:
            return
        own = None if state is None else state.get(_STATE)
        if own is None and two_norms(self._network(module)):
            _logger.info("the checkpoint has no auxiliary norms: they begin as its main ones are")
        load_auxiliary_state(self._network(module), own)

    def _network(self, module: nn.Module | None) -> nn.Module:
        network: nn.Module = unwrap_model(module or self.get_trainable_module())
        return network
