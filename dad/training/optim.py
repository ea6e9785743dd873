"""What decides how far a step goes: the learning-rate rule, timm's optimiser and its schedule."""

import argparse
import inspect
import logging
import warnings
from typing import Any

import torch
from timm.optim import (
    create_optimizer_v2,
    get_optimizer_class,
    get_optimizer_info,
    list_optimizers,
    optimizer_kwargs,
)
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler_factory import scheduler_kwargs
from timm.task import TrainingTask
from torch import Tensor, nn

from dad.args.schedule import SCHEDULES
from dad.errors import UsageError
from dad.names import near_names, nearest_name
from dad.rng import same_random_state

_logger = logging.getLogger(__name__)

# What the optimisers of torch, timm, apex and bitsandbytes raise for settings and devices that they do not take.
_REFUSALS = (
    RuntimeError, TypeError, ValueError, AssertionError, ImportError, IndexError, KeyError, AttributeError,
)  # fmt: skip
# Of torch's optimisers: other ways to compute the same.
_FORMS = {"fused", "foreach", "capturable", "differentiable"}


def resolve_learning_rate(args: argparse.Namespace, world_size: int, batch_size: float) -> float:
    """Return `--lr`, or timm's rule: `--lr-base` at a global batch of `--lr-base-size`, scaled linearly or by the
    root; a process has batches of `batch_size` images, on average."""
    if args.lr is not None:
        return float(args.lr)
    rule = args.lr_base_scale
    if not rule:
        rule = "sqrt" if any(name in args.opt.lower() for name in ("ada", "lamb")) else "linear"
    ratio = batch_size * world_size * args.grad_accum_steps / args.lr_base_size
    if rule == "sqrt":
        ratio = ratio**0.5
    return float(args.lr_base * ratio)


def create_optimizer(args: argparse.Namespace, task: TrainingTask, learning_rate: float) -> torch.optim.Optimizer:
    """Build timm's optimiser over the student's parameters.

    Raises:
        UsageError: timm knows no such optimiser, or it does not take its settings.
    """
    if args.opt.lower().removeprefix("lookahead_").startswith("kron"):
        _logger.info("--opt %s: torch.compile makes its steps, so the first update takes minutes", args.opt)
    return _create(args, task.get_trainable_module(), learning_rate)


def check_args_of_optimizer(args: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> None:
    """Try optimiser and schedule on one small weight, before anything is loaded: much of what an optimiser cannot do
    shows in its first step, which is hours away where a teacher is made first.

    Raises:
        UsageError: it cannot make a step.
    """
    _try_step(args, torch.ones(2, 2, device=device, dtype=dtype, requires_grad=True))


def resolve_state_size(args: argparse.Namespace) -> float:
    """Return how many numbers `--opt` keeps of each weight, as far as one small weight tells; see
    `check_args_of_optimizer` for what it raises."""
    weight = torch.ones(4, 4, requires_grad=True)
    state = _try_step(args, weight).state_dict()["state"].get(0, {})
    kept = sum(value.numel() for value in state.values() if isinstance(value, Tensor) and value.numel() > 1)
    return kept / weight.numel()


def _try_step(args: argparse.Namespace, weight: Tensor) -> torch.optim.Optimizer:
    device = weight.device
    with same_random_state(device), warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.simplefilter("ignore")
        optimizer = _create(args, weight, learning_rate=0.1)
        weight.grad = torch.full_like(weight, 0.5)
        try:
            optimizer.step()
        except _REFUSALS as error:
            raise _refused(args, error) from error
        schedule, _ = create_schedule(args, optimizer, updates_per_epoch=1)
        schedule.step_update(1)
    return optimizer


def _create(args: argparse.Namespace, weights: nn.Module | Tensor, learning_rate: float) -> torch.optim.Optimizer:
    _require_optimizer(args)
    settings = {**optimizer_kwargs(args), "lr": learning_rate, **_resolve_form(args, weights), **args.opt_kwargs}
    try:
        model_or_parameters = [weights] if isinstance(weights, Tensor) else weights
        optimizer: torch.optim.Optimizer = create_optimizer_v2(model_or_parameters, **settings)
    except _REFUSALS as error:
        raise _refused(args, error) from error
    return optimizer


def _resolve_form(args: argparse.Namespace, weights: nn.Module | Tensor) -> dict[str, bool]:
    """Return in which form torch's own optimisers work: on a card the fused one, where they have it and the user has
    asked for no other. Besides being the fastest, it skips a step without the host's waiting for the device."""
    device = weights.device if isinstance(weights, Tensor) else next(weights.parameters()).device
    if device.type != "cuda" or _FORMS & args.opt_kwargs.keys():
        return {}
    name = args.opt.lower().removeprefix("lookahead_")
    return {"fused": True} if "fused" in _parameters(get_optimizer_class(name, bind_defaults=False)) else {}


def _require_optimizer(args: argparse.Namespace) -> None:
    """Refuse what is known of an optimiser without building it."""
    name = args.opt.lower().removeprefix("lookahead_")
    try:
        info = get_optimizer_info(name)
    except ValueError:
        near = near_names(args.opt, list_optimizers()) or ["sgd", "adamw", "lamb"]
        raise UsageError(f"--opt {args.opt}: timm has no such optimiser (near: {', '.join(near)})") from None
    if info.second_order:
        raise UsageError(
            f"--opt {args.opt}: it differentiates the gradient once more (create_graph), which no update here does; "
            "use adamw or lamb"
        )
    betas = args.opt_betas or []
    if betas and info.has_betas and len(betas) != info.num_betas:
        given = " ".join(map(str, betas))
        example = " ".join(["0.9", "0.95", "0.999"][: info.num_betas])
        raise UsageError(f"--opt-betas {given}: {args.opt} takes {info.num_betas} numbers, e.g. {example}")
    _require_settings(args, name)


def _require_settings(args: argparse.Namespace, name: str) -> None:
    """Refuse keys of `--opt-kwargs` that neither the optimiser nor timm's factory takes."""
    try:
        own = _parameters(get_optimizer_class(name, bind_defaults=False))
    except _REFUSALS as error:
        raise _refused(args, error) from error
    for key in args.opt_kwargs:
        if key in own | _parameters(create_optimizer_v2):
            continue
        hint = f"it has {', '.join(sorted(own))}"
        if near := nearest_name(key, own):
            hint = f"did you mean '{near}'?"
        raise UsageError(f"--opt-kwargs {key}: {args.opt} has no such setting; {hint}")


def _parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) - {"params", "model_or_params", "opt", "kwargs"}


def _refused(args: argparse.Namespace, error: Exception) -> UsageError:
    given = {"--opt-eps": args.opt_eps, "--opt-betas": args.opt_betas, "--opt-kwargs": args.opt_kwargs}
    flags = "".join(f" {flag} {value}" for flag, value in given.items() if value)
    reason = " ".join(str(error).split())[:160]
    return UsageError(f"--opt {args.opt}{flags}: it cannot make a step on --device {args.device} ({reason})")


class Schedule:
    """timm's learning-rate schedule, or none (`--sched none`: rates stay what they are)."""

    def __init__(self, timms: Any | None, optimizer: torch.optim.Optimizer, steps_on_updates: bool = False):
        """`steps_on_updates`: rates change with the updates (`--sched-on-updates`), else with the epochs."""
        self.timms = timms
        self.optimizer = optimizer
        self.steps_on_updates = steps_on_updates

    def step(self, epoch: int, metric: float | None = None) -> None:
        """Set the rates of `epoch`, which is to begin; `metric` is the score of the one before."""
        if self.timms is not None:
            self.timms.step(epoch, metric)

    def step_update(self, updates: int) -> None:
        """Set the rates after so many updates."""
        if self.timms is not None:
            self.timms.step_update(num_updates=updates, metric=None)

    def skip_to(self, epoch: int, updates: int) -> None:
        """Set the rates of a run that comes from a checkpoint whose schedule is unknown or another one.

        Those of `--sched plateau` follow scores that are not known here: it begins anew.
        """
        if hasattr(self.timms, "lr_scheduler"):
            return
        if self.steps_on_updates:
            self.step_update(updates)
        else:
            self.step(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return what a schedule cannot know from the number of epochs or updates: today's rates (which building a
        schedule overwrites) and the patience of `--sched plateau`."""
        plateau = None
        if (patience := getattr(self.timms, "lr_scheduler", None)) is not None:
            plateau = patience.state_dict()
        return {"rates": [float(group["lr"]) for group in self.optimizer.param_groups], "plateau": plateau}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Bring back what `state_dict` has returned."""
        for group, rate in zip(self.optimizer.param_groups, state["rates"], strict=True):
            group["lr"] = rate
        patience = getattr(self.timms, "lr_scheduler", None)
        if state["plateau"] is not None and patience is not None:
            patience.load_state_dict(state["plateau"])


def create_schedule(
    args: argparse.Namespace, optimizer: torch.optim.Optimizer, updates_per_epoch: int
) -> tuple[Schedule, int]:
    """Build the learning-rate schedule; return it and the number of epochs that it makes the run last.

    Raises:
        UsageError: timm refuses the name or its settings.
    """
    settings = scheduler_kwargs(args, decreasing_metric=args.eval_metric == "loss")
    settings["step_on_epochs"] = not args.sched_on_updates
    try:
        timms, epochs = create_scheduler_v2(optimizer, **settings, updates_per_epoch=updates_per_epoch)
    except (ValueError, AssertionError, TypeError, ZeroDivisionError) as error:
        hint = "" if args.sched in SCHEDULES else f"; known are {', '.join(SCHEDULES)}"
        raise UsageError(f"--sched {args.sched}: {error}{hint}") from None
    return Schedule(timms, optimizer, args.sched_on_updates), int(epochs)
