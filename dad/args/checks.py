"""Numbers that no training works with, found before anything is loaded."""

from argparse import Namespace
from collections.abc import Callable

from dad.errors import UsageError

_COUNTS = (
    "batch_size", "epochs", "log_interval", "grad_accum_steps", "checkpoint_hist", "val_interval", "max_nonfinite",
)  # fmt: skip
_ABOVE_ZERO = (
    "kd_temperature", "dist_temperature", "rslad_temperature", "logit_scale", "clip_grad", "lr_base", "lr_base_size",
)  # fmt: skip
_NOT_NEGATIVE = (
    "task_loss_weight", "distill_loss_weight", "kdiga_weight", "lr", "weight_decay", "mixup", "cutmix",
    "attack_eps", "attack_step_size", "attack_steps", "workers", "recovery_interval",
)  # fmt: skip
_SHARES = (
    "smoothing", "reprob", "mixup_prob", "mixup_switch_prob", "hflip", "vflip", "drop", "model_ema_decay",
    "random_start_prob",
)  # fmt: skip

_Rule = tuple[tuple[str, ...], str, Callable[[float], bool]]
_RULES: tuple[_Rule, ...] = (
    (_COUNTS, "at least 1", lambda value: value >= 1),
    (_ABOVE_ZERO, "above 0", lambda value: value > 0),
    (_NOT_NEGATIVE, "at least 0", lambda value: value >= 0),
    (_SHARES, "from 0 to 1", lambda value: 0 <= value <= 1),
)


def require_numbers(args: Namespace) -> None:
    """Refuse values outside what their flags mean; None is for what the flag leaves to somebody else.

    Raises:
        UsageError: the first such value, by its flag.
    """
    for names, wanted, fits in _RULES:
        for name in names:
            value = getattr(args, name)
            if value is not None and not fits(value):  # no comparison holds for nan
                raise UsageError(f"--{name.replace('_', '-')} {value}: it must be {wanted}")
