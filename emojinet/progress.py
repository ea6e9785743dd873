"""A training that is stopped goes on where it was: what it draws and what it has learned, in one file."""

import io
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from dad.errors import SettingsError
from dad.files import write_atomically

_EVERY = 60.0  # seconds: what a stop costs at most


class Stateful(Protocol):
    """Has a state that can be kept, as models, optimisers and schedules have."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Take up a state."""
        ...


class Draws:
    """The state of all that a training draws from: the generators that it made itself, and torch's own."""

    def __init__(self, generators: Sequence[torch.Generator], rng: random.Random | None = None):
        self._generators, self._rng = generators, rng

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""
        return {
            "torch": torch.get_rng_state(),
            "generators": [generator.get_state() for generator in self._generators],
            "rng": self._rng and self._rng.getstate(),
        }

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Take up a state."""
        torch.set_rng_state(state_dict["torch"])
        for generator, state in zip(self._generators, state_dict["generators"], strict=True):
            generator.set_state(state)
        if self._rng:
            self._rng.setstate(state_dict["rng"])


class Progress:
    """The file of a training under way: written every minute, taken up by the next call, removed at the end."""

    def __init__(self, file: Path, settings: str):
        """Name the file, and in words what decides how the training goes.

        Raises:
            SettingsError: there is a file that other settings made.
        """
        self._file, self._settings = file, settings
        self._parts: Mapping[str, Stateful] = {}
        self._saved = time.monotonic()
        self._found: dict[str, Any] = {}
        if file.is_file():
            self._found = torch.load(file, map_location="cpu", weights_only=True)
            if (made_by := self._found["settings"]) != settings:
                raise SettingsError(
                    f"{file} is of a training with {made_by}, asked for {settings}; delete it to begin anew"
                )

    def begin(self, parts: Mapping[str, Stateful]) -> tuple[int, list[float]]:
        """Take up the states of `parts` from the file, if there was one; return how many steps are done, and the last
        losses."""
        self._parts = parts
        if not self._found:
            return 0, []
        for name, part in parts.items():
            part.load_state_dict(self._found["parts"][name])
        losses: list[float] = self._found["losses"]
        return int(self._found["done"]), losses

    def keep(self, done: int, losses: list[float]) -> None:
        """Write the file, if the last time is a minute ago."""
        if time.monotonic() < self._saved + _EVERY:
            return
        states = {name: part.state_dict() for name, part in self._parts.items()}
        content = io.BytesIO()
        torch.save({"settings": self._settings, "done": done, "losses": losses, "parts": states}, content)
        write_atomically(self._file, content.getvalue())
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Remove the file, when what was trained is saved."""
        self._file.unlink(missing_ok=True)
