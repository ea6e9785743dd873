"""Read results files, of today's format and of the first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dad.errors import DataError
from dad.files import read_any_json
from dad.images.classes import imagenet_folders, is_imagenet

Result = Mapping[str, Any]  # one scored model, as results.json has it

FORMAT = 2  # of what validate.py writes; raise it when an old reader would misread it. 1 had no settings


def load_results(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Read results files, each of one model or a list of several, in order.

    Raises:
        DataError: a file is missing, no results file, or of a newer format.
    """
    return load_with_files(paths)[0]


def load_with_files(paths: Sequence[str]) -> tuple[list[dict[str, Any]], list[Path]]:
    """Return what `load_results` returns, and the file that each result is from."""
    found = [(result, Path(path)) for path in paths for result in _load_file(Path(path))]
    return [result for result, _ in found], [path for _, path in found]


def row_name(result: Result) -> str:
    """Return what a result's row is called."""
    return str(result.get("name") or result["model"])


def has_imagenets_classes(result: Result) -> bool:
    """Whether the class list is known to be ImageNet's, so that the paper's numbers can stand beside.

    Results name every class. Where a file names only some of them, these and their number have to be ImageNet's.
    """
    names = result.get("class_names", {})
    count = result.get("settings", {}).get("num_classes")
    if len(names) == count:
        return is_imagenet(names)
    return bool(count == len(imagenet_folders()) and set(names) <= set(imagenet_folders()))


def has_other_classes(result: Result) -> bool:
    """Whether the class list is known not to be ImageNet's; files of the first format name none."""
    return "num_classes" in result.get("settings", {}) and not has_imagenets_classes(result)


def is_teacher(result: Result) -> bool:
    """Whether a row is a teacher's, with which students are not to be ranked."""
    return bool(result.get("weights") == "teacher")


def attacked_set(attack: Mapping[str, Any]) -> str:
    """Return the name of the set that a row of `attacks` is of; rows that name none are of the validation images."""
    return str(attack.get("variant") or "imagenet")


def class_name(result: Result, folder: str) -> str:
    """Return the readable name of a class, or its folder's where the results have none."""
    return str(result.get("class_names", {}).get(folder, folder))


def _load_file(path: Path) -> list[dict[str, Any]]:
    content = read_any_json(path, "validate.py writes it (--results-file)")
    results = content if isinstance(content, list) else [content]
    if not results or not all(map(_is_result, results)):
        raise DataError(
            f"{path}: not a results file; expected an object with 'model' and 'variants', or a list of them"
        )
    if newer := [result["format"] for result in results if result.get("format", 1) not in range(1, FORMAT + 1)]:
        raise DataError(f"{path}: results of format {newer[0]}, this version reads up to {FORMAT}; update it")
    return results


def _is_result(content: object) -> bool:
    if not isinstance(content, dict) or not {"model", "variants"} <= set(content):
        return False
    variants = content["variants"]
    return isinstance(variants, dict) and all(isinstance(scores, dict) for scores in variants.values())
