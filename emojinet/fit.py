"""One small training loop for the three networks that EmojiNet ships."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def fit(
    name: str, parameters: Iterable[nn.Parameter], loss_of: Callable[[int], Tensor], steps: int, peak_lr: float
) -> float:
    """Minimise `loss_of(step)` with AdamW under a one-cycle schedule; return the mean loss of the last 50 steps."""
    parameters = list(parameters)
    optimizer = torch.optim.AdamW(parameters, lr=peak_lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_lr, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    start = time.perf_counter()
    for step in range(steps):
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 100 == 0 or step == steps - 1:
            recent = sum(losses[-50:]) / len(losses[-50:])
            print(f"{name}: step {step}/{steps} loss {recent:.4f} {time.perf_counter() - start:.0f} s", flush=True)
    return sum(losses[-50:]) / len(losses[-50:])


def batch_indices(count: int, batch_size: int, generator: torch.Generator) -> Callable[[], Tensor]:
    """Return a function that gives the next batch's indices [batch_size] of an endless reshuffled 0..count-1."""
    left = torch.empty(0, dtype=torch.long)

    def next_batch() -> Tensor:
        nonlocal left
        while len(left) < batch_size:  # what is left of a pass goes into the next batch: every image counts alike
            left = torch.cat([left, torch.randperm(count, generator=generator)])
        batch = left[:batch_size]
        left = left[batch_size:]
        return batch

    return next_batch
