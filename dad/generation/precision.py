"""In which precision the attack's gradients are taken where nobody says it: one that a set has once and for all."""

import logging
from argparse import Namespace
from pathlib import Path

from dad.args.sizing import with_values
from dad.attacks import AUTO
from dad.generation.extension import settings_of_set

_logger = logging.getLogger(__name__)
_OF_AMP = {"float16": "fp16", "bfloat16": "bf16"}


def resolve_attack_precision(args: Namespace, args_text: str) -> tuple[Namespace, str]:
    """Return the flags, and their YAML, with a precision of the attack; a set that is there keeps its own.

    A new set takes that of everything else: its effect is smaller than that of another draw of the random starts
    (`benchmarks.attack_precision`). It is a function of the flags, not of the card, since the jobs of one set may run
    on different ones. A set from before there was a choice has float32.
    """
    if args.attack_precision != AUTO or args.attack == "none":
        return args, args_text
    precision = _OF_AMP[args.amp_dtype] if args.amp else "fp32"
    reason = "as everything else here"
    stored = settings_of_set(Path(args.dad_dir))
    if stored is not None and stored.get("attack") != "none":
        precision, reason = str(stored.get("attack_precision", "fp32")), f"as the set in {args.dad_dir} has it"
    if precision != "fp32":
        _logger.info("attack: gradients in %s, %s (--attack-precision says otherwise)", precision, reason)
    return with_values(args, args_text, {"attack_precision": precision})
