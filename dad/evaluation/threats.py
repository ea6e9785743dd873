"""The attacks that a model is scored under (paper, Table 12): FGSM, PGD and AutoAttack, on pixels in [0, 1].

The table gives neither budget nor norm nor steps. Taken here: FGSM and PGD as in RVT's public code (Mao et al. 2022; of
DAT's authors), one step of 1/255 and five of 0.5/255 from a random start; AutoAttack "standard" at 4/255, as in DAD's
own code. All three are Linf, and every row of results says what it was made with.
"""

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from dad.args.checks import length_of
from dad.attacks import NORMS, Attack
from dad.errors import DataError, UsageError
from dad.evaluation.autoattack import load_autoattack, run_autoattack

_EPSILON = {"fgsm": 1 / 255, "pgd": 1 / 255, "autoattack": 4 / 255}  # Linf
_STEPS = 5


@dataclass(frozen=True)
class Threat:
    """An attack of an evaluation; lengths are in `norm` over the whole image, pixels in [0, 1].

    Attributes:
        name: fgsm, pgd or autoattack.
        norm: a key of `dad.attacks.NORMS`.
        step_size, steps: None for AutoAttack, which chooses them itself.
    """

    name: str
    norm: str
    epsilon: float
    step_size: float | None
    steps: int | None

    def describe(self) -> dict[str, Any]:
        """Return what a row of results says of the attack."""
        return {
            "attack": self.name,
            "norm": self.norm,
            "epsilon": self.epsilon,
            "step_size": self.step_size,
            "steps": self.steps,
        }


def create_threats(args: argparse.Namespace) -> list[Threat]:
    """Build the attacks of `--attack`, each once, in the order given; none for an empty list.

    Raises:
        UsageError: an unknown attack, a flag that none of them reads, a value that cannot work, or AutoAttack without
            its package or under a norm that it does not have.
    """
    names = list(dict.fromkeys(name.strip() for name in args.attack.split(","))) if args.attack else []
    for name in names:
        if name not in _EPSILON:
            near = difflib.get_close_matches(name, _EPSILON, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_EPSILON)}"
            raise UsageError(f"--attack {name or repr(args.attack)}: no such attack; {hint}")
    _require_read(args, names)
    if args.attack_steps is not None and args.attack_steps < 1:
        raise UsageError(f"--attack-steps {args.attack_steps}: at least 1")
    if names and args.attack_norm != "linf" and args.attack_eps is None:
        raise UsageError(f"--attack-norm {args.attack_norm}: the defaults are budgets of linf; give --attack-eps too")
    if "autoattack" in names:
        _require_autoattack(args.attack_norm)
    return [_create_threat(name, args) for name in names]


def attack_batch(
    threat: Threat, model: nn.Module, pixels: Tensor, targets: Tensor, generators: Sequence[torch.Generator]
) -> Tensor:
    """Attack every image, in fp32.

    Args:
        model: pixels in [0, 1] to logits [B, K], normalisation inside (`dad.pixels.PixelModel`); in evaluation mode,
            its parameters without gradients.
        pixels: [B, 3, H, W] in [0, 1]. targets: class indices [B].
        generators: one an image (`dad.attacks.keyed_generator`). FGSM and PGD depend on nothing else in the batch;
            AutoAttack draws for a batch as a whole, from a seed that the first image's generator gives.

    Returns:
        Adversarial pixels [B, 3, H, W] within the budget and in [0, 1], not rounded. AutoAttack returns an image as it
        was where it found nothing.

    Raises:
        UsageError: fewer classes than AutoAttack needs. DataError: gradients that are no numbers.
    """
    assert pixels.dtype == torch.float32 and not torch.is_inference_mode_enabled()
    assert pixels.min() >= 0 and pixels.max() <= 1, "attacks work on pixels in [0, 1], before normalisation"
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())
    if threat.name == "autoattack":
        seed = int(torch.randint(2**31, (), generator=generators[0]))
        adversarial = run_autoattack(model, pixels, targets, threat.norm, threat.epsilon, seed)
    else:
        adversarial = _run_gradient_attack(threat, model, pixels, targets, generators)
    return adversarial


def robust_hits(
    threat: Threat, model: nn.Module, pixels: Tensor, targets: Tensor, generators: Sequence[torch.Generator]
) -> tuple[Tensor, Tensor]:
    """Return which images the model gets right, and which of them it still gets right under the attack: bool [B] each.

    The clean image lies within every budget, so one that is wrong already is not robust and is not attacked. Arguments
    and errors are those of `attack_batch`.
    """
    with torch.autocast(pixels.device.type, enabled=False):
        clean = _hits(model, pixels, targets)
        robust = clean.clone()
        if clean.any():
            drawing = [generator for generator, hit in zip(generators, clean.tolist(), strict=True) if hit]
            adversarial = attack_batch(threat, model, pixels[clean], targets[clean], drawing)
            robust[clean] = _hits(model, adversarial, targets[clean])
    return clean, robust


def _require_read(args: argparse.Namespace, names: list[str]) -> None:
    """Refuse what would have no effect."""
    given = {
        "--attack-eps": args.attack_eps,
        "--attack-step-size": args.attack_step_size,
        "--attack-steps": args.attack_steps,
        "--attack-images": args.attack_images or None,
        "--attack-sets": args.attack_sets or None,
    }
    for flag, value in given.items():
        if value is not None and not names:
            raise UsageError(f"{flag} {value}: there is no attack; give --attack {','.join(_EPSILON)}")
        if value is not None and "step" in flag and "pgd" not in names:
            raise UsageError(f"{flag} {value}: only pgd reads it, but --attack is {args.attack}")


def _require_autoattack(norm: str) -> None:
    if NORMS[norm].autoattack is None:
        known = ", ".join(sorted(name for name, other in NORMS.items() if other.autoattack))
        raise UsageError(f"--attack autoattack: it has no --attack-norm {norm}; it knows {known}")
    load_autoattack()


def _create_threat(name: str, args: argparse.Namespace) -> Threat:
    epsilon = _EPSILON[name] if args.attack_eps is None else length_of("--attack-eps", args.attack_eps)
    if NORMS[args.attack_norm].per_value and epsilon >= 1:
        hint = "write a fraction such as 4/255" if "/" in args.attack_eps else f"did you mean {args.attack_eps}/255?"
        raise UsageError(f"--attack-eps {args.attack_eps}: pixels lie in [0, 1]; {hint}")
    if name == "autoattack":
        return Threat(name, args.attack_norm, epsilon, None, None)
    if name == "fgsm":
        return Threat(name, args.attack_norm, epsilon, epsilon, 1)
    step_size = epsilon / 2 if args.attack_step_size is None else length_of("--attack-step-size", args.attack_step_size)
    return Threat(name, args.attack_norm, epsilon, step_size, args.attack_steps or _STEPS)


@torch.no_grad()
def _hits(model: nn.Module, pixels: Tensor, targets: Tensor) -> Tensor:
    hits: Tensor = model(pixels).argmax(dim=1) == targets
    return hits


def _run_gradient_attack(
    threat: Threat, model: nn.Module, pixels: Tensor, targets: Tensor, generators: Sequence[torch.Generator]
) -> Tensor:
    assert threat.step_size is not None and threat.steps is not None
    start = 1.0 if threat.name == "pgd" else 0.0
    attack = Attack(threat.norm, threat.epsilon, threat.step_size, threat.steps, random_start_prob=start)

    def loss_of(images: Tensor) -> Tensor:
        images.register_hook(_require_finite)  # type: ignore[no-untyped-call]
        return cross_entropy(model(images), targets, reduction="none")

    return attack(loss_of, pixels, generators)


def _require_finite(gradient: Tensor) -> None:
    """Linf takes the sign, which is 0 of what is no number: the image would not move, and count as robust."""
    if not gradient.isfinite().all():
        count = int((~gradient.isfinite()).flatten(1).any(dim=1).sum())
        raise DataError(f"--attack: the gradients of {count} images are not finite; are the weights damaged?")
