"""nonfinite.tsv: the batches of updates that were skipped, with the names of their images."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dad.files import write_atomically

NONFINITE = "nonfinite.tsv"


@dataclass(frozen=True)
class SkippedBatch:
    """A batch of an update that was not applied because of its `cause`, `loss` or `gradient`, that is not finite on
    some process; `images` are names, empty where the loader cannot tell."""

    update: int
    epoch: int
    batch: int
    rank: int
    cause: str
    terms: Mapping[str, float]
    images: tuple[str, ...]


def drop_skipped(folder: Path, updates: int) -> None:
    """Drop rows of a run's nonfinite.tsv after so many updates: they will be trained again."""
    path = folder / NONFINITE
    if path.exists():
        head, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
        kept = [row for row in rows if int(row.partition("\t")[0]) <= updates]
        write_atomically(path, "".join([head, *kept]).encode())


def append_skipped(folder: Path, batches: Iterable[SkippedBatch]) -> None:
    """Add rows to a run's nonfinite.tsv; the last two columns are JSON."""
    path = folder / NONFINITE
    rows = [] if path.exists() and path.stat().st_size else ["update\tepoch\tbatch\trank\tcause\tterms\timages"]
    for batch in batches:
        place = (batch.update, batch.epoch, batch.batch, batch.rank, batch.cause)
        terms = {name: str(value) for name, value in batch.terms.items()}  # JSON has no NaN
        rows.append("\t".join([*map(str, place), json.dumps(terms), json.dumps(batch.images)]))
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{row}\n" for row in rows))
