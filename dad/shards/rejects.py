"""The two tables of a finished DAD set: what is not in it, and why."""

import json
from collections.abc import Iterable, Sequence

from dad.shards.marker import Fate

REJECTED, UNREADABLE = "rejected.tsv", "unreadable.tsv"
_TITLES = ("key", "teacher_saw", "probability_before", "probability_after")


def rejected_table(rejected: Iterable[tuple[str, Fate]], class_names: Sequence[str] = ()) -> bytes:
    """A row a rejected source: key, what the teacher saw in Q(x'), its probability of the label (or of its own first
    choice on a source without one) before and after; or the reason where the networks made no numbers of it."""
    return _table(_TITLES, (_rejected_row(key, fate, class_names) for key, fate in sorted(rejected)))


def unreadable_table(unreadable: Iterable[tuple[str, str]]) -> bytes:
    """A row an unreadable source: key and reason."""
    return _table(("key", "reason"), ([key, reason] for key, reason in sorted(unreadable)))


def without_names(table: bytes) -> list[list[str]]:
    """Return the rows of a rejected table without what the teacher saw, which only a class list has words for."""
    rows = (line.split("\t") for line in table.decode("utf-8", "surrogateescape").split("\n"))
    return [[*row[:1], *row[2:]] for row in rows]


def _rejected_row(key: str, fate: Fate, class_names: Sequence[str]) -> list[str]:
    numbers = (float(fate.get(name, "nan")) for name in _TITLES[2:])
    return [key, _seen(fate, class_names), *(f"{number:.4f}" for number in numbers)]


def _seen(fate: Fate, class_names: Sequence[str]) -> str:
    if "reason" in fate:
        return str(fate["reason"])
    predicted = int(fate.get("predicted", -1))
    return class_names[predicted] if 0 <= predicted < len(class_names) else str(predicted)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    lines = ["\t".join(map(_cell, row)) for row in (titles, *rows)]
    return ("\n".join(lines) + "\n").encode()


def _cell(text: str) -> str:
    """Keep a value in its cell: names may hold tabs, newlines and bytes that are no text."""
    return json.dumps(text)[1:-1] if not text.isprintable() else text
