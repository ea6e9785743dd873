"""results.json: the scores of every model, written after each set, so that a rerun goes on where the last one ended.

An entry belongs to a name, a checkpoint with its hash, and settings; entries of other models and settings stay. The
file beside it (`dad.decisions`) holds which images each model gets right.
"""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.distributed as dist

from dad.decisions import (
    Arrays,
    Decisions,
    decisions_path,
    digests_of,
    named,
    pack,
    read_arrays,
    stored_names,
    to_bytes,
)
from dad.errors import DataError, UsageError
from dad.evaluation.scores import Scores
from dad.files import read_any_json, to_json, write_in_turn
from dad.locks import exclusive
from dad.report.results import FORMAT
from dad.runtime import Runtime
from dad.variants.contents import Contents

Entry = dict[str, Any]
_logger = logging.getLogger(__name__)


class ResultsFile:
    """The entries of a results file; every process has them, the primary one writes."""

    def __init__(self, path: Path, runtime: Runtime):
        """Read what is there already.

        Raises:
            DataError: the file is there, but not one of results.
        """
        self.path, self.runtime = path, runtime
        self.written: list[Entry] = []  # what the file holds by now
        self._own: list[tuple[Entry, Entry]] = []  # of this run, each with the scores that it began with
        self._decisions: Arrays = {}  # of this run: another that scores the same checkpoint may drop them from the file
        self._packed: set[str] = set()  # names of decisions that this run has written
        self.entries = _read(path) if runtime.is_primary else []
        if runtime.distributed:
            shared = [self.entries]
            dist.broadcast_object_list(shared)
            self.entries = shared[0]

    def entry(self, identity: Mapping[str, Any], extra: Mapping[str, Any]) -> Entry:
        """Return the entry of a model, with the scores that it has already; one of its earlier weights is dropped.

        Args:
            extra: what else is told of the model, whatever is there.
        """
        own = {**identity, "format": FORMAT}
        scored: Entry = {"variants": {}, "attacks": []}
        place = len(self.entries)
        for number, entry in reversed(list(enumerate(self.entries))):
            if _same(entry, own, without="checkpoint_hash"):
                place = number  # a rerun leaves the order of rows as it is
                del self.entries[number]
                scored = {key: entry[key] for key in scored} if _same(entry, own) else scored
        entry = {**own, **extra, **scored}
        self.entries.insert(place, entry)
        before = {"variants": dict(entry["variants"]), "attacks": list(entry["attacks"])}
        self._own.append((entry, before))
        return entry

    def keep(self, entry: Entry, name: str, scores: Scores, decisions: Decisions | None) -> None:
        """Keep what an entry's model gets right of the set `name`, to be written with its scores, which name it."""
        if decisions is not None:
            scores["decisions"] = decisions.digest(entry, name, scores["images"])
            self._decisions |= pack(scores["decisions"], scores["images"], decisions)

    def write(self) -> None:
        """Write all entries: one by itself, several as a list. What another run has written in the meantime stays."""
        if not self.runtime.is_primary:
            return
        with exclusive(self.path):
            written = _read(self.path)
            for entry, before in self._own:
                _merge(written, entry, before)
            content = written if len(written) > 1 else written[0]
            files = [(self.path, to_json(content, indent=1))]
            own = named(self._decisions, digests_of(written))
            if own.keys() - (stored_names(decisions_path(self.path)) & self._packed):
                files.insert(0, (decisions_path(self.path), self._all_decisions(written, own)))
            write_in_turn(files)
            self._packed |= own.keys()
        self.written = written

    def _all_decisions(self, entries: list[Entry], own: Arrays) -> bytes:
        """Return the file of decisions: this run's `own`, and what is there, as far as scores still name it."""
        path, there = decisions_path(self.path), Arrays()
        try:
            there = read_arrays(path, digests_of(entries)) if path.exists() else there
        except DataError as error:
            _logger.warning("%s: what it held is lost", error)
        return to_bytes({**there, **own})


def resolve_results_path(args: argparse.Namespace) -> Path:
    """Decide where the results go: the flag, else beside the one checkpoint, else the current folder.

    Raises:
        UsageError: not a .json file.
    """
    if not args.results_file:
        return _default_folder(args) / "results.json"
    path = Path(args.results_file)
    if path.suffix != ".json":
        raise UsageError(
            f"--results-file {path}: scores are JSON, name it {path.with_suffix('.json')}; "
            "the table beside it is CSV (--results-format)"
        )
    return path


def _default_folder(args: argparse.Namespace) -> Path:
    if len(args.checkpoint) != 1 or args.teacher:
        return Path()
    place = Path(args.checkpoint[0])
    return place if place.is_dir() else place.parent


def is_scored(entry: Entry, name: str, contents: Contents, average: str | None = None) -> bool:
    """Whether `entry` has the scores of the set `name`, of the same images, and precision, recall and F1 if they are
    asked for, averaged like this."""
    scores: Scores | None = entry["variants"].get(name)
    return scores is not None and average in (None, scores.get("average")) and scores.get("images") == contents.digest


def _same(entry: Entry, other: Entry, without: str = "") -> bool:
    keys = ("format", "name", "model", "checkpoint", "checkpoint_hash", "weights", "settings")
    return all(entry.get(key) == other.get(key) for key in keys if key != without)


def _merge(written: list[Entry], entry: Entry, before: Entry) -> None:
    """Put an entry of this run among those of a file, in the place of the model's; other scores of the same weights
    that have come into the file since stay, those that this run has made count."""
    place = len(written)
    merged = entry
    for number, other in reversed(list(enumerate(written))):
        if not _same(other, entry, without="checkpoint_hash"):
            continue
        place = number
        del written[number]
        if _same(other, entry):
            attacks = [row for row in other["attacks"] if row not in entry["attacks"] and row not in before["attacks"]]
            variants = _with_versions(other, entry)
            for name, scores in entry["variants"].items():
                had = before["variants"].get(name)
                if scores is not had:  # what C is by ImageNet's score may have changed alone
                    variants[name] = {**variants.get(name, {}), **scores} if _is_again(scores, had) else scores
            merged = {**entry, "variants": variants, "attacks": [*entry["attacks"], *attacks]}
    written.insert(place, merged)


def _is_again(scores: Scores, had: Scores | None) -> bool:
    """Whether scores are those that were there, but for what follows from another set's."""
    one, other = ({**found, "relative_mce": None} for found in (scores, had or {}))
    return one == other


def _with_versions(there: Entry, here: Entry) -> dict[str, Scores]:
    """Return the scores of an entry, each with the packages' versions that it was made with where `here` has others."""
    made_with = there.get("versions")
    if made_with is None or made_with == here.get("versions"):
        return dict(there["variants"])
    return {name: {"versions": made_with, **scores} for name, scores in there["variants"].items()}


def _read(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    content = read_any_json(path, "choose another --results-file, or delete this one")
    entries = content if isinstance(content, list) else [content]
    if not all(isinstance(entry, dict) and "variants" in entry for entry in entries):
        raise DataError(f"{path}: there is something else in this file; choose another --results-file")
    return entries
