"""Values that no training or evaluation works with, found before anything is loaded."""

from argparse import Namespace
from collections.abc import Callable, Sequence

from dad.errors import UsageError

_COUNTS = (
    "batch_size", "epochs", "log_interval", "grad_accum_steps", "checkpoint_hist", "val_interval", "max_nonfinite",
)  # fmt: skip
_ABOVE_ZERO = (
    "kd_temperature", "logit_scale", "clip_grad", "lr_base", "lr_base_size",
)  # fmt: skip
_NOT_NEGATIVE = (
    "task_loss_weight", "distill_loss_weight", "lr", "weight_decay", "mixup", "cutmix",
    "attack_eps", "attack_step_size", "attack_steps", "workers", "recovery_interval", "max_failed",
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

_FILTERS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")  # that timm knows
_NAMES = (
    ("crop_mode", None, ("center", "squash", "border")),
    ("interpolation", "", _FILTERS),
    ("train_interpolation", "random", ("random", *_FILTERS)),
)


def require_numbers(args: Namespace) -> None:
    """Refuse values outside what their flags mean; None is for what the flag leaves to somebody else.

    Raises:
        UsageError: the first such value, by its flag.
    """
    for names, wanted, fits in _RULES:
        _require(args, names, wanted, fits)


def require_above_zero(args: Namespace, *names: str) -> None:
    """Raise a UsageError unless each flag of these destinations is above 0."""
    _require(args, names, "above 0", lambda value: value > 0)


def require_not_negative(args: Namespace, *names: str) -> None:
    """Raise a UsageError unless each flag of these destinations is at least 0."""
    _require(args, names, "at least 0", lambda value: value >= 0)


def _require(args: Namespace, names: Sequence[str], wanted: str, fits: Callable[[float], bool]) -> None:
    for name in names:
        value = getattr(args, name)
        if value is not None and not fits(value):  # no comparison holds for nan
            raise UsageError(f"--{name.replace('_', '-')} {value}: it must be {wanted}")


def require_preprocessing(args: Namespace) -> None:
    """Refuse flags that no image can be made by; not every script has all of them.

    Raises:
        UsageError: the first such value, by its flag.
    """
    given = vars(args)
    for name, unset, known in _NAMES:
        if (value := given.get(name, unset)) not in (unset, None, *known):
            raise UsageError(f"--{name.replace('_', '-')} {value}: known are {', '.join(known)}")
    channels = args.input_size[0] if args.input_size else args.in_chans
    if channels not in (None, 3):
        flag = "--input-size" if args.input_size else "--in-chans"
        raise UsageError(f"{flag}: {channels} channels, but every image, attack and discretiser here is RGB; use 3")
    if min(args.input_size or [1]) < 1 or (args.img_size is not None and args.img_size < 1):
        raise UsageError("--img-size and --input-size: an image has at least 1 pixel")
    if args.crop_pct is not None and not args.crop_pct > 0:
        raise UsageError(f"--crop-pct {args.crop_pct:g}: it must be above 0, e.g. 0.875")
    for flag, values in (("--mean", args.mean), ("--std", args.std)):
        if values and len(values) not in (1, 3):
            raise UsageError(f"{flag} {' '.join(map(str, values))}: expected one number, or one for each of 3 channels")
    if args.std and not min(args.std) > 0:
        raise UsageError(f"--std {' '.join(map(str, args.std))}: images are divided by it, so it must be above 0")
