"""Run a command in the foreground, as a shell does, and hand on to it what is asked of this process."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

_HANDED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def run(words: Sequence[str]) -> tuple[int, bool]:
    """Run a command; return its exit code, and whether this process was asked to stop meanwhile.

    Signals are handed on once: the command runs in a session of its own, so that a terminal's Ctrl-C comes to it by
    this process alone. It has as long as it needs to save.
    """
    heard: list[int] = []
    process: subprocess.Popen[bytes] | None = None

    def hand_on(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        if process is not None:
            process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in _HANDED_ON}
    try:
        process = subprocess.Popen(_without_variables(words), env=_environment(words), start_new_session=True)
        for number in list(heard):
            process.send_signal(number)
        return process.wait(), bool(heard)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _without_variables(words: Sequence[str]) -> list[str]:
    place = next(place for place, word in enumerate(words) if "=" not in word)
    first, *rest = words[place:]
    return [sys.executable if first == "python" else first, *rest]


def _environment(words: Sequence[str]) -> dict[str, str]:
    variables = dict(word.split("=", 1) for word in words[: len(words) - len(_without_variables(words))])
    return {"PYTHON": sys.executable, **os.environ, **variables}
