"""The card against the build of torch: has it code for this card, and what precisions are worth asking for?

Without such code the first kernel fails, minutes into a run. CUDA 13 and the CUDA 12.8 builds from torch 2.11 on have
left Volta (V100); the last builds with code for it are those for CUDA 12.6, up to torch 2.14.
"""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from dad.doctor.findings import Finding, fail, ok, warn

OLD_CARDS = (7, 5)  # the first capability that CUDA 13 knows
PIP_OLD_CARDS = (
    'pip install --force-reinstall "torch<2.15" torchvision --index-url https://download.pytorch.org/whl/cu126 && '
    "pip install -r requirements.txt -c constraints-v100.txt"
)
PIP_LATEST = "pip install --upgrade -r requirements.txt -c constraints-latest.txt"
_HAS_BFLOAT16 = _HAS_TF32 = (8, 0)
_HAS_TENSOR_CORES = (7, 0)
_CODE = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


@dataclass(frozen=True)
class Card:
    """A card as torch sees it."""

    name: str
    capability: tuple[int, int]
    memory: int = 0

    def __str__(self) -> str:
        memory = f", {self.memory / 2**30:.0f} GiB" if self.memory else ""
        return f"{self.name} (compute capability {self.capability[0]}.{self.capability[1]}{memory})"


@dataclass(frozen=True)
class Wheel:
    """The build of torch that is installed.

    Attributes:
        cuda: of CUDA, None for a build without.
        architectures: what it has code for, as `torch.cuda.get_arch_list` tells it: sm_80, compute_120, ...
    """

    version: str
    cuda: str | None
    architectures: tuple[str, ...]

    @classmethod
    def installed(cls) -> "Wheel":
        """Look at torch; no CUDA context comes of it."""
        return cls(torch.__version__, torch.version.cuda, tuple(torch.cuda.get_arch_list()))

    def __str__(self) -> str:
        return f"torch {self.version} ({f'CUDA {self.cuda}' if self.cuda else 'without CUDA'})"


@dataclass(frozen=True)
class Precision:
    """What flags ask for: the lower precision of `--amp`, "" without it, and `--model-dtype`."""

    amp: str = ""
    weights: str = ""


def resolve_precision(args: Namespace) -> Precision:
    """Return what the flags ask for, of which not every script has all."""
    return Precision(args.amp_dtype if args.amp else "", getattr(args, "model_dtype", None) or "")


def read_cards(device: str) -> list[Card]:
    """Return the cards that `--device` stands for; none where there is no CUDA, or none is asked for."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return []
    _, _, index = device.partition(":")
    numbers = [int(index)] if index.isdecimal() else range(torch.cuda.device_count())
    properties = [torch.cuda.get_device_properties(number) for number in numbers if number < torch.cuda.device_count()]
    return [Card(found.name, (found.major, found.minor), found.total_memory) for found in properties]


def has_code(capability: tuple[int, int], architectures: Sequence[str]) -> bool:
    """Whether a build runs on a card: by code for its major version and a minor one up to its own, or by PTX
    (`compute_`) for any version up to its own, which the driver compiles."""
    for name in architectures:
        found = _CODE.fullmatch(name)
        if found is None:
            continue
        kind, version, exact = found[1], (int(found[2]), int(found[3])), found[4]
        if version == capability or (not exact and kind == "compute" and version <= capability):
            return True
        if not exact and kind == "sm" and version[0] == capability[0] and version <= capability:
            return True
    return False


def judge_wheel(cards: Sequence[Card], wheel: Wheel, device: str) -> list[Finding]:
    """Say of each kind of card whether the build of torch has code for it."""
    if not device.startswith("cuda"):
        return [ok("card", f"none is asked for (--device {device}); {wheel}")]
    if wheel.cuda is None:
        return [fail("card", f"--device {device}, but this is {wheel}", f"{PIP_LATEST} (V100: {PIP_OLD_CARDS})")]
    if not cards:
        remedy = "see whether nvidia-smi lists one, and is of a driver new enough for that CUDA; or use --device cpu"
        return [fail("card", f"--device {device}, but {wheel} sees no card", remedy)]
    found = []
    for card in dict.fromkeys(cards):
        count = f"{cards.count(card)} x " if len(cards) > 1 else ""
        if has_code(card.capability, wheel.architectures):
            found.append(ok("card", f"{count}{card}: {wheel} has code for it"))
            continue
        lists = ", ".join(wheel.architectures) or "nothing"
        found.append(fail("card", f"{count}{card}: {wheel} has no code for it, only for {lists}", _remedy(card)))
    return found


def judge_precision(cards: Sequence[Card], asked: Precision) -> list[Finding]:
    """Say what each kind of card can compute in, and what is asked of it that it cannot."""
    found = []
    for card in dict.fromkeys(cards):
        has_bfloat16 = card.capability >= _HAS_BFLOAT16
        abilities = [
            "fp16" if card.capability >= _HAS_TENSOR_CORES else "fp16 without tensor cores",
            "bf16" if has_bfloat16 else "no bf16 (emulated)",
            "TF32 (off unless torch is told)" if card.capability >= _HAS_TF32 else "no TF32",
        ]
        said = f"{card.name}: {', '.join(abilities)}"
        if "bfloat16" in (asked.amp, asked.weights) and not has_bfloat16:
            flag = "--amp-dtype float16" if asked.amp == "bfloat16" else "leave out --model-dtype and use --amp"
            found.append(warn("precision", f"{said}, but bfloat16 is asked for, which is slow here", flag))
        elif asked.amp and card.capability < _HAS_TENSOR_CORES:
            found.append(warn("precision", f"{said}; --amp saves memory alone", "--no-amp is as fast"))
        else:
            found.append(ok("precision", said))
    return found


def _remedy(card: Card) -> str:
    if card.capability < OLD_CARDS:
        return f"it needs a CUDA 12.6 build of torch up to 2.14: {PIP_OLD_CARDS}"
    return f"install a build that has sm_{card.capability[0]}{card.capability[1]}: {PIP_LATEST}"
