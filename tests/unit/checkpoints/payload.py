"""What a stranger may put into a pickle."""

from collections.abc import Callable


class Payload:
    """Unpickles to a call."""

    def __init__(self, function: Callable[..., object], *args: object):
        self.call = function, args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call
