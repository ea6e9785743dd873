"""Weights: are they here, are they what was fetched, and is a network needed for any of them?"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from dad.checkpoints.digests import find_damage
from dad.checkpoints.downloads import can_reach, is_offline
from dad.doctor.disk import human
from dad.doctor.findings import Finding, fail, ok, warn
from dad.errors import DataError
from dad.fetch.needed import Weights
from dad.fetch.record import recorded_sha256
from dad.shards.index import file_sha256


def judge_weights(
    needed: Iterable[Weights], config: str, reaches: Callable[[str], bool] | None = None
) -> list[Finding]:
    """Say of all weights whether they are here and whole, and whether the network is needed.

    Args:
        config: the recipe, for the line that fetches.
        reaches: whether an address can be reached; default: by asking its host once.
    """
    needed = list(needed)
    reaches = reaches or lru_cache(None)(can_reach)
    found = [_judge(weights, config, reaches) for weights in needed]
    away = [weights.role for weights in needed if weights.find() is None and weights.source is not None]
    if not away:
        return [*found, ok("network", "not needed: nothing is to be fetched")]
    return [*found, warn("network", f"needed for: {', '.join(away)}", _fetching(config))]


def _judge(weights: Weights, config: str, reaches: Callable[[str], bool]) -> Finding:
    place = weights.find()
    if place is not None:
        return _judge_place(weights, place)
    said = f"{weights.role}: {weights.flag}"
    if weights.file is not None:
        return fail("weights", f"{said}: nothing is there", "give the place of a file that is, or make it")
    if weights.source is None:
        remedy = f"fetch it {_by_hand(weights)}, and name it: {_named(weights)}"
        return fail("weights", f"{said}: no program can fetch it", remedy)
    said = f"{said} is from {weights.source.describes}"
    if weights.role == "VQGAN":  # no script fetches one by itself
        return fail("weights", said, f"{_fetching(config)}, then {_named(weights)}")
    if reaches(weights.source.url):
        return warn("weights", f"{said}, and will be downloaded at the start")
    why = "HF_HUB_OFFLINE forbids to ask" if is_offline() else "cannot be reached"
    then = f", then {_named(weights)}" if weights.offline else ", and HF_HOME as it says"
    return fail("weights", f"{said}, which {why}", f"{_fetching(config)}{then}")


def _judge_place(weights: Weights, place: Path) -> Finding:
    """Compare the files of weights with the hashes that are known of them."""
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    said = f"{weights.role}: {place}, {human(sum(path.stat().st_size for path in files))}"
    known = 0
    try:
        for path in files:
            recorded = recorded_sha256(path)
            known += recorded is not None
            if recorded is not None and file_sha256(path) != recorded:
                return fail("weights", f"{said}: {path.name} is not what was fetched", "fetch it again with dad.fetch")
            if damage := find_damage(path):
                return fail("weights", f"{said}: {path.name} is damaged ({damage})", "copy it again")
    except (OSError, DataError) as error:
        return fail("weights", f"{said}: cannot be read ({error})", "copy it again, or see to its mode")
    published = weights.source.sha256 if weights.source is not None else ""
    if published and place.is_file() and not file_sha256(place).startswith(published):
        said = f"{said} is not what was published (SHA-256 {published})"
        return fail("weights", said, "remove it and fetch it again")
    how = "as it was fetched" if known else "its hash is known to nobody here"
    return ok("weights", f"{said}; {'as it was published' if published and place.is_file() else how}")


def _named(weights: Weights) -> str:
    return weights.offline.format("FILE")


def _by_hand(weights: Weights) -> str:
    return f"by hand from {weights.by_hand}" if weights.by_hand else "by hand"


def _fetching(config: str) -> str:
    return f"on a login node: python -m dad.fetch --config {config or 'FILE'} --to DIR"
