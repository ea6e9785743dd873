"""What a run of the study found: one record each, and the columns that tables and claims read from them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from dad.errors import DataError
from dad.files import read_any_json, write_atomically

_IN_DISTRIBUTION = ("imagenet", "imagenetv2")
_NATURAL = ("imagenet-r", "imagenet-sketch", "imagenet-a")
_SYNTHETIC = ("imagenet-c", "imagenet-style")
_SEVEN = (*_IN_DISTRIBUTION, *_NATURAL, *_SYNTHETIC)

# Means over columns that the paper judges by; C, an error, counts as 100 - C, as in its tables.
_WITHOUT_A = ("imagenet-r", "imagenet-sketch")
AVERAGES = {
    "in_distribution": _IN_DISTRIBUTION, "natural": _NATURAL, "natural_without_a": _WITHOUT_A, "all": _SEVEN,
}  # fmt: skip
TITLES = {
    "imagenet": "ImageNet", "imagenetv2": "V2", "in_distribution": "Avg in dist.", "imagenet-r": "R",
    "imagenet-sketch": "Sketch", "outline": "Outline", "imagenet-a": "A", "natural": "Avg natural",
    "natural_without_a": "Avg R, Sketch", "imagenet-c": "C (mCE ↓)", "imagenet-style": "Stylized", "all": "Avg",
}  # fmt: skip


Costs = Mapping[str, Mapping[str, Sequence[float]]]  # ratios to a step of `ce`, by student and method


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes:
        student: its name in the plan; `method` likewise, whose teacher, DAD set and objective are said too.
        settings: digest of all that was run for it.
        seconds: of train.py, as the clock has it.
        images_per_second: clean images in training, median over epochs.
        scores: headline number by variant: top-1 in percent, of imagenet-c the mCE.
        plan: sha256 of the plan that it is of; empty in the first study, which had none.
    """

    method: str
    student: str
    teacher: str
    dad_set: str
    objective: str
    seed: int
    epochs: int
    settings: str
    seconds: float
    images_per_second: float
    scores: Mapping[str, float]
    plan: str = ""

    def value(self, column: str) -> float:
        """Return a variant's headline number, an average of `AVERAGES`, or `cost`: seconds for 1000 clean images.

        Raises:
            KeyError: a variant was not scored.
        """
        if column == "cost":
            return 1000 / self.images_per_second
        if column in AVERAGES:
            return fmean(100 - self.scores[name] if name == "imagenet-c" else self.scores[name]
                         for name in AVERAGES[column])  # fmt: skip
        return self.scores[column]


class Records:
    """All records, asked by student, method and column."""

    def __init__(self, records: Iterable[Record], costs: Costs | None = None):
        """Take `costs` that were measured apart, for the column of that name; None: those by the records' own clock."""
        self._costs = costs
        self._by_key = {(record.student, record.method, record.seed): record for record in records}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._by_key.values())

    def students(self) -> list[str]:
        """Return the students, in the order of their first records."""
        return list(dict.fromkeys(student for student, _, _ in self._by_key))

    def methods(self, student: str) -> list[str]:
        """Return a student's methods, in the order of their first records."""
        return list(dict.fromkeys(method for who, method, _ in self._by_key if who == student))

    def values(self, student: str, method: str, column: str) -> dict[int, float]:
        """Return a column's value by seed (costs that were measured apart: by repeat), empty if there is none."""
        if column == "cost" and self._costs is not None:
            return dict(enumerate(self._costs.get(student, {}).get(method, ())))
        return {
            record.seed: record.value(column)
            for record in self._by_key.values()
            if (record.student, record.method) == (student, method)
        }


def load_records(path: Path) -> list[Record]:
    """Read a file of `save_records`.

    Raises:
        DataError: there is none, or it is another kind of file.
    """
    content = read_any_json(path, "python -m studies.emojinet run writes it")
    try:
        return [Record(**entry) for entry in content]
    except TypeError as error:
        raise DataError(f"{path}: not a file of this study ({error}); run the study again") from None


def save_records(path: Path, records: Sequence[Record]) -> None:
    """Write records as a JSON list, one a line."""
    lines = ",\n".join(json.dumps(compact(record)) for record in records)
    write_atomically(path, f"[\n{lines}\n]\n".encode())


def compact(record: Record) -> dict[str, Any]:
    """Return a record as plain values, rounded to what the table can show."""
    content = asdict(record)
    scores = {name: round(value, 3) for name, value in record.scores.items()}
    return {**content, "seconds": round(record.seconds, 1), "images_per_second": round(record.images_per_second, 1),
            "scores": scores}  # fmt: skip
