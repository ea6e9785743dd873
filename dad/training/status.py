"""status.json: what became of a run, for programs that start it again."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dad.files import to_json, write_atomically

NAME = "status.json"
ADVICE = "what is saved is intact: mend that and rerun with --resume auto"


@dataclass(frozen=True)
class Status:
    """A run's state: `running`, `done`, `interrupted` or `failed`; `resumable` if the same command with --resume auto
    goes on from `checkpoint` (not if training has diverged: it would again). torchrun turns every exit code but 0 into
    1, so the true one stands here."""

    state: str = "running"
    number: int = 0  # of the run among those beside it, as they began
    resumable: bool = False
    epoch: int = 0
    epochs: int = 0
    updates: int = 0
    metric: str = ""
    best: float | None = None
    best_epoch: int | None = None
    checkpoint: str | None = None
    teacher_top1: float | None = None  # percent, on a few validation images before training
    exit_code: int | None = None
    tracked: str = ""  # what trackers know the run by (`dad.training.tracking`)

    def with_(self, **changes: Any) -> "Status":
        """Return it with some fields changed."""
        return replace(self, **changes)

    def write(self, folder: Path) -> None:
        """Write it into a run's folder."""
        write_atomically(folder / NAME, to_json(asdict(self), indent=4), ADVICE)
