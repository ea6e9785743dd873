"""TensorBoard's events of a run, in files of its folder."""

import shlex
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

_FILES = "events.out.tfevents.*"


class Events:
    """TensorBoard's events of a run, in `<folder>/tb`."""

    def __init__(self, folder: Path, updates: int):
        """Begin after so many updates: later events, from a run that was cut off, are dropped."""
        place = folder / "tb"
        self.where = f"tensorboard --logdir {shlex.quote(str(folder.parent))}"
        threading.excepthook = _pass_over_tensorboard
        before = set(place.glob(_FILES))
        self.writer = SummaryWriter(str(place), purge_step=updates + 1)
        _keep_order(before, set(place.glob(_FILES)) - before)

    def settings(self, values: Mapping[str, Any], metric: str) -> None:
        """Write what TensorBoard compares runs by."""
        plain = {key: value if isinstance(value, int | float) else str(value) for key, value in values.items()}
        summaries = hparams(plain, {f"eval/{metric}": 0.0})  # type: ignore[no-untyped-call]
        for summary in summaries:  # as add_hparams does, which would make a folder of its own for them
            self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def write(self, values: Mapping[str, float], updates: int) -> None:
        """Write values by tag, after so many updates."""
        for tag, value in values.items():
            self.writer.add_scalar(tag, value, updates)

    def flush(self) -> None:
        """Bring onto the disk what was written."""
        self.writer.flush()

    def close(self, exit_code: int) -> None:
        """Finish the file."""
        self.writer.close()


def _pass_over_tensorboard(raised: threading.ExceptHookArgs) -> None:
    """Print no traceback of TensorBoard's own thread, which a full disk ends: the next call to it raises the error."""
    if not type(raised.thread).__module__.startswith("tensorboard."):
        threading.__excepthook__(raised)


def _keep_order(before: set[Path], new: set[Path]) -> None:
    """Rename earlier files where the clock has been set back since: TensorBoard reads files by the time in their name,
    and would take what they hold for events that this run has thrown away."""
    first = min((_time_of(path) for path in new), default=0)
    late = sorted((path for path in before if _time_of(path) >= first), key=_time_of)
    earlier = [_time_of(path) for path in before if path not in late]
    for path, moment in zip(late, range(first - len(late), first), strict=True):
        moment = max(moment, max(earlier, default=0))
        rest = path.name.removeprefix(_FILES[:-1]).partition(".")[2]
        path.rename(path.with_name(f"{_FILES[:-1]}{moment:010d}.{rest}"))


def _time_of(path: Path) -> int:
    digits = path.name.removeprefix(_FILES[:-1]).partition(".")[0]
    return int(digits) if digits.isdecimal() else 0
