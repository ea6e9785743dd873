"""Where the host would wait for a device, were there one: whatever a CPU's values are asked for."""

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_ASKS = {"item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "__contains__", "nonzero"}
_ASKS_BELOW = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique_dim", "_unique2"}


class _OfPython(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__name__", "") in _ASKS:
            raise AssertionError(f"the host waits for the device: {function.__name__}")
        return function(*args, **kwargs or {})


class _Below(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function.overloadpacket.__name__ in _ASKS_BELOW:
            raise AssertionError(f"the host waits for the device: {function}")
        return function(*args, **kwargs or {})


class NoWaits:
    """A context in which nothing may ask for a tensor's values."""

    def __enter__(self) -> None:
        self._modes: list[Any] = [_OfPython(), _Below()]
        for mode in self._modes:
            mode.__enter__()

    def __exit__(self, *raised: Any) -> None:
        for mode in reversed(self._modes):
            mode.__exit__(*raised)


def asks(action: Any) -> bool:
    """Whether an action asks for a tensor's values."""
    try:
        with NoWaits():
            action()
    except AssertionError:
        return True
    return False


assert all(asks(ask) for ask in (torch.ones(()).item, torch.ones(1).tolist, lambda: bool(torch.ones(()))))
