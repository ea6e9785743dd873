"""Values that no training, generation or evaluation works with, found before anything is loaded."""

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dad.errors import UsageError

_COUNTS = (
    "batch_size", "epochs", "log_interval", "grad_accum_steps", "checkpoint_hist", "val_interval", "max_nonfinite",
    "validation_batch_size", "train_num_samples", "val_num_samples", "num_samples", "num_classes", "img_size",
    "train_img_sizes", "train_batch_sizes", "train_batches_per_epoch", "recount", "lr_cycle_limit", "log_freq",
    "shard_size", "diffusion_steps", "num_batches", "rows", "teacher_views", "adv_steps", "num_images",
    "teacher_img_size",
    "num_calibration_images",
)  # fmt: skip
_ABOVE_ZERO = (
    "kd_temperature", "logit_scale", "clip_grad", "lr_base", "lr_base_size", "scale", "ratio", "lr_cycle_mul",
    "lr_k_decay", "decay_epochs", "layer_decay", "train_size_schedule_spread", "read_timeout", "tolerance",
)  # fmt: skip
_NOT_NEGATIVE = (
    "task_loss_weight", "distill_loss_weight", "lr", "weight_decay", "mixup", "cutmix",
    "attack_eps", "attack_step_size", "attack_steps", "workers", "recovery_interval",
    "warmup_epochs", "cooldown_epochs", "start_epoch", "patience_epochs", "decay_milestones", "mixup_off_epoch",
    "warmup_lr", "min_lr", "decay_rate", "lr_noise", "lr_noise_pct", "lr_noise_std", "lr_cycle_decay", "epoch_repeats",
    "momentum", "opt_eps", "bn_eps", "layer_decay_min_scale", "layer_decay_no_opt_scale", "bce_pos_weight",
    "color_jitter", "aug_repeats", "aug_splits", "tta", "local_rank", "crop_border_pixels",
    "preview", "gallery", "max_failed", "feature_cos_weight", "feature_mse_weight", "feature_dad_weight",
)  # fmt: skip
_SHARES = (
    "smoothing", "reprob", "mixup_prob", "mixup_switch_prob", "hflip", "vflip", "drop", "model_ema_decay",
    "random_start_prob", "drop_path", "drop_connect", "drop_block", "bn_momentum", "bce_target_thresh",
    "color_jitter_prob", "grayscale_prob", "gaussian_blur_prob", "cutmix_minmax", "train_size_probs",
    "train_size_random_mix", "diffusion_strength", "min_teacher_right", "adv_start_clean", "style_alpha", "style_label",
)  # fmt: skip
_ANY = ("head_init_scale", "head_init_bias", "diffusion_guidance")
_MOST_SEED = 2**32 - 2**16  # numpy's generators take 32 bits, and a process adds its rank

_Rule = tuple[tuple[str, ...], str, Callable[[float], bool]]
_RULES: tuple[_Rule, ...] = (
    (_COUNTS, "at least 1", lambda value: value >= 1),
    (_ABOVE_ZERO, "above 0", lambda value: value > 0),
    (_NOT_NEGATIVE, "at least 0", lambda value: value >= 0),
    (_SHARES, "from 0 to 1", lambda value: 0 <= value <= 1),
    (_ANY, "a number", lambda value: not math.isnan(value)),
    (("opt_betas",), "at least 0 and below 1", lambda value: 0 <= value < 1),
    (("seed",), f"from 0 to {_MOST_SEED}", lambda value: 0 <= value <= _MOST_SEED),
    (("dad_share",), "above 0 and up to 1", lambda value: 0 < value <= 1),
    (("image_quality",), "from 1 to 100", lambda value: 1 <= value <= 100),
)

AUTO = "auto"  # left to the script

FILTERS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")  # that timm knows
_PAIRS = ("scale", "ratio", "cutmix_minmax")
_NAMES = (
    ("eval_metric", "top1", ("loss", "top1", "top5")),
    ("lr_base_scale", "", ("linear", "sqrt")),
    ("crop_mode", None, ("center", "squash", "border")),
    ("interpolation", "", FILTERS),
    ("train_interpolation", "random", ("random", *FILTERS)),
)


def count_or_auto(text: str) -> int | str:
    """Return what a flag's text means: a whole number, or `AUTO`, which leaves it to the script."""
    if text == AUTO:
        return text
    try:
        return int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"expected a number, or {AUTO}: {text!r}") from error


def require_numbers(args: Namespace) -> None:
    """Refuse values outside what their flags mean; None is for what the flag leaves to somebody else, and not every
    script has all of them.

    Raises:
        UsageError: the first such value, by its flag.
    """
    for names, wanted, fits in _RULES:
        _require(args, names, wanted, fits)
    for name in _PAIRS:
        values = getattr(args, name, None)
        if values and len(values) != 2:
            raise UsageError(f"{flag_of(name)} {_joined(values)}: it takes two numbers, the smallest and the largest")


def require_names(args: Namespace) -> None:
    """Refuse words that their flags do not know, where argparse has no list of them; not every script has all flags.

    Raises:
        UsageError: the first such word, by its flag.
    """
    given = vars(args)
    for name, unset, known in _NAMES:
        if (value := given.get(name, unset)) not in (unset, None, *known):
            raise UsageError(f"{flag_of(name)} {value}: known are {', '.join(known)}")


def length_of(flag: str, text: str) -> float:
    """Return the length in pixels in [0, 1] that a flag's text means: a number, or a fraction such as 4/255.

    Raises:
        UsageError: it means none above 0.
    """
    numerator, slash, denominator = text.partition("/")
    try:
        value = float(numerator) / (float(denominator) if slash else 1.0)
    except (ValueError, ZeroDivisionError):
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"{flag} {text}: expected a number above 0, or a fraction such as 4/255")
    return value


def require_above_zero(args: Namespace, *names: str) -> None:
    """Raise a UsageError unless each flag of these destinations is above 0."""
    _require(args, names, "above 0", lambda value: value > 0)


def require_not_negative(args: Namespace, *names: str) -> None:
    """Raise a UsageError unless each flag of these destinations is at least 0."""
    _require(args, names, "at least 0", lambda value: value >= 0)


def _require(args: Namespace, names: Sequence[str], wanted: str, fits: Callable[[float], bool]) -> None:
    for name in names:
        for value in _numbers(getattr(args, name, None)):
            said = f"{value:g}" if isinstance(value, float) else value
            if not fits(value):  # no comparison holds for nan
                raise UsageError(f"{flag_of(name)} {said}: it must be {wanted}")
            if value == math.inf:
                raise UsageError(f"{flag_of(name)} {said}: it must be finite")


def _numbers(value: Any) -> list[float]:
    """Return the numbers in a flag's value; text that means a number, such as 4/255, is read elsewhere."""
    values = value if isinstance(value, list) else [value]
    return [value for value in values if isinstance(value, int | float)]


def flag_of(dest: str) -> str:
    """Return a destination as it is spelt on the command line."""
    return f"--{dest.replace('_', '-')}"


def missing_flags(args: Namespace, needed: Mapping[str, str]) -> str:
    """Return those of the `needed` flags that are not given, in words: `--teacher SPEC, and --dad-dir DIR`.

    Args:
        args: the flags.
        needed: what to say of each, by destination; it may be nothing.
    """
    lacking = [f"{flag_of(name)} {said}".rstrip() for name, said in needed.items() if not getattr(args, name)]
    if len(lacking) < 2:
        return "".join(lacking)
    comma = "," * any(needed.values())
    return f"{', '.join(lacking[:-1])}{comma} and {lacking[-1]}"


def require_given(sentences: Iterable[str]) -> None:
    """Raise a UsageError with all sentences on what is missing; there is nothing to say where a sentence is empty."""
    said = "; ".join(filter(None, sentences))
    if said:
        raise UsageError(said)


def require_preprocessing(args: Namespace) -> None:
    """Refuse flags that no image can be made by.

    Raises:
        UsageError: the first such value, by its flag.
    """
    channels = args.input_size[0] if args.input_size else args.in_chans
    if channels not in (None, 3):
        flag = "--input-size" if args.input_size else "--in-chans"
        raise UsageError(f"{flag}: {channels} channels, but every image, attack and discretiser here is RGB; use 3")
    if min(args.input_size or [1]) < 1:
        raise UsageError("--input-size: an image has at least 1 pixel")
    if args.crop_pct is not None and not args.crop_pct > 0:
        raise UsageError(f"--crop-pct {args.crop_pct:g}: it must be above 0, e.g. 0.875")
    for flag, values in (("--mean", args.mean), ("--std", args.std)):
        if values and len(values) not in (1, 3):
            raise UsageError(f"{flag} {_joined(values)}: expected one number, or one for each of 3 channels")
    if args.std and not min(args.std) > 0:
        raise UsageError(f"--std {_joined(args.std)}: images are divided by it, so it must be above 0")


def _joined(values: Iterable[Any]) -> str:
    return " ".join(map(str, values))
