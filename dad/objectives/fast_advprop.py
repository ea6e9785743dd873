"""`fast_advprop`: AdvProp at the price of plain training (Mei et al. 2022): four fifths of a batch are clean images, a
fifth is other images, which are attacked by a pass that trains as well.

1. The fifth begins at random points of the budget, goes through the auxiliary norms, and has its gradient taken: the
   weights' part of it counts half, the pixels' part gives the adversarial images by one step against the true label.
2. These are dealt out anew over all processes, so that the norms do not see the batch that made them, and trained on,
   counting half, together with the clean images, which go through the main norms.
3. Gradients are divided by the images that reached them: 320 for the shared weights of 256 + 64 images (the fifth
   counts half twice), 256 for the main norms, 64 for the auxiliary ones.

Its authors shorten the schedule by 1.2, what a step costs more. They begin clean by the draw of a batch, here by that
of an image, and mix the clean images alone; here Mixup, where it is asked for, mixes all of a batch.
"""

import argparse
from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dad.args.adversarial import resolve_pixel_budget
from dad.attacks import Attack
from dad.errors import UsageError
from dad.memory import send
from dad.models.auxiliary_norms import AUXILIARY, MAIN, has_norms, two_norms
from dad.objectives import weighted_result
from dad.objectives._auxiliary import AuxiliaryNorms
from dad.pixels import denormalize, normalize
from dad.teachers import Teacher

_SHARE = 5  # one image of so many is attacked
_LENGTH = 1 / 255


class Objective(AuxiliaryNorms):
    """Fast AdvProp, Tables 1, 2 and 7."""

    batch_multiple = _SHARE
    mean: Tensor
    std: Tensor

    @classmethod
    def check_args(cls, args: argparse.Namespace) -> None:
        """Refuse more than the one step that a training pass gives."""
        super().check_args(args)
        resolve_pixel_budget(args, _LENGTH, _LENGTH)
        if args.adv_steps not in (None, 1):
            raise UsageError(
                f"--adv-steps {args.adv_steps}: fast_advprop attacks by its one training pass; use --objective advprop"
            )

    @classmethod
    def images_at_once(cls, images: int, passes: str = "joint") -> int:
        """The auxiliary norms see the fifth that is attacked."""
        return attacked_images(images)

    @classmethod
    def check_student(cls, args: argparse.Namespace, student: nn.Module) -> None:
        """Refuse a student that has no norms to keep its two kinds of images apart."""
        kind = args.aux_norms or cls.default_norms
        if not has_norms(student, kind):
            raise UsageError(
                f"--objective fast_advprop: {kind} norms alone keep its two kinds of images apart, and {args.model} "
                "has none; use a ResNet, --aux-norms layer for a ViT's layer norms (its authors have none of it), or "
                "--objective pyramid_at"
            )

    def __init__(self, args: argparse.Namespace, student: Any, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        self.epsilon, self.step_size = resolve_pixel_budget(args, _LENGTH, _LENGTH)
        self.start = Attack("linf", self.epsilon, self.step_size, 1, 1 - args.adv_start_clean).start
        config = student.pretrained_cfg
        for name in ("mean", "std"):
            self.register_buffer(name, torch.tensor(config[name], device=device).view(1, -1, 1, 1), persistent=False)
        self._norms = tuple(two_norms(student).values())  # a tuple hides them from the task, which has them already

    @property
    def weights(self) -> dict[str, float]:
        """By images: the attacked ones count half in each of their two passes."""
        return {"ce": 0.8, "ce_attack": 0.1, "ce_adversarial": 0.1}

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss, the clean images' logits and the terms; see `dad.objectives` for the arguments. The
        gradients of the attack's pass are there already."""
        count = len(target) - attacked_images(len(target))
        attack, adversarial = self._attack(input[count:], target[count:])
        adversarial, dealt_target = deal_out(adversarial, target[count:])
        with self.route.through((MAIN, count), (AUXILIARY, len(adversarial))):
            logits = self.trainable_module(torch.cat([input[:count], adversarial]))
        terms = {
            "ce": self.criterion(logits[:count], target[:count]),
            "ce_attack": attack,
            "ce_adversarial": self.criterion(logits[count:], dealt_target),
        }
        return weighted_result(logits[:count], terms, self.weights)

    def _attack(self, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of the attack's pass, whose gradients are added, and what the pixels' gradient makes of the
        images."""
        pixels = denormalize(input.float(), self.mean, self.std).clamp(0, 1)
        generators = [torch.Generator().manual_seed(seed) for seed in torch.randint(1 << 62, (len(input),)).tolist()]
        start = self.start(pixels, generators)
        variable = torch.empty_like(input).copy_(normalize(start, self.mean, self.std)).requires_grad_()
        with self.no_sync(), self.route.auxiliary():
            loss: Tensor = self.criterion(self.trainable_module(variable), target)
            self.early_backward(self.weights["ce_attack"] * loss)
        assert variable.grad is not None
        moved = start + self.step_size * variable.grad.sign().nan_to_num()  # an overflow leaves the image where it is
        attacked = (pixels + (moved - pixels).clamp(-self.epsilon, self.epsilon)).clamp(0, 1)
        return loss.detach(), torch.empty_like(input).copy_(normalize(attacked, self.mean, self.std))

    def finish_gradients(self) -> None:
        """Divide the norms' gradients by the images that went through them; the weights of the terms have done so with
        the shared ones."""
        weights = self.weights
        _scale((norm.main for norm in self._norms), 1 / weights["ce"])
        _scale((norm.auxiliary for norm in self._norms), 1 / (weights["ce_attack"] + weights["ce_adversarial"]))


def attacked_images(images: int) -> int:
    """Return how many images of a batch are attacked."""
    return max(1, round(images / _SHARE))


def deal_out(images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Shuffle images and their targets over all processes, each of which gets as many as it gave; the order comes from
    the first process's generator on the CPU."""
    count = len(images)
    if not (dist.is_available() and dist.is_initialized()):
        order = send(torch.randperm(count), images.device)
        return images[order], target[order]
    processes, rank = dist.get_world_size(), dist.get_rank()
    order = send(torch.randperm(processes * count), images.device)
    dist.broadcast(order, 0)
    own = order[rank * count : (rank + 1) * count]
    return torch.empty_like(images).copy_(_gather(images)[own]), _gather(target)[own]


def _gather(tensor: Tensor) -> Tensor:
    whole = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(dist.get_world_size())]
    dist.all_gather(whole, tensor.contiguous())
    return torch.cat(whole)


def _scale(modules: Iterable[nn.Module], factor: float) -> None:
    gradients = [p.grad for module in modules for p in module.parameters() if p.grad is not None]
    if gradients:
        torch._foreach_mul_(gradients, factor)
