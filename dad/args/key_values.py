"""`--model-kwargs name=value ...`: what timm's flag means, with a usage error instead of a traceback."""

import ast
from argparse import Action, ArgumentError, ArgumentParser, Namespace
from typing import Any


class KeyValues(Action):
    """Collect `name=value` words into a dict; values are Python literals, or text where they are none."""

    def __call__(
        self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None
    ) -> None:
        pairs = dict(self._pair(word) for word in values if word)
        setattr(namespace, self.dest, pairs)

    def _pair(self, word: str) -> tuple[str, Any]:
        name, equals, value = word.partition("=")
        if not equals:
            raise ArgumentError(self, f"'{word}' is not of the form name=value")
        try:
            return name, ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError):
            return name, value
