"""AutoAttack (Croce and Hein 2020) by the optional package pyautoattack: APGD, targeted APGD, FAB, Square in turn."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dad.attacks import NORMS
from dad.errors import UsageError
from dad.rng import same_random_state

_MIN_CLASSES = 4  # its targeted loss looks at the four largest logits


def run_autoattack(model: nn.Module, pixels: Tensor, targets: Tensor, norm: str, epsilon: float, seed: int) -> Tensor:
    """Attack a batch with the standard version, in fp32; its draws depend on the seed and on the whole batch.

    With few classes, its targeted parts aim at all the others.

    Args:
        model: pixels in [0, 1] to logits [B, K], in evaluation mode.
        pixels: [B, 3, H, W] in [0, 1]. targets: class indices [B]. norm: a key of `dad.attacks.NORMS`
            that AutoAttack knows.

    Returns:
        Adversarial pixels [B, 3, H, W] within the budget; images that held out are as they were.

    Raises:
        UsageError: the package is not installed, or there are fewer than four classes.
    """
    with torch.autocast(pixels.device.type, enabled=False):
        with torch.no_grad():
            classes = model(pixels[:1]).shape[1]
        if classes < _MIN_CLASSES:
            raise UsageError(f"--attack autoattack: it needs at least {_MIN_CLASSES} classes, but there are {classes}")
        name = NORMS[norm].autoattack
        attack = load_autoattack()(model, device=pixels.device, eps=epsilon, norm=name, seed=seed)
        for targeted in (attack.apgd_targeted, attack.fab):
            targeted.n_target_classes = min(targeted.n_target_classes, classes - 1)
        with same_random_state(pixels.device):  # it seeds torch's own generator
            adversarial: Tensor = attack.run_standard_evaluation(pixels, targets, batch_size=len(pixels))[0]
    return adversarial


class _FirstOfEachCheck(logging.Filter):
    """Let a warning of pyautoattack through once: it would come with every batch. Its check of how much Square adds is
    meant for a whole test set, and one image of a batch would set it off."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = {"check_square_sr"}

    def filter(self, record: logging.LogRecord) -> bool:
        is_first = record.funcName not in self.seen
        self.seen.add(record.funcName)
        return is_first


_FIRST_OF_EACH_CHECK = _FirstOfEachCheck()


def load_autoattack() -> Callable[..., Any]:
    """Return pyautoattack's class, its log reduced to warnings.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from pyautoattack import AutoAttack
    except ImportError as error:
        raise UsageError(f"--attack autoattack: pip install -r requirements-validate.txt first ({error})") from error
    logger = logging.getLogger("auto-attack")
    logger.setLevel(logging.WARNING)
    logger.addFilter(_FIRST_OF_EACH_CHECK)
    found: Callable[..., Any] = AutoAttack
    return found
