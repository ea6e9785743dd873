"""timm's moving average of weights, of those alone that are trained: frozen ones are their own average."""

from collections.abc import Iterator, Set
from contextlib import contextmanager

from timm.utils.model_ema import ModelEmaV3
from torch import nn


class LearnedAverage(ModelEmaV3):
    """timm's average; of a network with frozen parameters, these cost no work in an update. Buffers are averaged."""

    def apply_update_(self, model: nn.Module, decay: float) -> None:
        """Move the average towards `model`, by 1 - decay."""
        frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        if not frozen:
            super().apply_update_(model, decay)
            return
        with _leaving_out(self.module, frozen), _leaving_out(model, frozen):
            super().apply_update_(model, decay)


@contextmanager
def _leaving_out(module: nn.Module, names: Set[str]) -> Iterator[None]:
    """Let a module's state dict, which timm goes through, lack some tensors."""
    whole = module.state_dict
    object.__setattr__(module, "state_dict", lambda: {k: v for k, v in whole().items() if k not in names})
    try:
        yield
    finally:
        object.__delattr__(module, "state_dict")
