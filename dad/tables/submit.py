"""Start what is lacking, one step after the other; a batch system may be between here and there."""

import time
from collections.abc import Callable
from pathlib import Path

from dad.files import read_json, to_json, write_atomically
from dad.tables.processes import run
from dad.tables.states import State
from dad.tables.steps import Lacking, Plan, Step

INTERRUPTED = 75


class Queue:
    """Remembers what was handed to a batch system, which does not say here what became of it."""

    def __init__(self, folder: Path):
        self.folder = folder

    def since(self, step: Step) -> str:
        """Return when a step was handed over; nothing if it was not."""
        place = self._place(step)
        return str(read_json(place).get("time", "")) if place.is_file() else ""

    def add(self, step: Step) -> None:
        """Remember a step."""
        now = time.strftime("%Y-%m-%d %H:%M")
        write_atomically(self._place(step), to_json({"time": now, "command": str(step.command)}, indent=1))

    def drop(self, step: Step) -> None:
        """Forget a step."""
        self._place(step).unlink(missing_ok=True)

    def _place(self, step: Step) -> Path:
        return self.folder / f"{step.kind}-{step.name}.json"


def submit(plan: Plan, lacking: Lacking, queue: Queue, *, again: bool, say: Callable[[str], None] = print) -> int:
    """Start every lacking step that can be started, and return the exit code: 0, that of the first command that failed,
    or 75 if one was interrupted. What was handed to a batch system before is left to it, unless `again`.

    A command that fails keeps only those from starting that need it.
    """
    code = 0
    for key, (step, _) in lacking.items():
        state = step.look()  # an earlier step may have changed it
        if why := _not_now(step, state, plan, queue, again):
            say(f"-- {key}: {why}")
            continue
        say(f"\n== {key}\n   {step.command}")
        own, heard = run([*step.command.words, *step.command.flags])
        after = step.look()
        if heard:
            say(f"-- {key}: interrupted; the same command goes on")
            return INTERRUPTED
        if own:
            say(f"-- {key}: its command ended with {own}; {after.text}")
            code = code or own
        elif not after.is_done and (step.kind != "score" or after == state):
            queue.add(step)
            say(f"-- {key}: handed over; it is {after.text}. The same command goes on with what has become of it")
        else:
            queue.drop(step)
            say(f"-- {key}: {after.text}")
    return code


def _not_now(step: Step, state: State, plan: Plan, queue: Queue, again: bool) -> str:
    waits = [need for need in step.needs if not plan.steps[need].look().is_done]
    if waits:
        return f"waits for {', '.join(waits)}"
    if not state.can_start:
        return state.text
    if (when := queue.since(step)) and not again:
        return f"was handed over on {when}, and is {state.text}; --again starts it anew"
    return ""
