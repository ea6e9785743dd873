"""`debiased`: (CE(s(x), y) + CE(s'(z), 0.8 y + 0.2 y')) / 2, z the image x in the texture of another one of its batch,
y' that one's label, s' the student with auxiliary norms (Li et al. 2021, shape-texture debiased training).

Styles are exchanged by `dad.styles`, between the images of a process's batch. Stylised images are smaller than the
clean ones by a cycle over batches and epochs, so each half of a step is a pass of its own. Where images are blended
(mixup, CutMix), blended ones are stylised, and their mixed labels count.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from dad.args.generate import missing_discretizer_flags
from dad.files import Settings
from dad.memory import send
from dad.objectives import ArgumentGroup, weighted_result
from dad.objectives._auxiliary import AuxiliaryNorms
from dad.objectives._multi_grid import create_cycle
from dad.pixels import denormalize, normalize
from dad.styles import create_style_transfer
from dad.teachers import Teacher

_WEIGHTS = {"ce": 0.5, "ce_stylised": 0.5}


class Objective(AuxiliaryNorms):
    """Shape-texture debiased training, Tables 1 and 2."""

    sees_apart = True

    @staticmethod
    def add_args(group: ArgumentGroup) -> None:
        """Add the style transfer, its labels and its sizes."""
        group.add_argument(
            "--style-weights",
            default=None,
            type=str,
            nargs=2,
            metavar=("VGG", "DECODER"),
            help="vgg_normalised.pth and decoder.pth of naoto0804/pytorch-AdaIN; without them --discretizer is a "
            "substitute: styles are exchanged in the latents of its VQGAN, or as colours alone by identity",
        )
        group.add_argument("--style-alpha", default=0.5, type=float, metavar="X", help="share of the style in features")
        group.add_argument("--style-label", default=0.2, type=float, metavar="X", help="and in the label")
        group.add_argument(
            "--style-sizes",
            default=None,
            type=str,
            choices=["multi-grid", "full"],
            help="of stylised images: sides of 1/2 to 1 of the clean ones' in a cycle, or theirs; default: multi-grid "
            "if the student takes images of such sizes (a ViT does with --model-kwargs dynamic_img_size=True)",
        )

    @classmethod
    def find_missing(cls, args: argparse.Namespace) -> str:
        """Return in words what style transfer needs and is not given."""
        lacking = "" if args.style_weights else missing_discretizer_flags(args)
        return f"{lacking}; or give --style-weights VGG DECODER" if lacking else ""

    def __init__(self, args: argparse.Namespace, student: Any, teacher: Teacher | None, device: torch.device):
        super().__init__(args, student, teacher, device)
        config = student.pretrained_cfg
        mean, std = (torch.tensor(config[name], device=device).view(1, -1, 1, 1) for name in ("mean", "std"))
        self.register_buffer("style_mean", mean, persistent=False)
        self.register_buffer("style_std", std, persistent=False)
        self.transfer = create_style_transfer(args, device)
        self.label_share: float = args.style_label
        self.memory_format = torch.channels_last if args.channels_last else torch.contiguous_format
        self.cycle = create_cycle(args, student, self.transfer.space.downscale)
        self.place = (0, 0)

    @property
    def weights(self) -> Mapping[str, float]:
        """The mean over both halves of the step."""
        return _WEIGHTS

    @property
    def settings(self) -> Settings:
        """Where styles are exchanged, and by which weights."""
        return {**self.transfer.space.settings, "style_sizes": "multi-grid" if self.cycle.is_on else "full"}

    def begin_batch(self, epoch: int, update: int) -> None:
        """Note what the sizes depend on."""
        self.place = (epoch, update)

    def forward(
        self, input: Tensor, target: Tensor, present: Tensor | None = None, recorded: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return the loss and its terms; see `dad.objectives` for the arguments."""
        order = send(torch.randperm(len(input)), input.device)  # by the CPU's generator, as a resumed run draws it
        stylised = self.stylise(input, order)
        clean = self.trainable_module(input)
        with self.route.auxiliary():
            other = self.trainable_module(stylised)
        # cross-entropy is linear in the target: a mixed label is a mixture of losses
        content, style = self.criterion(other, target), self.criterion(other, target[order])
        mixed = (1 - self.label_share) * content + self.label_share * style
        return weighted_result(clean, {"ce": self.criterion(clean, target), "ce_stylised": mixed}, self.weights)

    @torch.no_grad()
    def stylise(self, input: Tensor, order: Tensor) -> Tensor:
        """Return image i in the style of image `order[i]`, normalised as `input` [B, 3, H, W] is; smaller than that, if
        it is time for it."""
        pixels = denormalize(input.float(), self.style_mean, self.style_std).clamp(0, 1)
        size = self.cycle.size(pixels.shape[2:], *self.place)
        if size != tuple(pixels.shape[2:]):
            pixels = interpolate(pixels, size)
        stylised = normalize(self.transfer(pixels, order), self.style_mean, self.style_std)
        return stylised.to(input.dtype, memory_format=self.memory_format)
