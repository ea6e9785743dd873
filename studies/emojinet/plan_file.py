"""The plan as a file: all that decides what the study finds, written down before it runs, with a digest that every
record bears.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dad.errors import DataError, SettingsError
from dad.files import read_json, to_json, write_atomically
from emojinet.render import VERSION
from studies.emojinet.claims import judge_all
from studies.emojinet.methods import CLAIMS, Tables
from studies.emojinet.plan import Job, plan_jobs, resolved, run_key
from studies.emojinet.records import AVERAGES, Record, Records
from studies.emojinet.sets import Selection, digests

_OUT = Path("OUT")  # stands for --out, which decides nothing
_RULE = (
    "A comparison holds if the 95 % interval (Student's t) of its paired difference over seeds lies beyond 0 on the "
    "claimed side, does not hold if it lies beyond 0 on the other, and is not decided otherwise. A claim holds if all "
    "its comparisons do; it does not hold as soon as one does not. That is said for each student, with Holm's "
    "correction over the eight claims beside it, and over all students."
)


def plan_content(selection: Selection, tables: Tables = CLAIMS, device: str = "cpu") -> dict[str, Any]:
    """Return the plan of the claims' study as plain values."""
    return {
        **comparison_content(tables, device),
        "sets": digests(selection),
        "rule": {"reads": _RULE, "claims": _claims(tables), "averages": _averages()},
    }


def comparison_content(tables: Tables, device: str) -> dict[str, Any]:
    """Return what is compared, and by which commands, as plain values."""
    jobs = plan_jobs(_OUT, device=device, tables=tables)
    runs = [job for job in jobs if job.run]
    return {
        "students": list(tables.students),
        "teachers": dict(tables.teachers),
        "methods": [_method(method) for method in tables.methods],
        "dad_sets": {name: {"teacher": one.teacher, **one.flags} for name, one in tables.dad_sets.items()},
        "recipes": _recipes(jobs),
        "shared": {job.name: [list(words) for words in job.commands] for job in jobs if not job.run},
        "first_runs": {  # of each student and method; other seeds differ in the seed and the folder alone
            job.name: [list(words) for words in job.commands] for job in runs if job.run and job.run[2] == 0
        },
        "order": [job.name for job in runs],
        "emojinet": VERSION,
    }


def plan_bytes(selection: Selection, tables: Tables = CLAIMS, device: str = "cpu") -> bytes:
    """Return the plan file as it has to be, byte for byte."""
    return to_json(plan_content(selection, tables, device), indent=1)


def digest_of_plan(content: bytes) -> str:
    """Return the sha256 of a plan file, as `sha256sum` has it."""
    return hashlib.sha256(content).hexdigest()


def write_plan(path: Path, content: bytes, records: Iterable[Record]) -> str:
    """Write the plan and return its digest.

    Raises:
        SettingsError: there are records of another plan, whose runs are over or under way.
    """
    digest = digest_of_plan(content)
    require_same_plan(records, digest)
    write_atomically(path, content)
    return digest


def require_plan(path: Path, content: bytes) -> str:
    """Return the digest of the plan file, which has to be what the tables and recipes say now.

    Raises:
        DataError: there is no plan.
        SettingsError: it is another one; the message names what differs.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no plan yet; `python -m studies.emojinet plan` writes it")
    found = path.read_bytes()
    if found != content:
        parts = ", ".join(differing(read_json(path), json.loads(content)))
        raise SettingsError(
            f"{path}: another plan than tables and recipes make now ({parts or 'its form'}); undo that, or write a new "
            "plan and begin anew"
        )
    return digest_of_plan(found)


def require_same_plan(records: Iterable[Record], digest: str) -> None:
    """Refuse records of another plan.

    Raises:
        SettingsError: with the first of them.
    """
    for record in records:
        if record.plan != digest:
            raise SettingsError(
                f"the record of {record.student} {record.method} {record.seed} is of another plan "
                f"({record.plan[:12] or 'none'}, not {digest[:12]}); move that file away to begin anew"
            )


def differing(found: Any, wanted: Any, name: str = "") -> list[str]:
    """Return the names of what differs, e.g. `recipes.resnet.lr`."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [*found, *(key for key in wanted if key not in found)]
        return [one for key in keys for one in differing(found.get(key), wanted.get(key), f"{name}.{key}".lstrip("."))]
    return [] if found == wanted else [name]


def _method(method: Any) -> dict[str, Any]:
    return {
        "name": method.name, "objective": method.objective, "teacher": method.teacher, "dad_set": method.dad_set,
        "seeds": method.seeds, "flags": dict(method.flags), "turn": method.turn, "students": list(method.students),
    }  # fmt: skip


def _recipes(jobs: Iterable[Job]) -> dict[str, Any]:
    return {
        str(path.relative_to(path.parents[1])): resolved(path)
        for job in jobs
        for path in dict.fromkeys(job.recipes())
    }  # fmt: skip


def _claims(tables: Tables) -> list[dict[str, Any]]:
    """Which comparisons decide each claim: read from the rule itself, on records that never were."""
    fakes = Records(
        Record(method, student, "", "", "", seed, 1, "", 1.0, 1.0, dict.fromkeys(_columns(), 50.0))
        for student, method, seed in (run_key(job.run) for job in plan_jobs(_OUT, 2, tables=tables) if job.run)
    )
    return [
        {
            "number": one.number,
            "unit": one.unit,
            "compared": [f"{item.student}: {item.text}" for item in one.comparisons],
        }
        for one in judge_all(fakes)
    ]


def _columns() -> tuple[str, ...]:
    return AVERAGES["all"]


def _averages() -> dict[str, list[str]]:
    return {name: list(AVERAGES[name]) for name in ("in_distribution", "natural", "all")}
