"""All that tables and plots read: the runs' records, and beside them what is known of the teacher and the DAD sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_json
from studies.emojinet.records import AVERAGES, TITLES, Records, load_records

_FACTS = ("epsilon", "steps", "kept", "codes_changed")


@dataclass(frozen=True)
class DadSetFacts:
    """What lies in a DAD set, None where it does not apply.

    Attributes:
        epsilon, steps: of the attack.
        kept: share of images that the teacher is still right on, in [0, 1].
        codes_changed: mean share of codes that differ from those of Q(x), in [0, 1].
    """

    epsilon: float | None
    steps: int | None
    kept: float | None
    codes_changed: float | None


@dataclass(frozen=True)
class Study:
    """Records with what steps cost, and two files beside them; each of the three may be missing.

    Attributes:
        teacher: the foundation teacher's headline number by variant, as in a record; empty if not known.
        dad_sets: by the names that the records call them; empty if not known.
    """

    records: Records
    teacher: Mapping[str, float] = field(default_factory=dict)
    dad_sets: Mapping[str, DadSetFacts] = field(default_factory=dict)


def load_study(path: Path) -> Study:
    """Read the records of `path`, and teacher.json, dad_sets.json and costs.json beside it where they are. Beside
    records that are not called runs.json they begin with these records' name, as another study's sets are others.

    Raises:
        DataError: a file is of another kind, or a test set was scored in some of the runs alone.
    """
    prefix = "" if path.name == "runs.json" else f"{path.stem}_"
    teacher, dad_sets, costs = (path.with_name(f"{prefix}{name}.json") for name in ("teacher", "dad_sets", "costs"))
    loaded, measured = load_records(path), read_costs(costs)
    records = Records(loaded, measured if any(record.plan for record in loaded) else None)  # not by a clock of its own
    for record in records:
        if lacking := next((name for name in _variants(records) if name not in record.scores), None):
            raise DataError(
                f"{path}: {record.student} {record.method} {record.seed} has no {lacking}, which other runs have; run "
                "the study again"
            )
    return Study(records, _read_teacher(teacher), _read_dad_sets(dad_sets))


def columns_of(records: Records) -> dict[str, str]:
    """Return the titles of the columns that the records have, in their order."""
    there = {*AVERAGES, *_variants(records)}
    return {column: title for column, title in TITLES.items() if column in there}


def _variants(records: Records) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record.scores))


def _read_teacher(path: Path) -> dict[str, float]:
    content = read_json(path, "python -m studies.emojinet teacher writes it") if path.is_file() else {}
    return {name: _number(path, name, value) for name, value in content.items()}


def _read_dad_sets(path: Path) -> dict[str, DadSetFacts]:
    content = read_json(path, "python -m studies.emojinet run writes it") if path.is_file() else {}
    return {name: _facts(path, name, entry) for name, entry in content.items()}


def read_costs(path: Path) -> dict[str, dict[str, list[float]]]:
    """Return what steps cost over one of `ce`, by student and method, one number a repeat; empty without the file.

    Raises:
        DataError: it is a file of another kind.
    """
    content = read_json(path, "python -m studies.emojinet costs writes it") if path.is_file() else {"students": {}}
    try:
        return {
            student: {name: [_number(path, name, one) for one in ratios] for name, ratios in methods.items()}
            for student, methods in content["students"].items()
        }
    except (AttributeError, KeyError, TypeError):
        raise DataError(f"{path}: not a file of `python -m studies.emojinet costs`; run that again") from None


def _facts(path: Path, name: str, entry: Any) -> DadSetFacts:
    if not isinstance(entry, dict):
        raise DataError(f"{path}: {name} is {entry!r}; epsilon, steps, kept and codes_changed are needed")
    found = {key: None if entry.get(key) is None else _number(path, f"{name}: {key}", entry[key]) for key in _FACTS}
    for key in ("kept", "codes_changed"):
        share = found[key]
        if share is not None and not 0 <= share <= 1:
            raise DataError(f"{path}: {name}: {key} is {share:g}; a share between 0 and 1 is needed")
    steps = found["steps"]
    return DadSetFacts(found["epsilon"], None if steps is None else int(steps), found["kept"], found["codes_changed"])


def _number(path: Path, what: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise DataError(f"{path}: {what} is {value!r}; a number is needed")
