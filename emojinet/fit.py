"""One small training loop for the three networks that EmojiNet ships."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from emojinet.progress import Progress, Stateful

_RECENT = 50  # steps whose mean loss is told


def fit(
    name: str,
    parameters: Iterable[nn.Parameter],
    loss_of: Callable[[int], Tensor],
    steps: int,
    peak_lr: float,
    progress: Progress | None = None,
    parts: Mapping[str, Stateful] | None = None,
) -> float:
    """Minimise `loss_of(step)` with AdamW under a one-cycle schedule; return the mean loss of the last 50 steps.

    Args:
        progress: of a training that can be stopped and goes on.
        parts: all that has a state then, besides optimiser and schedule.
    """
    parameters = list(parameters)
    optimizer = torch.optim.AdamW(parameters, lr=peak_lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_lr, total_steps=steps, pct_start=0.1)
    begin = 0
    losses: list[float] = []
    if progress is not None:
        begin, losses = progress.begin({"optimizer": optimizer, "schedule": schedule, **(parts or {})})
    start = time.perf_counter()
    for step in range(begin, steps):
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses = [*losses, loss.item()][-_RECENT:]
        if step % 100 == 0 or step == steps - 1:
            recent = sum(losses) / len(losses)
            print(f"{name}: step {step}/{steps} loss {recent:.4f} {time.perf_counter() - start:.0f} s", flush=True)
        if progress is not None:
            progress.keep(step + 1, losses)
    return sum(losses) / len(losses)


class Batches:
    """Gives the indices [batch_size] of one batch after the other, of an endless reshuffled 0..count-1."""

    def __init__(self, count: int, batch_size: int, generator: torch.Generator):
        self._count, self._batch_size, self._generator = count, batch_size, generator
        self._left = torch.empty(0, dtype=torch.long)

    def draw(self) -> Tensor:
        """Return the next batch's."""
        while len(self._left) < self._batch_size:  # the rest of a pass goes into a batch, too: all images count alike
            self._left = torch.cat([self._left, torch.randperm(self._count, generator=self._generator)])
        batch, self._left = self._left[: self._batch_size], self._left[self._batch_size :]
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Return what is left of the pass; the generator's state is its owner's to keep."""
        return {"left": self._left.clone()}

    def load_state_dict(self, state_dict: dict[str, Any], /) -> None:
        """Go on with what was left."""
        self._left = state_dict["left"]
