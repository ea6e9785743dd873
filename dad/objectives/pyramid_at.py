"""`pyramid_at`: L(s(x), y) + L(s(x'), y), x' by the student's own pyramid attack (Herrmann et al. 2022).

The attack is on the image as it is trained on, mixed or not, towards a class that is drawn for each image and may be
its own; it and the adversarial pass have the dropout and the stochastic depth of the clean pass, mask by mask, so that
the attack is on the very network that is trained. L is the label's loss by the flags: the authors have a sigmoid one
(`--bce-loss --bce-sum`), and the attack's is of the same kind.

With one level of one pixel (`--pyramid-cells 1 --pyramid-multipliers 1`) it is their "PixelAT", which is what comes
nearest to AdvProp for a ViT. They share all norms between both images (`--aux-norms none`, the default here).
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from dad.args.adversarial import resolve_pixel_budget
from dad.args.checks import require_above_zero
from dad.errors import UsageError
from dad.gradients import frozen_statistics
from dad.memory import send
from dad.objectives import ArgumentGroup, weighted_result
from dad.objectives._auxiliary import AuxiliaryNorms
from dad.pixels import PixelModel, denormalize, normalize
from dad.pyramid import Pyramid
from dad.rng import get_random_state, set_random_state
from dad.teachers import Teacher

_EPSILON, _STEP_SIZE, _STEPS = 3 / 255, 0.5 / 255, 5


@dataclass(frozen=True)
class _Adversary:
    """The student's adversary; no module, so that the task does not hold the student by two names."""

    student: PixelModel
    pyramid: Pyramid
    losses: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, input: Tensor, towards: Tensor, before_pass: Callable[[], None]) -> Tensor:
        """Return [B, 3, H, W], normalised as `input` is, that the student in its own mode takes for the classes
        `towards` [B]; `before_pass` is called before each of its passes."""
        mean, std = self.student.mean, self.student.std

        def losses_of(pixels: Tensor) -> Tensor:
            before_pass()
            return -self.losses(self.student(pixels), towards)

        with frozen_statistics(self.student):
            attacked = self.pyramid(losses_of, denormalize(input.float(), mean, std).clamp(0, 1))
        return torch.empty_like(input).copy_(normalize(attacked, mean, std))  # and in its memory format


class Objective(AuxiliaryNorms):
    """Pyramid adversarial training, Tables 1, 2 and 6."""

    sees_apart = True
    default_norms = "none"

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add the levels."""
        group.add_argument(
            "--pyramid-cells",
            nargs="+",
            default=[32, 16, 1],
            type=int,
            metavar="N",
            help="pixels a side of the cells of each level: at 224 px these are 7 x 7, 14 x 14 and 224 x 224",
        )
        group.add_argument(
            "--pyramid-multipliers",
            nargs="+",
            default=[20.0, 10.0, 1.0],
            type=float,
            metavar="X",
            help="factor on --adv-eps and --adv-step-size at each level",
        )

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse levels that do not fit together, and masks that would not be the same."""
        super().check_args(args)
        require_above_zero(args, "pyramid_cells", "pyramid_multipliers")
        resolve_pixel_budget(args, _EPSILON, _STEP_SIZE)
        if len(args.pyramid_cells) != len(args.pyramid_multipliers):
            raise UsageError(
                f"--pyramid-multipliers: {len(args.pyramid_multipliers)} for the {len(args.pyramid_cells)} levels of "
                "--pyramid-cells; give one a level"
            )
        if args.torchcompile:
            raise UsageError(
                "--torchcompile: the attack of pyramid_at goes through the network as it is, whose dropout and "
                "stochastic depth are drawn otherwise than the compiled one's; leave it out"
            )

    def __init__(self, args: argparse.Namespace, student: Any, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.classes = int(student.num_classes)
        epsilon, step_size = resolve_pixel_budget(args, _EPSILON, _STEP_SIZE)
        levels = tuple(args.pyramid_cells), tuple(args.pyramid_multipliers)
        pyramid = Pyramid(*levels, epsilon, step_size, args.adv_steps or _STEPS)
        config = student.pretrained_cfg
        on_pixels = PixelModel(student, config["mean"], config["std"]).to(device)
        self.adversary = _Adversary(on_pixels, pyramid, _sigmoid_losses if args.bce_loss else _softmax_losses)

    @property
    def weights(self) -> dict[str, float]:
        """Clean and adversarial images weigh alike, and are not averaged."""
        return {"ce": 1.0, "ce_adversarial": 1.0}

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and its terms; see `dad.objectives` for the arguments."""
        towards = send(torch.randint(self.classes, (len(input),)), input.device)
        state = get_random_state(input.device)

        def same_masks() -> None:
            set_random_state(state, input.device)

        clean = self.trainable_module(input)
        with self.route.auxiliary():
            adversarial = self.adversary(input, towards, same_masks)
            same_masks()
            attacked = self.trainable_module(adversarial)
        terms = {"ce": self.criterion(clean, target), "ce_adversarial": self.criterion(attacked, target)}
        return weighted_result(clean, terms, self.weights)


def _softmax_losses(logits: Tensor, target: Tensor) -> Tensor:
    return cross_entropy(logits, target, reduction="none")


def _sigmoid_losses(logits: Tensor, target: Tensor) -> Tensor:
    each = binary_cross_entropy_with_logits(logits, one_hot(target, logits.shape[1]).to(logits), reduction="none")
    return each.sum(dim=1)
