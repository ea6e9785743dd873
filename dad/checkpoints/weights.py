"""Which tensors of a file are a network's, and whether they are all of them and no others."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from timm.models import clean_state_dict
from torch import Tensor, nn

PLAIN = ("state_dict", "model")
AVERAGED = ("state_dict_ema", "model_ema")  # of the moving average; all four are the names that timm reads


def names_scored(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Return under which names a checkpoint's weights are looked for, first those that its training was scored by: of
    timm's script, and ours, the moving average, if there is one that was not kept on the CPU."""
    flags = content.get("args")
    has_average = isinstance(content.get(AVERAGED[0]), dict)
    is_scored = has_average and not getattr(flags, "model_ema_force_cpu", False)
    is_alone = not any(isinstance(content.get(name), dict) for name in PLAIN)
    return (*AVERAGED, *PLAIN) if is_scored or is_alone else (*PLAIN, *AVERAGED)


# What a network computes for itself or never reads, so that files of other versions may lack it or have it.
_HARMLESS = re.compile(
    r"(^|\.)("
    r"num_batches_tracked"  # a batch norm's counter, read only where momentum is None
    r"|relative_position_index|relative_coords_table|rel_pos_idx|attention_bias_idxs|attn_mask"  # follow from sizes
    r"|position_ids"  # 0, 1, 2, ...
    r"|total_ops|total_params"  # counters of thop
    r")$"
)
_TRAINING_ALONE = ".aux_bn."  # batch norms of --split-bn, which evaluation does not use


@dataclass(frozen=True)
class Misfit:
    """In what a file's tensors differ from a network's, by name; what is harmless is left out."""

    missing: tuple[str, ...]
    reshaped: tuple[str, ...]
    left: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.reshaped or self.left)

    def without(self, modules: Sequence[str]) -> "Misfit":
        """Return what differs outside of `modules`, such as a head that begins anew."""
        starts = tuple(f"{module}." for module in modules)
        return Misfit(*(tuple(key for key in keys if not key.startswith(starts)) for keys in vars(self).values()))


def choose_weights(content: Mapping[str, Any], names: Sequence[str]) -> dict[str, Tensor] | None:
    """Return the tensors under the first of `names` that a file has, or of a file of bare weights; None if it has
    others alone.

    Prefixes that wrappers add (DDP, torch.compile) are gone.
    """
    weights = next((content[name] for name in names if isinstance(content.get(name), dict)), None)
    if weights is None and any(isinstance(value, Tensor) for value in content.values()):
        weights = content
    if weights is None:
        return None
    return clean_state_dict({key: value for key, value in weights.items() if isinstance(value, Tensor)})  # type: ignore[no-any-return]


def find_misfit(model: nn.Module, state: Mapping[str, Tensor]) -> Misfit:
    """Return in what `state` differs from what `model` needs."""
    expected = model.state_dict()
    missing = tuple(key for key in expected if key not in state and not _is_harmless(key))
    reshaped = tuple(key for key, value in expected.items() if key in state and state[key].shape != value.shape)
    left = tuple(key for key in state if key not in expected and not _is_harmless(key))
    return Misfit(missing, reshaped, left)


def load_fitting(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load tensors that `find_misfit` has nothing to say of."""
    model.load_state_dict(state, strict=False)


def _is_harmless(key: str) -> bool:
    return _TRAINING_ALONE in key or _HARMLESS.search(key) is not None
