"""`--model-kwargs name=value ...`: timm's action, with a usage error instead of a traceback."""

from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from timm.utils import ParseKwargs


class KeyValues(ParseKwargs):
    """Collect `name=value` words into a dict; values are Python literals, or text where they are none."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Sequence[str], option_string: str | None = None
    ) -> Any:
        for word in values:
            if word and "=" not in word:
                raise ArgumentError(self, f"'{word}' is not of the form name=value")
        super().__call__(parser, namespace, values, option_string)
